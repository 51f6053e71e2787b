package storetest

import (
	"context"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

var deathProperties = []property{
	{name: "of a node whose connections break", hold: func(w *world) { holdDeath(w, (*Cable).Cut) }, fleet: true},
	{name: "of a node whose network falls silent", hold: func(w *world) { holdDeath(w, (*Cable).Silence) }, fleet: true},
	{name: "is not announced by a slow attempt", hold: holdAlive, fleet: true},
	{name: "of a node that was cut off before it began what it had claimed", hold: holdCutOff, fleet: true},
}

// A node is cut off while it runs tasks, and comes back when another has taken
// them over.
func holdDeath(w *world, cut func(*Cable)) {
	requeue := task.Options{RequeueOnInterrupt: true}
	survivor := w.open()
	w.push(survivor, "m", guest("again", requeue), guest("not-again"), guest("thrice", requeue))

	lost, cable := w.OpenOver(w.T)
	w.opened = append(w.opened, lost)
	entered, leave := make(chan struct{}, 3), w.latch()
	w.Cleanup(cable.Mend)
	lostNode := w.start(lost, only(task.Wasm, 3), handler(func(_ context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		if exec.Task.Name == "not-again" && string(exec.Args) == "1" {
			return task.Outcome{Result: []byte("back")}
		}
		entered <- struct{}{}
		<-leave.opened // and deaf to its context
		log.Log(task.Info, "late", nil)
		return task.Outcome{Result: []byte("late")}
	}))
	again, notAgain, thrice := w.named(survivor, "again"), w.named(survivor, "not-again"), w.named(survivor, "thrice")
	for range 3 {
		receive(w, entered, "an attempt")
	}
	w.exec("UPDATE task SET crashes = 2 WHERE id = $1", w.ID(thrice))
	node := w.start(survivor, only(task.Wasm, 1), handler(func(context.Context, *task.Execution, task.LogSink) task.Outcome {
		return task.Outcome{Result: []byte("taken over")}
	}))
	cut(cable)
	at := time.Now()

	got := w.succeeds(survivor, again)
	assert.Less(w, time.Since(at), 12*time.Second)
	require.Equal(w, node, got.Node)
	require.Equal(w, 1, got.Crashes)
	require.Equal(w, 1, got.Attempt)
	got = w.await(survivor, notAgain)
	require.Equal(w, task.Interrupted, got.Status)
	require.Equal(w, task.CauseCrashed, got.Cause)
	got = w.await(survivor, thrice)
	require.Equal(w, task.Failed, got.Status)
	require.Equal(w, task.CauseCrashed, got.Cause)
	require.Contains(w, got.Error, "3 nodes died")
	for _, listed := range w.nodesOf(survivor) {
		require.Equal(w, listed.ID == node, listed.Alive, listed.ID)
	}

	cable.Mend()
	leave.open()
	// When the node has stored something new, its late ends have been refused.
	require.NoError(w, survivor.Stop(w.Context()))
	back := w.enqueue(survivor, task.Request{Name: "not-again", Args: []byte("1")})
	require.Equal(w, lostNode, w.succeeds(survivor, back).Node)
	require.NoError(w, lost.Stop(w.Context()))
	require.Equal(w, []string{"1 interrupted crashed", "1 success"}, w.ended(again))
	require.Equal(w, []string{"1 interrupted crashed"}, w.ended(notAgain))
	require.Equal(w, []string{"1 interrupted crashed"}, w.ended(thrice))
	result, _, err := survivor.Result(w.Context(), again)
	require.NoError(w, err)
	require.Equal(w, "taken over", string(result))
	for _, id := range []task.ID{again, notAgain, thrice} {
		require.Empty(w, w.logs(survivor, id))
	}
}

// A node that lives keeps its tasks, however long they take.
func holdAlive(w *world) {
	w.push(w.open(), "m", guest("a", task.Options{RequeueOnInterrupt: true}))
	g := newGate()
	stores, nodes := w.fleet(1, g.handle, g.handle)
	id := w.named(stores[0], "a")
	receive(w, g.entered, "the attempt")
	node := w.task(stores[0], id).Node
	require.Contains(w, nodes, node)
	w.pass(time.Now().Add(10 * time.Second))
	require.Empty(w, g.entered, "it was taken over")
	send(w, g.leave, task.Outcome{})
	got := w.succeeds(stores[1], id)
	require.Equal(w, node, got.Node)
	require.Zero(w, got.Crashes)
	require.Equal(w, []string{"1 success"}, w.ended(id))
}

// slowPreparing is a handler that takes its time before an attempt begins.
type slowPreparing struct {
	handler

	entered chan struct{}
	leave   <-chan struct{}
}

func (h *slowPreparing) Prepare(context.Context, *task.Execution) error {
	h.entered <- struct{}{}
	<-h.leave
	return nil
}

// What a node has claimed and not begun when it is cut off runs elsewhere, and only
// there.
func holdCutOff(w *world) {
	survivor := w.open()
	w.push(survivor, "m", guest("a", task.Options{RequeueOnInterrupt: true}))
	lost, cable := w.OpenOver(w.T)
	w.opened = append(w.opened, lost)
	w.Cleanup(cable.Mend)
	leave, began := w.latch(), make(chan struct{}, 1)
	h := &slowPreparing{entered: make(chan struct{}, 1), leave: leave.opened, handler: func(context.Context, *task.Execution, task.LogSink) task.Outcome {
		began <- struct{}{}
		return task.Outcome{}
	}}
	config := w.nodeConfig(only(task.Wasm, 1))
	require.NoError(w, lost.Start(w.Context(), h, config))
	id := w.named(survivor, "a")
	receive(w, h.entered, "the attempt")
	cable.Silence()
	w.start(survivor, only(task.Wasm, 1), handler(done))
	w.succeeds(survivor, id)
	leave.open()
	w.pass(time.Now().Add(time.Second))
	require.Empty(w, began, "it has begun what another has done")
	cable.Mend()
	require.NoError(w, lost.Stop(w.Context()))
	require.Empty(w, began)
	require.Equal(w, []string{"1 interrupted crashed", "1 success"}, w.ended(id))
}
