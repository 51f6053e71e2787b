package storetest

import (
	"context"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

var timeProperties = []property{
	{name: "times are in UTC, to the microsecond, and in order", hold: holdTimes},
	{name: "a delay counts from the creation", hold: holdDelay},
	{name: "a time to run at is kept", hold: holdRunAt},
	{name: "nothing starts before it was created", hold: holdNoEarlyStart},
}

// exact requires a time that a database keeps whole, in UTC.
func (w *world) exact(at time.Time, what string) {
	w.Helper()
	assert.Equal(w, time.UTC, at.Location(), what)
	assert.Equal(w, at.Truncate(time.Microsecond), at, what)
}

func holdTimes(w *world) {
	before := time.Now().Truncate(time.Microsecond)
	store := w.serve(1, func(_ context.Context, _ *task.Execution, log task.LogSink) task.Outcome {
		log.Log(task.Info, "line", nil)
		return task.Outcome{}
	}, guest("a"))
	id := w.named(store, "a")
	got := w.succeeds(store, id)
	logs := w.logs(store, id)
	require.Len(w, logs, 1)
	require.NotNil(w, got.StartedAt)
	require.NotNil(w, got.EndedAt)
	require.Equal(w, got.CreatedAt, got.RunAt)
	// The database's clock is this machine's.
	steps := []time.Time{before, got.CreatedAt, got.RunAt, *got.StartedAt, *got.EndedAt, time.Now()}
	for i, at := range steps[1:5] {
		w.exact(at, "a time of the task")
		require.False(w, at.Before(steps[i]), "step %d of %v", i, steps)
	}
	w.exact(logs[0].Time, "the time of a line")
	require.WithinRange(w, logs[0].Time, got.StartedAt.Add(-time.Millisecond), *got.EndedAt)
	require.Equal(w, got.EndedAt.Sub(*got.StartedAt), got.Duration())
	versions, err := store.LiveVersions(w.Context())
	require.NoError(w, err)
	w.exact(versions[0].CreatedAt, "the time of a module's version")
}

func holdDelay(w *world) {
	store := w.serve(2, done, guest("later"))
	const soon = 173_456 * time.Microsecond
	id := w.enqueue(store, task.Request{Name: "later", EnqueueOptions: task.EnqueueOptions{Delay: soon}})
	far := w.enqueue(store, task.Request{Name: "later", EnqueueOptions: task.EnqueueOptions{Delay: task.MaxEnqueueDelay}})
	waiting := w.task(store, far)
	require.Equal(w, task.Pending, waiting.Status)
	require.Equal(w, waiting.CreatedAt.Add(task.MaxEnqueueDelay), waiting.RunAt)
	require.Equal(w, &waiting.RunAt, waiting.NextAttemptAt)
	require.Nil(w, waiting.StartedAt)
	require.Nil(w, waiting.EndedAt)
	require.Zero(w, waiting.Attempt)
	w.exact(*waiting.NextAttemptAt, "the time of the next attempt")

	got := w.succeeds(store, id)
	require.Equal(w, got.CreatedAt.Add(soon), got.RunAt)
	require.False(w, got.StartedAt.Before(got.RunAt), "it started %v early", got.RunAt.Sub(*got.StartedAt))
	require.Nil(w, got.NextAttemptAt)
	require.Equal(w, task.Pending, w.task(store, far).Status)
}

func holdRunAt(w *world) {
	store := w.serve(1, done, guest("later"))
	zone := time.FixedZone("elsewhere", -7*3600)
	at := func(ahead time.Duration) task.Request {
		when := time.Now().Add(ahead).Truncate(time.Millisecond).Add(123_999).In(zone)
		return task.Request{Name: "later", EnqueueOptions: task.EnqueueOptions{RunAt: when}}
	}
	far := at(time.Hour)
	waiting := w.task(store, w.enqueue(store, far))
	require.Equal(w, far.RunAt.UTC().Truncate(time.Microsecond), waiting.RunAt)
	require.Equal(w, &waiting.RunAt, waiting.NextAttemptAt)
	w.exact(waiting.RunAt, "the time to run at")
	soon := at(120 * time.Millisecond)
	got := w.succeeds(store, w.enqueue(store, soon))
	require.False(w, got.StartedAt.Before(soon.RunAt.Truncate(time.Microsecond)), "it started %v early", soon.RunAt.Sub(*got.StartedAt))

	for _, past := range []time.Time{time.Now().Add(-time.Hour), time.Unix(0, 1), time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)} {
		got := w.succeeds(store, w.enqueue(store, task.Request{Name: "later", EnqueueOptions: task.EnqueueOptions{RunAt: past}}))
		require.Equal(w, got.CreatedAt, got.RunAt, "what was due in the past is due now")
	}
}

// Many callers and slots at once make a start overtake a creation where one of
// their times is taken outside of its transaction. That the times are in order is
// looked at in the rows.
func holdNoEarlyStart(w *world) {
	store := w.serve(8, done, guest("a"))
	ids := make(chan task.ID, 200)
	for range 8 {
		go func() {
			for range cap(ids) / 8 {
				id, err := store.Enqueue(w.Context(), task.Request{Name: "a"})
				assert.NoError(w, err)
				ids <- id
			}
		}()
	}
	all := make([]task.ID, cap(ids))
	for i := range all {
		all[i] = receive(w, ids, "a caller")
	}
	w.allSucceed(all)
}
