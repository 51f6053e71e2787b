package storetest

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

var retryProperties = []property{
	{name: "a new task has everything of the old", hold: holdRetryCopies},
	{name: "what did not end without success is not retried", hold: holdRetryRefuses},
	{name: "once, unless it is forced", hold: holdRetryOnce},
	{name: "a hundred callers make one task", hold: holdRetryRace},
	{name: "the key passes to the new task", hold: holdRetryKey},
	{name: "the same version, or an error that says so", hold: holdRetryVersion},
	{name: "takes its place at the end of its priority", hold: holdRetryOrder},
}

func (w *world) retry(store Store, id task.ID) task.ID {
	w.Helper()
	next, err := store.Retry(w.Context(), id, false)
	require.NoError(w, err)
	require.NotEqual(w, id, next)
	return next
}

// failing fails whatever its arguments say "no" to.
func failing(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
	if strings.Contains(string(exec.Args), "no") {
		return task.Outcome{Failure: &task.Failure{Message: "no", Permanent: true}}
	}
	return task.Outcome{Result: exec.Args, ResultType: exec.ArgsType}
}

func holdRetryCopies(w *world) {
	store := w.open()
	options := task.Options{Retries: 3, Delay: time.Minute, Backoff: 2.5, MaxDelay: time.Hour, Memory: 128 << 20, RequeueOnInterrupt: true, Timeout: 40 * time.Second}
	w.push(store, "m", guest("zero"), guest("a", options))
	var seen []task.Execution
	var mu sync.Mutex
	w.start(store, only(task.Wasm, 1), handler(func(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, *exec)
		return task.Outcome{Failure: &task.Failure{Message: "no", Permanent: true}}
	}))
	args := []byte("\x00\xff not JSON " + strings.Repeat("x", 5000))
	first := w.enqueue(store, task.Request{
		Name: "a", Args: args, ArgsType: "application/x-own", Source: task.Scheduled,
		EnqueueOptions: task.EnqueueOptions{Priority: 8, Tags: map[string]string{"k": "v", "ü": "\"'"}, Timeout: 7 * time.Second, Delay: 20 * time.Millisecond},
	})
	old := w.await(store, first)
	next := w.retry(store, first)
	got := w.await(store, next)
	resolved := w.task(store, first)

	require.Equal(w, &next, resolved.ResolvedBy)
	require.Equal(w, &first, got.RetriedFrom)
	require.Nil(w, got.ResolvedBy)
	require.Equal(w, task.Retried, got.Source)
	require.True(w, got.CreatedAt.After(*old.EndedAt))
	require.Equal(w, got.CreatedAt, got.RunAt, "a delay is not repeated")
	resolved.ResolvedBy = nil
	require.Equal(w, old, resolved, "nothing else of the old task changes")
	for _, same := range [][2]any{
		{old.Name, got.Name},
		{old.Executor, got.Executor},
		{old.Module, got.Module},
		{old.Priority, got.Priority},
		{old.Tags, got.Tags},
		{old.MaxAttempts, got.MaxAttempts},
		{old.Timeout, got.Timeout},
		{old.RequeueOnInterrupt, got.RequeueOnInterrupt},
		{old.ArgsBytes, got.ArgsBytes},
	} {
		require.Equal(w, same[0], same[1])
	}
	require.Len(w, seen, 2)
	require.Equal(w, args, seen[1].Args)
	for i := range seen {
		seen[i].Task = task.Task{}
	}
	require.Equal(w, seen[0], seen[1], "arguments, their type, limits")
	require.EqualValues(w, 1, w.number("SELECT count(DISTINCT retry_delay + retry_max_delay + retry_backoff) FROM task"))
	require.Len(w, w.list(store, task.Filter{Tags: old.Tags}), 2, "it is found by its tags")
	w.empty(store)
}

// empty retries a task without arguments or tags.
func (w *world) empty(store Store) {
	w.Helper()
	id := w.named(store, "zero")
	w.await(store, id)
	next := w.await(store, w.retry(store, id))
	require.Zero(w, next.ArgsBytes)
	require.Empty(w, next.Tags)
}

func holdRetryRefuses(w *world) {
	entered := make(chan struct{}, 1)
	store := w.serve(1, func(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		if string(exec.Args) == `"wait"` {
			entered <- struct{}{}
			return untilStopped(ctx, exec, log)
		}
		return task.Outcome{}
	}, guest("a"))
	success := w.named(store, "a")
	w.succeeds(store, success)
	running := w.enqueue(store, task.Request{Name: "a", Args: []byte(`"wait"`)})
	receive(w, entered, "the attempt")
	pending := w.named(store, "a")
	for _, id := range []task.ID{success, running, pending} {
		for _, force := range []bool{false, true} {
			_, err := store.Retry(w.Context(), id, force)
			require.ErrorContains(w, requireConflict(w, err, task.CodeNotRetryable), "can be retried")
		}
	}
	_, err := store.Retry(w.Context(), task.ID{1}, false)
	require.ErrorIs(w, err, task.ErrNotFound)
	require.EqualValues(w, 3, w.tasks())

	w.cancel(store, pending)
	w.cancel(store, running)
	w.await(store, running)
	for _, id := range []task.ID{running, pending} {
		w.retry(store, id)
	}
	require.EqualValues(w, 5, w.tasks())
	interrupted := w.task(store, receiveRunning(w, store, entered))
	w.stopNow(store)
	require.Equal(w, task.Interrupted, w.task(store, interrupted.ID).Status)
	require.Equal(w, task.Pending, w.task(store, w.retry(store, interrupted.ID)).Status)
}

// receiveRunning waits for an attempt and says whose it is.
func receiveRunning(w *world, store Store, entered <-chan struct{}) task.ID {
	w.Helper()
	receive(w, entered, "the attempt")
	running := w.list(store, task.Filter{Statuses: []task.Status{task.Running}})
	require.Len(w, running, 1)
	return running[0].ID
}

func holdRetryOnce(w *world) {
	store := w.serve(1, failing, guest("a"))
	id := w.enqueue(store, task.Request{Name: "a", Args: []byte(`"no"`)})
	w.await(store, id)
	first := w.retry(store, id)
	_, err := store.Retry(w.Context(), id, false)
	conflict := requireConflict(w, err, task.CodeAlreadyRetried)
	require.Equal(w, first, conflict.Task)
	require.Contains(w, conflict.Problem, first.String())
	second, err := store.Retry(w.Context(), id, true)
	require.NoError(w, err)
	require.Equal(w, &second, w.task(store, id).ResolvedBy)
	require.Equal(w, &id, w.task(store, first).RetriedFrom)
	w.await(store, first)
	third := w.retry(store, first) // one that repeats another can be repeated
	require.Equal(w, &first, w.task(store, third).RetriedFrom)
	w.await(store, second)
	w.await(store, third)
}

func holdRetryRace(w *world) {
	store, other := w.serve(4, failing, guest("a")), w.open()
	id := w.enqueue(store, task.Request{Name: "a", Args: []byte(`"no"`)})
	w.await(store, id)
	results := make([]error, 100)
	var made []task.ID
	var mu sync.Mutex
	var callers sync.WaitGroup
	for i := range results {
		callers.Go(func() {
			next, err := []Store{store, other}[i%2].Retry(w.Context(), id, false)
			results[i] = err
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				made = append(made, next)
			}
		})
	}
	callers.Wait()
	require.Len(w, made, 1)
	for _, err := range results {
		if err != nil {
			require.Equal(w, made[0], requireConflict(w, err, task.CodeAlreadyRetried).Task)
		}
	}
	w.await(store, made[0])
	require.EqualValues(w, 2, w.tasks())
}

func holdRetryKey(w *world) {
	store := w.open()
	w.push(store, "m", guest("a"))
	w.start(store, only(task.Wasm, 1), handler(failing))
	first := w.enqueue(store, keyed("a", "k", `"no"`))
	w.await(store, first)
	require.NoError(w, store.Stop(w.Context()))
	second := w.retry(store, first)
	require.Equal(w, "k", w.task(store, second).IdempotencyKey)
	require.Equal(w, second, w.enqueue(store, keyed("a", "k", `"no"`)), "the new task has the key")
	_, err := store.Enqueue(w.Context(), keyed("a", "k", `"other"`))
	var conflict *task.KeyConflictError
	require.ErrorAs(w, err, &conflict)

	// It has passed on: to retry the second would do the work of the third again.
	w.cancel(store, second)
	third := w.enqueue(store, keyed("a", "k", `"yes"`))
	_, err = store.Retry(w.Context(), second, false)
	require.Equal(w, third, requireConflict(w, err, task.CodeKeyTaken).Task)
	fourth, err := store.Retry(w.Context(), second, true)
	require.NoError(w, err)
	require.Empty(w, w.task(store, fourth).IdempotencyKey)
	require.Equal(w, third, w.enqueue(store, keyed("a", "k", `"yes"`)))
	w.cancel(store, third)
	fifth, err := store.Retry(w.Context(), second, true)
	require.NoError(w, err)
	require.Empty(w, w.task(store, fifth).IdempotencyKey, "the key is the third's, if anybody's")
}

func holdRetryVersion(w *world) {
	store := w.open()
	w.push(store, "m", guest("a"))
	id := w.named(store, "a")
	w.cancel(store, id)
	w.push(store, "m", guest("a", task.Options{Priority: 9}))
	next := w.task(store, w.retry(store, id))
	require.Equal(w, 1, next.Module.Version)
	require.Equal(w, 5, next.Priority)
	w.cancel(store, next.ID)
	w.exec("DELETE FROM module_version WHERE version = 1")
	_, err := store.Retry(w.Context(), next.ID, true)
	require.Contains(w, requireConflict(w, err, task.CodeModuleGone).Problem, "module m version 1")
	require.EqualValues(w, 2, w.tasks())
}

func holdRetryOrder(w *world) {
	var ran order
	store := w.open()
	w.push(store, "m", guest("a"))
	ids, err := store.EnqueueMany(w.Context(), []task.Request{
		{Name: "a"}, {Name: "a", EnqueueOptions: task.EnqueueOptions{Priority: 9}}, {Name: "a"}, {Name: "a"}, {Name: "a", EnqueueOptions: task.EnqueueOptions{Priority: 9}},
	})
	require.NoError(w, err)
	want := []task.ID{ids[4], {}, ids[2], ids[3], {}}
	w.cancel(store, ids[0])
	w.cancel(store, ids[1])
	want[4], want[1] = w.retry(store, ids[0]), w.retry(store, ids[1])
	w.start(store, only(task.Wasm, 1), handler(func(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		ran.add(exec.Task.ID)
		return task.Outcome{}
	}))
	for _, id := range want {
		w.succeeds(store, id)
	}
	require.Equal(w, want, ran.all())
}
