package storetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

var cancelProperties = []property{
	{name: "what waits never runs", hold: holdCancelWaiting},
	{name: "what runs is stopped, for a reason that it can see", hold: holdCancelRunning},
	{name: "the first commit wins", hold: holdCancelWins},
	{name: "what has ended stays as it is", hold: holdCancelEnded},
	{name: "a key is free again", hold: holdCancelFreesKey},
	{name: "an interrupt of what was cancelled", hold: holdCancelInterrupted},
	{name: "from another process", hold: holdCancelElsewhere},
	{name: "without notifications", hold: holdCancelUnheard, fleet: true},
	{name: "of what a dead node ran", hold: holdCancelDead, fleet: true},
	{name: "races with claims and ends", hold: holdCancelRaces},
}

func (w *world) cancel(store Store, id task.ID) {
	w.Helper()
	require.NoError(w, store.Cancel(w.Context(), id))
}

// requireConflict holds an error to a code.
func requireConflict(w *world, err error, code string) *task.ConflictError {
	w.Helper()
	var conflict *task.ConflictError
	require.ErrorAs(w, err, &conflict)
	require.Equal(w, code, conflict.Code)
	return conflict
}

func holdCancelWaiting(w *world) {
	var ran order
	store := w.serve(4, byName(map[string]handler{
		"a": func(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
			ran.add(exec.Task.ID)
			return task.Outcome{}
		},
		"fails": func(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
			ran.add(exec.Task.ID)
			return fails("not yet")
		},
	}), guest("a"), guest("fails", task.Options{Retries: 3, Delay: time.Hour}))
	delayed := w.enqueue(store, task.Request{Name: "a", EnqueueOptions: task.EnqueueOptions{Delay: 300 * time.Millisecond}})
	w.cancel(store, delayed)
	backoff := w.named(store, "fails")
	w.eventually(func() bool {
		return w.task(store, backoff).Attempt == 1 && w.task(store, backoff).Status == task.Pending
	}, "for the first attempt")
	before := w.task(store, backoff)
	w.cancel(store, backoff)
	for _, id := range []task.ID{delayed, backoff} {
		got := w.task(store, id)
		require.Equal(w, task.Cancelled, got.Status)
		require.Equal(w, task.CauseCancelled, got.Cause)
		require.Equal(w, "cancelled: somebody cancelled the task while it waited", got.Error)
		require.Empty(w, got.Trace)
		require.Nil(w, got.NextAttemptAt)
		require.NotNil(w, got.CancelRequestedAt)
		require.WithinDuration(w, *got.CancelRequestedAt, *got.EndedAt, time.Second)
		w.exact(*got.EndedAt, "the end")
		w.cancel(store, id)
		require.Equal(w, got, w.task(store, id), "cancelled again")
		_, _, err := store.Result(w.Context(), id)
		var failure *task.Failure
		require.ErrorAs(w, err, &failure)
		require.Equal(w, task.CauseCancelled, failure.Cause)
	}
	require.Equal(w, before.StartedAt, w.task(store, backoff).StartedAt)
	require.Equal(w, 1, w.task(store, backoff).Attempt)
	require.Equal(w, []string{"1 failed error"}, w.ended(backoff))
	require.Zero(w, w.tickets())
	w.pass(time.Now().Add(400 * time.Millisecond))
	w.succeeds(store, w.named(store, "a"))
	require.NotContains(w, ran.all(), delayed)
	require.Len(w, ran.all(), 2)
}

func holdCancelRunning(w *world) {
	causes := make(chan error, 1)
	entered := make(chan struct{}, 1)
	store := w.serve(1, func(ctx context.Context, _ *task.Execution, log task.LogSink) task.Outcome {
		log.Log(task.Info, "begun", nil)
		entered <- struct{}{}
		<-ctx.Done()
		causes <- context.Cause(ctx)
		return fails("ended")
	}, guest("a", task.Options{Retries: 5, RequeueOnInterrupt: true}))
	for range 3 {
		id := w.named(store, "a")
		receive(w, entered, "the attempt")
		w.cancel(store, id)
		asked := time.Now()
		require.ErrorIs(w, receive(w, causes, "the attempt to be stopped"), task.ErrCancelled)
		require.Less(w, time.Since(asked), 2*time.Second)
		got := w.await(store, id)
		require.Equal(w, task.Cancelled, got.Status)
		require.Equal(w, task.CauseCancelled, got.Cause)
		require.Equal(w, "cancelled: somebody cancelled the task while its attempt ran", got.Error)
		require.Equal(w, 1, got.Attempt)
		require.NotNil(w, got.CancelRequestedAt)
		require.Equal(w, []string{"1 cancelled cancelled"}, w.ended(id))
		require.Equal(w, []string{"begun"}, messages(w.logs(store, id)))
		w.cancel(store, id)
		require.Equal(w, got, w.task(store, id))
	}
	require.Zero(w, w.tickets())
}

// What an attempt returns after its task was cancelled counts for nothing, whether it
// knew or not.
func holdCancelWins(w *world) {
	for name, outcome := range map[string]task.Outcome{
		"a result":            {Result: []byte("1"), ResultType: "text/plain"},
		"a failure":           fails("no"),
		"a permanent failure": {Failure: &task.Failure{Message: "no", Permanent: true}},
	} {
		entered, leave := make(chan struct{}, 1), make(chan struct{})
		store := w.open()
		w.push(store, "m", guest("a", task.Options{Retries: 5}))
		w.start(store, only(task.Wasm, 1), handler(func(context.Context, *task.Execution, task.LogSink) task.Outcome {
			entered <- struct{}{}
			<-leave // deaf to its context
			return outcome
		}))
		id := w.named(store, "a")
		receive(w, entered, "the attempt")
		w.cancel(store, id)
		got := w.task(store, id)
		require.Equal(w, task.Running, got.Status, "it runs until it has ended")
		require.NotNil(w, got.CancelRequestedAt)
		w.cancel(store, id) // which is no error either
		require.Equal(w, got, w.task(store, id))
		close(leave)
		got = w.await(store, id)
		require.Equal(w, task.Cancelled, got.Status, name)
		require.Zero(w, got.ResultBytes)
		require.Empty(w, got.ResultType)
		require.Equal(w, []string{"1 cancelled cancelled"}, w.ended(id))
		require.NoError(w, store.Stop(w.Context()))
	}
}

func holdCancelEnded(w *world) {
	store := w.serve(1, byName(map[string]handler{
		"done":  done,
		"fails": func(context.Context, *task.Execution, task.LogSink) task.Outcome { return fails("no") },
	}), guest("done"), guest("fails"))
	for name, status := range map[string]task.Status{"done": task.Success, "fails": task.Failed} {
		id := w.named(store, name)
		want := w.await(store, id)
		require.Equal(w, want.Status, status)
		err := store.Cancel(w.Context(), id)
		conflict := requireConflict(w, err, task.CodeAlreadyFinished)
		require.Contains(w, conflict.Problem, "as "+string(status))
		require.Equal(w, want, w.task(store, id))
	}
	require.ErrorIs(w, store.Cancel(w.Context(), task.ID{1}), task.ErrNotFound)
}

func holdCancelFreesKey(w *world) {
	store := w.open()
	w.push(store, "m", guest("a"))
	first := w.enqueue(store, keyed("a", "k", `{}`))
	w.cancel(store, first)
	second := w.enqueue(store, keyed("a", "k", `{"other":1}`))
	require.NotEqual(w, first, second)
	require.Equal(w, second, w.enqueue(store, keyed("a", "k", `{"other":1}`)))
}

// A node that stops while it is cancelling, or that has not heard yet, gives nothing
// back.
func holdCancelInterrupted(w *world) {
	entered := make(chan struct{}, 1)
	store := w.serve(1, func(ctx context.Context, _ *task.Execution, _ task.LogSink) task.Outcome {
		entered <- struct{}{}
		<-ctx.Done()
		return fails("stopped")
	}, guest("a", task.Options{RequeueOnInterrupt: true, Retries: 3}))
	id := w.named(store, "a")
	receive(w, entered, "the attempt")
	// Behind the store's back, so that the node does not know.
	w.exec("UPDATE task SET cancel_requested_at = created_at WHERE id = $1", w.ID(id))
	w.stopNow(store)
	got := w.task(store, id)
	require.Equal(w, task.Cancelled, got.Status)
	require.Equal(w, 1, got.Attempt)
	require.Equal(w, []string{"1 cancelled cancelled"}, w.ended(id))
	require.Zero(w, w.tickets())
}

func holdCancelElsewhere(w *world) {
	entered := make(chan struct{}, 1)
	store := w.serve(1, func(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		entered <- struct{}{}
		return untilStopped(ctx, exec, log)
	}, guest("a"))
	other := w.open()
	waits := make(chan error, 1)
	for range 3 {
		id := w.named(other, "a")
		receive(w, entered, "the attempt")
		go func() { waits <- other.Await(w.Context(), id) }()
		asked := time.Now()
		w.cancel(other, id)
		require.Equal(w, task.Cancelled, w.await(store, id).Status)
		require.Less(w, time.Since(asked), 2*time.Second)
		require.NoError(w, receive(w, waits, "whoever waits for the task"))
	}
}

// A node that hears nothing looks.
func holdCancelUnheard(w *world) {
	entered := make(chan struct{}, 1)
	store := w.serve(1, func(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		entered <- struct{}{}
		return untilStopped(ctx, exec, log)
	}, guest("a"))
	id := w.named(store, "a")
	receive(w, entered, "the attempt")
	asked := time.Now()
	w.exec("UPDATE task SET cancel_requested_at = now() WHERE id = $1", w.ID(id))
	require.Equal(w, task.Cancelled, w.await(store, id).Status)
	require.Less(w, time.Since(asked), 3*time.Second)
}

func holdCancelDead(w *world) {
	store := w.open()
	w.push(store, "m", guest("a", task.Options{RequeueOnInterrupt: true}), guest("b"))
	ids := []task.ID{w.named(store, "a"), w.named(store, "b")}
	for _, id := range ids {
		w.claimFor("dead", id)
	}
	for _, id := range ids {
		w.cancel(store, id)
		require.Equal(w, task.Running, w.task(store, id).Status)
	}
	w.start(store, only(task.Wasm, 1), handler(done))
	for _, id := range ids {
		got := w.await(store, id)
		require.Equal(w, task.Cancelled, got.Status, "it is not run again")
		require.Equal(w, []string{"1 cancelled cancelled"}, w.ended(id))
	}
}

// Whatever happens at the same moment, a task that was cancelled does not succeed,
// and one that was not does.
func holdCancelRaces(w *world) {
	var mu sync.Mutex
	ran := make(map[task.ID]int)
	store := w.serve(8, func(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		mu.Lock()
		defer mu.Unlock()
		if ran[exec.Task.ID]++; exec.Task.Attempt == 1 {
			return fails("again")
		}
		return task.Outcome{}
	}, guest("a", task.Options{Retries: 1, Delay: time.Millisecond}))
	other := w.open()
	ids, err := store.EnqueueMany(w.Context(), batch("a", 400))
	require.NoError(w, err)
	cancelled := make([]bool, len(ids))
	var callers sync.WaitGroup
	for caller := range 4 {
		callers.Go(func() {
			for i := caller; i < len(ids); i += 4 {
				by := []Store{store, other}[i%2]
				err := by.Cancel(w.Context(), ids[len(ids)-1-i])
				for errors.Is(err, task.ErrUnavailable) { // its turn to write did not come in time
					err = by.Cancel(w.Context(), ids[len(ids)-1-i])
				}
				cancelled[len(ids)-1-i] = err == nil
				var conflict *task.ConflictError
				assert.True(w, err == nil || errors.As(err, &conflict), "%v", err)
			}
		})
	}
	callers.Wait()
	n := 0
	for i, id := range ids {
		want := task.Success
		if cancelled[i] {
			want, n = task.Cancelled, n+1
		}
		require.Equal(w, want, w.await(store, id).Status)
	}
	w.Logf("%d of %d were cancelled", n, len(ids))
	require.Zero(w, w.tickets())
}
