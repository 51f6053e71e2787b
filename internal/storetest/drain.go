package storetest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

var drainProperties = []property{
	{name: "starts nothing more, and lets what runs finish", hold: holdDrain},
	{name: "leaves the work to the other nodes", hold: holdDrainFleet, fleet: true},
	{name: "of a node that is not there", hold: holdDrainNobody},
	{name: "ends with the node", hold: holdDrainStop},
}

func (w *world) drain(store Store, node string) {
	w.Helper()
	require.NoError(w, store.Drain(w.Context(), node))
}

// state is that of a node.
func (w *world) state(store Store, id string) task.NodeState {
	w.Helper()
	for _, node := range w.nodesOf(store) {
		if node.ID == id {
			return node.State
		}
	}
	return ""
}

// awaitState waits for the state of a node.
func (w *world) awaitState(store Store, node string, state task.NodeState) {
	w.Helper()
	w.eventually(func() bool { return w.state(store, node) == state }, "for node %s to be %s", node, state)
}

func holdDrain(w *world) {
	g := newGate()
	store, other := w.open(), w.open()
	w.push(store, "m", guest("a"))
	node := w.start(store, only(task.Wasm, 4), handler(g.handle))
	running := w.named(store, "a")
	receive(w, g.entered, "the attempt")
	require.Equal(w, task.NodeAlive, w.state(store, node))
	w.drain(other, node)
	require.Equal(w, task.NodeDraining, w.state(other, node))
	w.drain(other, node) // again, which changes nothing
	send(w, g.leave, task.Outcome{})
	w.succeeds(store, running)
	w.awaitState(other, node, task.NodeDrained)

	waiting := w.named(store, "a")
	w.pass(time.Now().Add(300 * time.Millisecond))
	got := w.task(store, waiting)
	require.Equal(w, task.Pending, got.Status)
	require.Contains(w, got.WaitingReason, "drained")
	require.Empty(w, g.entered)
	require.True(w, w.nodesOf(store)[0].Alive)

	require.NoError(w, other.Undrain(w.Context(), node))
	require.Equal(w, task.NodeAlive, w.state(other, node))
	receive(w, g.entered, "the attempt that waited")
	send(w, g.leave, task.Outcome{})
	w.succeeds(store, waiting)
}

func holdDrainFleet(w *world) {
	g := newGate()
	w.push(w.open(), "m", guest("a"), guest("b"))
	stores, nodes := w.fleet(2, byName(map[string]handler{"a": done, "b": g.handle}), done)
	blocked := w.named(stores[0], "b")
	w.eventually(func() bool { return w.task(stores[0], blocked).Node != "" }, "for a node to take it")
	for w.task(stores[0], blocked).Node != nodes[0] { // the other one was faster
		w.succeeds(stores[0], blocked)
		blocked = w.named(stores[0], "b")
		w.eventually(func() bool { return w.task(stores[0], blocked).Node != "" }, "for a node to take it")
	}
	w.drain(stores[1], nodes[0])
	w.eventually(func() bool { return w.number("SELECT count(drained_at) FROM node") == 1 }, "for the node to have heard")
	require.Equal(w, task.NodeDraining, w.state(stores[1], nodes[0]), "something runs")
	ids, err := stores[0].EnqueueMany(w.Context(), batch("a", 200))
	require.NoError(w, err)
	for _, id := range ids {
		require.Equal(w, nodes[1], w.succeeds(stores[0], id).Node)
	}
	send(w, g.leave, task.Outcome{})
	require.Equal(w, nodes[0], w.succeeds(stores[0], blocked).Node)
	w.awaitState(stores[1], nodes[0], task.NodeDrained)
}

func holdDrainNobody(w *world) {
	store := w.open()
	require.ErrorIs(w, store.Drain(w.Context(), "nobody"), task.ErrNotFound)
	require.ErrorIs(w, store.Undrain(w.Context(), "nobody"), task.ErrNotFound)
}

func holdDrainStop(w *world) {
	store := w.open()
	w.push(store, "m", guest("a"))
	node := w.start(store, only(task.Wasm, 1), handler(done))
	w.drain(store, node)
	w.awaitState(store, node, task.NodeDrained)
	id := w.named(store, "a")
	require.NoError(w, store.Stop(w.Context()))
	require.Empty(w, w.nodesOf(store))
	require.Equal(w, task.Pending, w.task(store, id).Status)
	w.start(store, only(task.Wasm, 1), handler(done))
	w.succeeds(store, id)
}
