package storetest

import (
	"context"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/task"
)

var fleetProperties = []property{
	{name: "nodes share the work, and each task runs once", hold: holdShared, fleet: true},
	{name: "each function runs where it is", hold: holdFunctionsApart, fleet: true},
	{name: "a module that was pushed to one runs on another", hold: holdModuleTravels, fleet: true},
	{name: "what a node gives back another takes", hold: holdHandedOver, fleet: true},
	{name: "each node takes what is first in order", hold: holdFleetPriority, fleet: true},
}

// nodes opens the database for each handler, and starts a node with it.
func (w *world) fleet(slots int, handlers ...handler) (stores []Store, ids []string) {
	w.Helper()
	for _, h := range handlers {
		store := w.open()
		stores = append(stores, store)
		ids = append(ids, w.start(store, only(task.Wasm, slots), h))
	}
	return stores, ids
}

func holdShared(w *world) {
	g := newGate()
	var mu sync.Mutex
	runs := make(map[task.ID]int)
	work := func(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		if exec.Task.Name == "blocks" {
			return g.handle(ctx, exec, log)
		}
		mu.Lock()
		defer mu.Unlock()
		runs[exec.Task.ID]++
		return task.Outcome{}
	}
	w.push(w.open(), "m", guest("blocks"), guest("a"))
	stores, nodes := w.fleet(2, work, work, work)
	var ids []task.ID
	for range 6 {
		ids = append(ids, w.named(stores[0], "blocks"))
	}
	taken := make(map[string]int)
	for range 6 {
		exec := receive(w, g.entered, "a free slot of any node")
		taken[exec.Task.Node]++
	}
	require.Equal(w, map[string]int{nodes[0]: 2, nodes[1]: 2, nodes[2]: 2}, taken)
	listed := w.nodesOf(stores[2])
	require.Len(w, listed, 3)
	for _, node := range listed {
		require.Equal(w, 2, node.Running[task.Wasm])
	}
	for range 6 {
		send(w, g.leave, task.Outcome{})
	}
	for range 3 {
		more, err := stores[1].EnqueueMany(w.Context(), batch("a", 300))
		require.NoError(w, err)
		ids = append(ids, more...)
	}
	w.allSucceed(ids)
	require.EqualValues(w, 3, w.number("SELECT count(DISTINCT node) FROM attempt"), "each node did some")
	for id, n := range runs {
		require.Equal(w, 1, n, "%s ran again", id)
	}
	require.Len(w, runs, 900)
}

func holdFunctionsApart(w *world) {
	first, second := w.open(), w.open()
	one := w.start(first, only(task.Async, 2), handler(done), function("one"), function("both"))
	two := w.start(second, only(task.Async, 2), handler(done), function("two"), function("both"))
	for range 10 {
		require.Equal(w, one, w.succeeds(second, w.named(second, "one")).Node)
		require.Equal(w, two, w.succeeds(first, w.named(first, "two")).Node)
		require.Contains(w, []string{one, two}, w.succeeds(first, w.named(first, "both")).Node)
	}
	waiting := w.named(first, "one")
	w.succeeds(first, waiting)
	require.NoError(w, first.Stop(w.Context()))
	require.Equal(w, two, w.succeeds(first, w.named(first, "both")).Node)
	waiting = w.named(second, "one")
	require.Equal(w, "none of the 1 nodes that are running has the Go function one: start a program that registers it", w.task(second, waiting).WaitingReason)
	w.start(first, only(task.Async, 2), handler(done), function("one"))
	w.succeeds(second, waiting)
}

func holdModuleTravels(w *world) {
	pusher, runner := w.open(), w.open()
	w.start(pusher, only(task.Async, 1), handler(done), function("f"))
	w.start(runner, only(task.Wasm, 1), handler(func(ctx context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		wasm, err := runner.Wasm(ctx, exec.Task.Module.Digest)
		if err != nil {
			return fails(err.Error())
		}
		return task.Outcome{Result: []byte(modules.Digest(wasm))}
	}))
	for _, options := range []task.Options{{}, {Priority: 7}, {}} {
		version := w.push(pusher, "m", guest("a", options))
		id := w.named(pusher, "a")
		require.Equal(w, version.Version, w.succeeds(pusher, id).Module.Version)
		result, _, err := pusher.Result(w.Context(), id)
		require.NoError(w, err)
		require.Equal(w, version.Digest, string(result))
	}
}

func holdHandedOver(w *world) {
	running := make(chan task.ID, 10)
	w.push(w.open(), "m", guest("a", task.Options{RequeueOnInterrupt: true}), guest("b"))
	stopping, _ := w.fleet(3, func(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		running <- exec.Task.ID
		return untilStopped(ctx, exec, log)
	})
	ids := []task.ID{w.named(stopping[0], "a"), w.named(stopping[0], "a"), w.named(stopping[0], "b")}
	for range ids {
		receive(w, running, "an attempt")
	}
	staying, nodes := w.fleet(3, done)
	w.stopNow(stopping[0])
	for _, id := range ids[:2] {
		got := w.succeeds(staying[0], id)
		require.Equal(w, nodes[0], got.Node)
		require.Equal(w, 1, got.Attempt)
		require.Zero(w, got.Crashes)
	}
	require.Equal(w, task.Interrupted, w.task(staying[0], ids[2]).Status)
}

// Between nodes the order is that in which they ask, which no clock tells. Each
// one's own claims follow one another.
func holdFleetPriority(w *world) {
	var ran order
	work := func(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		ran.add(exec.Task.ID)
		return task.Outcome{}
	}
	store := w.open()
	w.push(store, "m", guest("a"))
	requests := make([]task.Request, 100)
	for i := range requests {
		requests[i] = task.Request{Name: "a", EnqueueOptions: task.EnqueueOptions{Priority: 1 + (i*7)%10}}
	}
	ids, err := store.EnqueueMany(w.Context(), requests)
	require.NoError(w, err)
	w.fleet(1, work, work)
	w.allSucceed(ids)
	rows, err := w.DB.QueryContext(w.Context(), "SELECT node, priority FROM task ORDER BY started_at")
	require.NoError(w, err)
	defer rows.Close()
	last := make(map[string]int)
	for rows.Next() {
		var node string
		var priority int
		require.NoError(w, rows.Scan(&node, &priority))
		if before := last[node]; before != 0 {
			require.LessOrEqual(w, priority, before, node)
		}
		last[node] = priority
	}
	require.NoError(w, rows.Err())
	require.Len(w, ran.all(), len(ids))
}
