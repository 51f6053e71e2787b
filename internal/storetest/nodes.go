package storetest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

var nodeProperties = []property{
	{name: "a node tells what it can run and what it runs", hold: holdNodeFields},
	{name: "a node is known from its start to its stop", hold: holdNodeLife},
}

func (w *world) nodesOf(store Store) []task.Node {
	w.Helper()
	nodes, err := store.Nodes(w.Context())
	require.NoError(w, err)
	return nodes
}

func holdNodeFields(w *world) {
	store, reader := w.open(), w.open()
	w.push(store, "m", guest("module"))
	require.Empty(w, w.nodesOf(store))
	g := newGate()
	slots := map[task.Executor]int{task.Wasm: 3, task.Async: 2}
	before := time.Now().Add(-time.Millisecond)
	id := w.start(store, slots, handler(g.handle), function("b"), function("a"))
	w.named(store, "module")
	w.named(store, "module")
	w.named(store, "a")
	for range 3 {
		receive(w, g.entered, "an attempt")
	}
	for _, from := range []Store{store, reader} {
		nodes := w.nodesOf(from)
		require.Len(w, nodes, 1)
		node := nodes[0]
		require.Equal(w, id, node.ID)
		require.Equal(w, "1.2.3", node.Version)
		require.True(w, node.Alive)
		require.Equal(w, slots, node.Slots)
		require.Equal(w, []string{"a", "b"}, node.Functions)
		require.Equal(w, []int{2, 1, 0}, []int{node.Running[task.Wasm], node.Running[task.Async], node.Running[task.Thread]})
		w.exact(node.StartedAt, "the start of a node")
		w.exact(node.SeenAt, "the last sign of a node")
		require.WithinRange(w, node.StartedAt, before, time.Now())
		require.WithinRange(w, node.SeenAt, node.StartedAt, time.Now())
		require.True(w, node.Runs(task.Async, "a"))
		require.True(w, node.Runs(task.Wasm, "any"))
		require.False(w, node.Runs(task.Async, "c"))
	}
	for range 3 {
		send(w, g.leave, task.Outcome{})
	}
	w.eventually(func() bool {
		node := w.nodesOf(reader)[0]
		return node.Running[task.Wasm]+node.Running[task.Async] == 0
	}, "for the node to run nothing")
}

func holdNodeLife(w *world) {
	store := w.open()
	var earlier string
	for range 3 {
		node := w.start(store, only(task.Wasm, 1), handler(done))
		nodes := w.nodesOf(store)
		require.Len(w, nodes, 1)
		require.Equal(w, node, nodes[0].ID)
		require.Empty(w, nodes[0].Functions)
		require.NotNil(w, nodes[0].Functions, "in JSON it is a list")
		require.NotEqual(w, earlier, node)
		earlier = node
		require.NoError(w, store.Stop(w.Context()))
		require.Empty(w, w.nodesOf(store))
	}
}
