package storetest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/task"
)

var closeProperties = []property{
	{name: "calls after it say so", hold: holdClosed},
	{name: "interrupts what runs", hold: holdCloseRunning},
	{name: "during a stop waits for it and hastens it", hold: holdCloseDuringStop},
	{name: "under calls", hold: holdCloseUnderCalls},
}

// closed reports whether an error says that a store was closed.
func closed(err error) bool {
	return errors.Is(err, task.ErrStopped) || err != nil && (strings.Contains(err.Error(), "closed") || strings.Contains(err.Error(), "stopped"))
}

func holdClosed(w *world) {
	store := w.open()
	version := w.push(store, "m", guest("a"))
	id := w.named(store, "a")
	require.NoError(w, store.Close())
	require.NoError(w, store.Close())
	calls := map[string]func(ctx context.Context) error{
		"Enqueue":          func(ctx context.Context) error { _, err := store.Enqueue(ctx, task.Request{Name: "a"}); return err },
		"Enqueue unknown":  func(ctx context.Context) error { _, err := store.Enqueue(ctx, task.Request{Name: "b"}); return err },
		"Enqueue with key": func(ctx context.Context) error { _, err := store.Enqueue(ctx, keyed("a", "k", "")); return err },
		"EnqueueMany": func(ctx context.Context) error {
			_, err := store.EnqueueMany(ctx, []task.Request{{Name: "a"}})
			return err
		},
		"Task":             func(ctx context.Context) error { _, err := store.Task(ctx, id); return err },
		"Result":           func(ctx context.Context) error { _, _, err := store.Result(ctx, id); return err },
		"Logs":             func(ctx context.Context) error { _, err := store.Logs(ctx, id, 0, 1); return err },
		"Await":            func(ctx context.Context) error { return store.Await(ctx, id) },
		"Definition":       func(ctx context.Context) error { _, err := store.Definition(ctx, "a"); return err },
		"Definitions":      func(ctx context.Context) error { _, err := store.Definitions(ctx); return err },
		"DefinitionNames":  func(ctx context.Context) error { _, err := store.DefinitionNames(ctx); return err },
		"DeclareFunctions": func(ctx context.Context) error { return store.DeclareFunctions(ctx, []task.Definition{function("f")}) },
		"Nodes":            func(ctx context.Context) error { _, err := store.Nodes(ctx); return err },
		"Ping":             store.Ping,
		"PutToken":         func(ctx context.Context) error { return store.PutToken(ctx, "n", "s") },
		"Authenticate":     func(ctx context.Context) error { _, _, err := store.Authenticate(ctx, "s"); return err },
		"LiveVersions":     func(ctx context.Context) error { _, err := store.LiveVersions(ctx); return err },
		"Versions":         func(ctx context.Context) error { _, err := store.Versions(ctx, "m"); return err },
		"Wasm":             func(ctx context.Context) error { _, err := store.Wasm(ctx, version.Digest); return err },
		"PutVersion": func(ctx context.Context) error {
			_, err := store.PutVersion(ctx, modules.Version{Module: "n", Digest: "d"}, nil)
			return err
		},
		"Start": func(ctx context.Context) error {
			return store.Start(ctx, handler(done), w.nodeConfig(only(task.Wasm, 1)))
		},
	}
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	for name, call := range calls {
		err := call(ctx)
		assert.True(w, closed(err), "%s does not say that the store is closed, but: %v", name, err)
		assert.False(w, errors.Is(err, task.ErrUnavailable), "%s asks to be repeated: %v", name, err) //nolint:testifylint // all of them are to be seen
	}
	require.NoError(w, store.Stop(ctx))
	require.NoError(w, ctx.Err())
	require.EqualValues(w, 1, w.tasks())
}

func holdCloseRunning(w *world) {
	running := make(chan task.ID, 2)
	store := w.serve(2, func(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		running <- exec.Task.ID
		return untilStopped(ctx, exec, log)
	}, guest("a"), guest("b", task.Options{RequeueOnInterrupt: true}))
	a, b := w.named(store, "a"), w.named(store, "b")
	receive(w, running, "an attempt")
	receive(w, running, "an attempt")
	require.NoError(w, store.Close())
	other := w.open()
	require.Equal(w, task.Interrupted, w.task(other, a).Status)
	require.Equal(w, task.Pending, w.task(other, b).Status)
	nodes, err := other.Nodes(w.Context())
	require.NoError(w, err)
	require.Empty(w, nodes)
	w.start(other, only(task.Wasm, 1), handler(done))
	w.succeeds(other, b)
}

func holdCloseDuringStop(w *world) {
	running := make(chan task.ID, 1)
	store := w.serve(1, func(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		running <- exec.Task.ID
		return untilStopped(ctx, exec, log)
	}, guest("a"))
	id := w.named(store, "a")
	receive(w, running, "the attempt")
	stopped := make(chan error, 1)
	go func() { stopped <- store.Stop(w.Context()) }()
	require.NoError(w, store.Close())
	if err := receive(w, stopped, "Stop"); err != nil {
		require.ErrorIs(w, err, task.ErrStopped)
	}
	require.Equal(w, task.Interrupted, w.task(w.open(), id).Status)
}

// A close that comes while others call must neither hang nor lose what it has
// acknowledged.
func holdCloseUnderCalls(w *world) {
	store := w.serve(4, done, guest("a"))
	acknowledged := make(chan task.ID, 100_000)
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for {
				id, err := store.Enqueue(w.Context(), task.Request{Name: "a"})
				if err != nil {
					assert.True(w, closed(err) || errors.Is(err, context.Canceled), "%v", err)
					return
				}
				acknowledged <- id
			}
		})
		callers.Go(func() { _ = store.Await(w.Context(), task.ID{1}) })
	}
	w.eventually(func() bool { return len(acknowledged) > 50 }, "for calls")
	closing := time.Now()
	require.NoError(w, store.Close())
	callers.Wait()
	require.Less(w, time.Since(closing), 10*time.Second)
	close(acknowledged)
	other := w.open()
	for id := range acknowledged {
		w.task(other, id)
	}
}
