package storetest

import (
	"context"
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

var processProperties = []property{
	{name: "one works what another enqueues and waits for", hold: holdTwoProcesses},
	{name: "a change of definitions is seen by others", hold: holdChangeSeen},
	{name: "one node at a time", hold: holdOneNode, alone: true},
	{name: "what was stored is there after all have closed", hold: holdReopened},
}

func holdTwoProcesses(w *world) {
	client := w.open()
	w.push(client, "m", guest("double"))
	worker := w.serve(2, func(_ context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		log.Log(task.Info, "doubling", nil)
		return task.Outcome{Result: append(exec.Args, exec.Args...), ResultType: "text/plain"}
	}, guest("double"))
	for i := range 30 {
		id := w.enqueue(client, task.Request{Name: "double", Args: fmt.Append(nil, i), ArgsType: "text/plain"})
		w.succeeds(client, id)
		result, _, err := client.Result(w.Context(), id)
		require.NoError(w, err)
		require.Equal(w, fmt.Sprintf("%d%d", i, i), string(result))
		require.Equal(w, []string{"doubling"}, messages(w.logs(client, id)))
		require.Equal(w, w.task(worker, id), w.task(client, id))
	}
	require.NoError(w, client.Stop(w.Context()), "it is not what works")
	w.succeeds(client, w.enqueue(client, task.Request{Name: "double"}))
}

func holdChangeSeen(w *world) {
	client, pusher := w.open(), w.open()
	w.push(pusher, "m", guest("a"))
	require.Equal(w, 1, w.task(client, w.named(client, "a")).Module.Version)
	w.push(pusher, "m", guest("a", task.Options{Retries: 7}), guest("new"))
	require.Equal(w, 2, w.task(pusher, w.named(pusher, "a")).Module.Version, "who pushed knows at once")
	require.Equal(w, 2, w.task(client, w.named(client, "new")).Module.Version, "what was not known is asked for")
	w.eventually(func() bool {
		got := w.task(client, w.named(client, "a"))
		return got.Module.Version == 2 && got.MaxAttempts == 8
	}, "for the other process to see the new version")
}

func holdOneNode(w *world) {
	first, second := w.open(), w.open()
	w.push(first, "m", guest("a"))
	node := w.start(first, only(task.Wasm, 1), handler(done))
	err := second.Start(w.Context(), handler(done), w.nodeConfig(only(task.Wasm, 1)))
	require.ErrorContains(w, err, "is being worked by node "+node)
	w.succeeds(second, w.named(second, "a"))
	nodes, err := second.Nodes(w.Context())
	require.NoError(w, err)
	require.Len(w, nodes, 1)
	require.Equal(w, node, nodes[0].ID)

	require.NoError(w, first.Stop(w.Context()))
	w.start(second, only(task.Wasm, 1), handler(done))
	w.succeeds(first, w.named(first, "a"))
}

func holdReopened(w *world) {
	store := w.open()
	version := w.push(store, "m", guest("a"))
	w.start(store, only(task.Wasm, 1), handler(func(_ context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		log.Log(task.Info, "line", nil)
		return task.Outcome{Result: exec.Args}
	}))
	id := w.enqueue(store, task.Request{Name: "a", Args: []byte("1"), EnqueueOptions: task.EnqueueOptions{IdempotencyKey: "k"}})
	want := w.succeeds(store, id)
	waiting := w.enqueue(store, task.Request{Name: "a", EnqueueOptions: task.EnqueueOptions{Delay: time.Hour}})
	logs := w.logs(store, id)
	require.NoError(w, store.Close())

	again := w.open()
	require.Equal(w, want, w.task(again, id))
	require.Equal(w, logs, w.logs(again, id))
	require.Equal(w, task.Pending, w.task(again, waiting).Status)
	require.Equal(w, id, w.enqueue(again, task.Request{Name: "a", Args: []byte("1"), EnqueueOptions: task.EnqueueOptions{IdempotencyKey: "k"}}))
	wasm, err := again.Wasm(w.Context(), version.Digest)
	require.NoError(w, err)
	require.Len(w, wasm, int(version.Bytes))
}
