package storetest

import (
	"context"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

var limitProperties = []property{
	{name: "a definition's limits reach its attempts", hold: holdLimits},
	{name: "a node holds attempts to its own ceilings", hold: holdCeilings},
	{name: "arguments are held to the definition's size", hold: holdArgsSize},
	{name: "logs are held to the definition's size", hold: holdLogsSize},
}

// What a task may use is fixed when it is enqueued.
func holdLimits(w *world) {
	store := w.open()
	most := task.Options{
		Memory: task.MaxMemory, Fuel: 1<<63 - 1, Depth: task.MaxDepth,
		ResultBytes: task.MaxResultBytes, LogBytes: task.MaxLogBytes, Reset: task.Fresh,
	}
	w.push(store, "m", guest("most", most), guest("plain"), guest("some", task.Options{Fuel: 5}))
	ids := map[string]task.ID{}
	for _, name := range []string{"most", "plain", "some"} {
		ids[name] = w.named(store, name)
	}
	w.push(store, "m", guest("most"), guest("plain", most), guest("some", most))
	after := w.named(store, "plain")

	seen := make(chan task.Execution, 4)
	w.start(store, only(task.Wasm, 4), handler(func(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		seen <- *exec
		return task.Outcome{}
	}))
	got := make(map[task.ID]task.Limits)
	for range 4 {
		exec := receive(w, seen, "an attempt")
		got[exec.Task.ID] = exec.Limits
	}
	all := task.Limits{
		Memory: task.MaxMemory, Fuel: 1<<63 - 1, Depth: task.MaxDepth,
		ResultBytes: task.MaxResultBytes, LogBytes: task.MaxLogBytes, Fresh: true,
	}
	defaults := task.Ceilings{}.Bound(task.Limits{})
	some := defaults
	some.Fuel = 5
	require.Equal(w, map[task.ID]task.Limits{ids["most"]: all, ids["plain"]: defaults, ids["some"]: some, after: all}, got)
	for id := range got {
		w.succeeds(store, id)
	}
}

func holdCeilings(w *world) {
	store := w.open()
	w.push(store, "m",
		guest("most", task.Options{Memory: task.MaxMemory, Fuel: 1 << 40, Depth: task.MaxDepth, ResultBytes: 4 << 20, LogBytes: 4 << 20, Timeout: time.Hour}),
		guest("plain"))
	seen := make(chan task.Execution, 2)
	config := w.nodeConfig(only(task.Wasm, 2))
	config.Ceilings = task.Ceilings{Memory: 1 << 20, Fuel: 100, Depth: 10, ResultBytes: 2048, LogBytes: 4096, Timeout: 80 * time.Millisecond}
	require.NoError(w, store.Start(w.Context(), handler(func(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		seen <- *exec
		return untilStopped(ctx, exec, log)
	}), config))
	for _, name := range []string{"most", "plain"} {
		got := w.await(store, w.named(store, name))
		exec := receive(w, seen, "the attempt")
		require.Equal(w, task.Limits{Memory: 1 << 20, Fuel: 100, Depth: 10, ResultBytes: 2048, LogBytes: 4096}, exec.Limits)
		require.Equal(w, task.CauseTimeout, got.Cause)
		require.Equal(w, "timeout: the attempt ran longer than 80ms: give the task a larger timeout (at most 80ms) or less to do", got.Error)
	}
}

func holdArgsSize(w *world) {
	const little, much = 2048, 3 << 20
	store := w.serve(2, echo, guest("little", task.Options{ArgsBytes: little}), guest("much", task.Options{ArgsBytes: much}), guest("plain"))
	sized := func(name string, size int) task.Request {
		return task.Request{Name: name, Args: []byte(strings.Repeat("x", size)), ArgsType: "text/plain"}
	}
	for name, most := range map[string]int{"little": little, "much": much, "plain": task.DefaultArgsBytes} {
		id := w.enqueue(store, sized(name, most))
		got := w.succeeds(store, id)
		require.EqualValues(w, most, got.ArgsBytes)
		require.EqualValues(w, most, got.ResultBytes)
		_, err := store.Enqueue(w.Context(), sized(name, most+1))
		var invalid *task.InvalidError
		require.ErrorAs(w, err, &invalid)
		require.True(w, invalid.TooLarge)
		require.Equal(w, "args", invalid.Field)
		require.ErrorContains(w, err, "raise args_bytes of "+name)
	}
}

func holdLogsSize(w *world) {
	line := strings.Repeat("x", 1000-64)
	store := w.serve(1, func(_ context.Context, _ *task.Execution, log task.LogSink) task.Outcome {
		for range 3000 {
			log.Log(task.Info, line, nil)
		}
		return task.Outcome{}
	}, guest("little", task.Options{LogBytes: 5000}), guest("much", task.Options{LogBytes: 2_000_000}))
	for name, kept := range map[string]int{"little": 5, "much": 2000} {
		id := w.named(store, name)
		w.succeeds(store, id)
		logs := w.logs(store, id)
		require.Len(w, logs, kept+1)
		require.Contains(w, logs[kept].Message, "raise log_bytes of the definition")
	}
}
