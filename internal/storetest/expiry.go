package storetest

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

var expiryProperties = []property{
	{name: "a task that waits for a slot past its time", hold: holdExpiredInQueue},
	{name: "a task that nobody starts in time", hold: holdExpiredUnstarted},
	{name: "an attempt ends when its task's time is up", hold: holdExpiredRunning},
	{name: "a retry that would come too late", hold: holdExpiredRetry},
	{name: "time counts from when a task is due", hold: holdExpiresFromDue},
	{name: "what was given back expires too", hold: holdExpiredAfterInterrupt},
	{name: "a retry as a new task has as much time, and is as unique", hold: holdExpiryOfRetried},
}

func expiring(name string, after time.Duration) task.Request {
	return task.Request{Name: name, EnqueueOptions: task.EnqueueOptions{ExpiresAfter: after}}
}

// expires waits for a task to end for want of time.
func (w *world) expires(store Store, id task.ID) *task.Task {
	w.Helper()
	got := w.await(store, id)
	require.Equal(w, task.Failed, got.Status)
	require.Equal(w, task.CauseExpired, got.Cause, "%s", got.Error)
	require.NotNil(w, got.ExpiresAt)
	require.False(w, got.EndedAt.Before(*got.ExpiresAt), "it ended before its time was up")
	return got
}

func holdExpiredInQueue(w *world) {
	b := w.blocked(done, guest("a", task.Options{ExpiresAfter: 80 * time.Millisecond, Retries: 3}), guest("b"))
	byDefinition, byCall := w.named(b.store, "a"), w.enqueue(b.store, expiring("b", 60*time.Millisecond))
	inTime := w.enqueue(b.store, expiring("a", time.Hour))
	never := w.named(b.store, "b")
	for _, id := range []task.ID{byDefinition, byCall} {
		got := w.expires(b.store, id)
		require.Contains(w, got.Error, "expired: ")
		require.Contains(w, got.Error, "expires_after")
		require.Zero(w, got.Attempt)
		require.Nil(w, got.StartedAt)
		require.Empty(w, w.ended(id))
		_, _, err := b.store.Result(w.Context(), id)
		var failure *task.Failure
		require.ErrorAs(w, err, &failure)
		require.Equal(w, task.CauseExpired, failure.Cause)
	}
	require.EqualValues(w, 2, w.tickets(), "those of tasks that have ended are gone")
	require.Nil(w, w.task(b.store, never).ExpiresAt)
	b.release(w)
	w.succeeds(b.store, inTime)
	w.succeeds(b.store, never)
	require.Equal(w, []task.ID{inTime, never}, b.ran.all())
}

// Neither the claim nor the look for what has expired comes first for sure.
func holdExpiredUnstarted(w *world) {
	store := w.open()
	w.push(store, "m", guest("a"))
	var late []task.ID
	for range 20 {
		late = append(late, w.enqueue(store, expiring("a", time.Millisecond)))
	}
	later := w.enqueue(store, task.Request{Name: "a", EnqueueOptions: task.EnqueueOptions{ExpiresAfter: time.Millisecond, Priority: 10}})
	good := w.named(store, "a")
	w.pass(w.task(store, later).ExpiresAt.Add(time.Millisecond))
	var ran order
	w.start(store, only(task.Wasm, 3), handler(func(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		ran.add(exec.Task.ID)
		return task.Outcome{}
	}))
	for _, id := range append(late, later) {
		w.expires(store, id)
	}
	w.succeeds(store, good)
	require.Equal(w, []task.ID{good}, ran.all())
	require.Zero(w, w.tickets())
}

func holdExpiredRunning(w *world) {
	store := w.serve(3, untilStopped,
		guest("a", task.Options{Retries: 3, RequeueOnInterrupt: true}),
		guest("short", task.Options{Timeout: 40 * time.Millisecond, ExpiresAfter: time.Hour}),
	)
	id := w.enqueue(store, expiring("a", 120*time.Millisecond))
	short := w.named(store, "short")
	got := w.expires(store, id)
	require.Contains(w, got.Error, "while its attempt ran")
	require.Equal(w, 1, got.Attempt)
	require.Equal(w, []string{"1 failed expired"}, w.ended(id))
	require.Equal(w, got.RunAt.Add(120*time.Millisecond), *got.ExpiresAt)

	got = w.await(store, short)
	require.Equal(w, task.CauseTimeout, got.Cause, "the timeout comes first")
}

func holdExpiredRetry(w *world) {
	store := w.serve(1, func(context.Context, *task.Execution, task.LogSink) task.Outcome { return fails("boom") },
		guest("a", task.Options{Retries: 3, Delay: 10 * time.Millisecond, Backoff: 1000}))
	id := w.enqueue(store, expiring("a", 5*time.Second))
	got := w.await(store, id)
	require.Equal(w, task.Failed, got.Status)
	require.Equal(w, task.CauseError, got.Cause, "why it failed is not that it expired")
	require.Equal(w, "boom (not tried again: the task would have expired by then)", got.Error)
	require.Equal(w, 2, got.Attempt)
	require.Equal(w, []string{"1 failed error", "2 failed error"}, w.ended(id))
}

func holdExpiresFromDue(w *world) {
	store := w.serve(1, done, guest("a"))
	request := expiring("a", 20*time.Second)
	request.Delay = 100 * time.Millisecond
	got := w.succeeds(store, w.enqueue(store, request))
	require.Equal(w, got.CreatedAt.Add(100*time.Millisecond), got.RunAt)
	require.Equal(w, got.RunAt.Add(20*time.Second), *got.ExpiresAt)
	w.exact(*got.ExpiresAt, "the time at which it expires")

	request = expiring("a", time.Minute)
	request.RunAt = time.Now().Add(time.Hour)
	waiting := w.task(store, w.enqueue(store, request))
	require.Equal(w, waiting.RunAt.Add(time.Minute), *waiting.ExpiresAt)
	request.RunAt = time.Now().Add(-time.Hour)
	got = w.succeeds(store, w.enqueue(store, request))
	require.Equal(w, got.RunAt, got.CreatedAt, "what was due in the past has its time from now on")
}

func holdExpiredAfterInterrupt(w *world) {
	store := w.open()
	w.push(store, "m", guest("a", task.Options{RequeueOnInterrupt: true}))
	g := newGate()
	w.start(store, only(task.Wasm, 1), handler(g.handle))
	id := w.enqueue(store, expiring("a", 500*time.Millisecond))
	receive(w, g.entered, "the attempt")
	w.stopNow(store)
	got := w.task(store, id)
	require.Equal(w, task.Pending, got.Status)
	w.pass(*got.ExpiresAt)
	w.start(store, only(task.Wasm, 1), handler(done))
	got = w.expires(store, id)
	require.Zero(w, got.Attempt)
	require.Equal(w, []string{"1 interrupted interrupted"}, w.ended(id))
}

func holdExpiryOfRetried(w *world) {
	store := w.open()
	w.push(store, "m", guest("a", task.Options{Unique: task.UniqueName, Retries: 1, Delay: time.Hour, Jitter: 0.5}))
	request := expiring("a", time.Hour)
	request.Delay = 2 * time.Hour
	id := w.enqueue(store, request)
	w.cancel(store, id)
	next := w.task(store, w.retry(store, id))
	require.Equal(w, next.RunAt.Add(time.Hour), *next.ExpiresAt, "from when it is due")
	require.Equal(w, next.ID, w.submit(store, unique("a", "", "1"), true))
	require.EqualValues(w, 2, w.number("SELECT count(*) FROM task WHERE retry_jitter = 0.5"))

	w.exec("UPDATE task SET expires_at = created_at WHERE id = $1", w.ID(next.ID))
	w.start(store, only(task.Wasm, 1), handler(done))
	w.expires(store, next.ID)
	w.expires(store, w.retry(store, next.ID)) // it has as much time as was left to that one
}
