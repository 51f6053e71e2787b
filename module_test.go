package taskhost_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost"
	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/task"
)

// TestModulesBesideFunctions is one story, since a module takes its time to
// compile under the race detector.
func TestModulesBesideFunctions(t *testing.T) {
	t.Parallel()
	wasm, err := flakyGuest()
	require.NoError(t, err)
	dir := t.TempDir()
	config := taskhost.Config{Database: filepath.Join(dir, "tasks.db"), CacheDir: filepath.Join(dir, "cache")}
	h := newHost(t, config)
	greet := register(t, h, "greet", hello, task.Options{})
	register(t, h, "demo.greet", hello, task.Options{})
	start(t, h)

	version, err := h.Modules().Push(t.Context(), "flaky", wasm)
	require.NoError(t, err)
	require.Equal(t, 1, version.Version)
	require.True(t, version.Live)
	require.Equal(t, modules.Digest(wasm), version.Digest)
	definitions, err := h.Definitions(t.Context())
	require.NoError(t, err)
	names := make([]string, len(definitions))
	for i := range definitions {
		names[i] = definitions[i].Name
	}
	require.Equal(t, []string{"demo.broken", "demo.echo", "demo.flaky", "demo.greet", "greet"}, names)

	ref := &task.ModuleRef{Name: "flaky", Version: 1, Digest: version.Digest}
	args := []byte(" {\"bytes\" : [1, 2] }\n")
	echo, err := h.EnqueueRequest(t.Context(), task.Request{Name: "demo.echo", Args: args})
	require.NoError(t, err)
	flaky := enqueue(t, h, "demo.flaky", map[string]int{"fail_times": 1})
	broken := enqueue(t, h, "demo.broken", nil)
	function := enqueue(t, h, "greet", "beside it")

	got := await(t, h, echo)
	require.Equal(t, task.Success, got.Status, got.Error)
	require.Equal(t, task.Wasm, got.Executor)
	require.Equal(t, ref, got.Module)
	result, contentType, err := h.Result(t.Context(), echo)
	require.NoError(t, err)
	require.Equal(t, args, result, "byte for byte")
	require.Equal(t, "application/json", contentType)
	logs, err := h.Logs(t.Context(), echo, 0, 10)
	require.NoError(t, err)
	require.Len(t, logs, 1)
	require.Equal(t, task.Info, logs[0].Level)
	require.JSONEq(t, `{"bytes":21,"lines":1}`, string(logs[0].Fields))

	got = await(t, h, flaky)
	require.Equal(t, task.Success, got.Status, got.Error)
	require.Equal(t, 2, got.Attempt)
	result, _, err = h.Result(t.Context(), flaky)
	require.NoError(t, err)
	require.JSONEq(t, `{"attempts":2}`, string(result))

	got = await(t, h, broken)
	require.Equal(t, task.Failed, got.Status)
	require.Equal(t, task.CauseError, got.Cause)
	require.Equal(t, 1, got.Attempt, "it has retries, and said that they are no use")
	require.Equal(t, "this task is broken, and will be next time", got.Error)

	require.Equal(t, task.Success, await(t, h, function).Status)
	out, err := greet.Result(t.Context(), function)
	require.NoError(t, err)
	require.Equal(t, "hello beside it", out)

	_, err = h.Enqueue(t.Context(), "demo.flaky", map[string]string{"fail_times": "twice"}, taskhost.EnqueueOptions{})
	var argument *task.ArgumentError
	require.ErrorAs(t, err, &argument)
	require.Equal(t, "/fail_times", argument.Problems[0].Path)

	waits, err := h.EnqueueRequest(t.Context(), task.Request{Name: "demo.echo", EnqueueOptions: taskhost.EnqueueOptions{Delay: 1}})
	require.NoError(t, err)
	await(t, h, waits)
	stop(t, h)
	runAfterRestart(t, config, ref)
}

// runAfterRestart: the module is fetched from the database, and its code from
// the cache.
func runAfterRestart(t *testing.T, config taskhost.Config, ref *task.ModuleRef) {
	t.Helper()
	h := newHost(t, config)
	start(t, h)
	id := enqueue(t, h, "demo.echo", "after the restart")
	got := await(t, h, id)
	require.Equal(t, task.Success, got.Status, got.Error)
	require.Equal(t, ref, got.Module)
	result, _, err := h.Result(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, `"after the restart"`, string(result))
}

func TestPushRejects(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	for name, wasm := range map[string][]byte{
		"nothing":   nil,
		"a text":    []byte("#!/bin/sh\necho hello\n"),
		"an empty":  []byte("\x00asm\x01\x00\x00\x00"),
		"truncated": []byte("\x00asm\x01\x00\x00\x00\x01\xff"),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.Modules().Push(t.Context(), "m", wasm)
			var rejected *modules.RejectedError
			require.ErrorAs(t, err, &rejected)
			require.NotEmpty(t, rejected.Reason)
		})
	}
	list, err := h.Modules().List(t.Context())
	require.NoError(t, err)
	require.Empty(t, list)
	_, err = h.Modules().Versions(t.Context(), "m")
	require.ErrorIs(t, err, task.ErrNotFound)
}
