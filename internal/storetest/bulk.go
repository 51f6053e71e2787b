package storetest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

var bulkProperties = []property{
	{name: "a window of failures is replayed once", hold: holdBulkReplay},
	{name: "named tasks, with the reasons of the others", hold: holdBulkIDs},
	{name: "what waits is cancelled", hold: holdBulkCancel},
}

func holdBulkReplay(w *world) {
	store := w.serve(8, failing, guest("a"), guest("b"))
	var requests []task.Request
	for i := range 250 {
		requests = append(requests, task.Request{Name: []string{"a", "b"}[i%2], Args: []byte([]string{`"no"`, `"no"`, `"yes"`, `"no"`, `"no"`}[i%5])})
	}
	ids, err := store.EnqueueMany(w.Context(), requests)
	require.NoError(w, err)
	for _, id := range ids {
		w.await(store, id)
	}
	require.NoError(w, store.Stop(w.Context()))
	window := task.Filter{CreatedAfter: time.Now().Add(-time.Hour), Name: "a"}
	for range 2 {
		bulk, err := store.RetryAll(w.Context(), window, false, true)
		require.NoError(w, err)
		require.Equal(w, &task.Bulk{Matched: 100, Done: 100, Skipped: map[string]int{}, DryRun: true}, bulk)
		require.EqualValues(w, 250, w.tasks(), "a dry run changes nothing")
	}
	bulk, err := store.RetryAll(w.Context(), window, false, false)
	require.NoError(w, err)
	require.Equal(w, 100, bulk.Done)
	require.Len(w, bulk.Results, 100)
	for i, retry := range bulk.Results {
		require.Equal(w, &retry.To, w.task(store, retry.From).ResolvedBy)
		if i > 0 {
			require.Positive(w, retry.From.Compare(bulk.Results[i-1].From), "in their order")
			require.Positive(w, retry.To.Compare(bulk.Results[i-1].To))
		}
	}
	bulk, err = store.RetryAll(w.Context(), window, false, false)
	require.NoError(w, err)
	require.Equal(w, &task.Bulk{Skipped: map[string]int{}}, bulk, "what is resolved is not run again")
	require.EqualValues(w, 350, w.tasks())
	window.Name = ""
	bulk, err = store.RetryAll(w.Context(), window, false, true)
	require.NoError(w, err)
	require.Equal(w, 100, bulk.Done, "those of b")
	bulk, err = store.RetryAll(w.Context(), window, true, true)
	require.NoError(w, err)
	require.Equal(w, 200, bulk.Done)
	window.CreatedBefore = window.CreatedAfter
	bulk, err = store.RetryAll(w.Context(), window, false, false)
	require.NoError(w, err)
	require.Zero(w, bulk.Matched)
	_, err = store.RetryAll(w.Context(), task.Filter{Statuses: []task.Status{"x"}}, false, false)
	var invalid *task.InvalidError
	require.ErrorAs(w, err, &invalid)
}

func holdBulkIDs(w *world) {
	store := w.serve(1, failing, guest("a"))
	failed := w.enqueue(store, task.Request{Name: "a", Args: []byte(`"no"`)})
	w.await(store, failed)
	resolved := w.enqueue(store, task.Request{Name: "a", Args: []byte(`"no"`)})
	w.await(store, resolved)
	success := w.named(store, "a")
	w.succeeds(store, success)
	require.NoError(w, store.Stop(w.Context()))
	again := w.retry(store, resolved)
	pending := w.named(store, "a")
	w.cancel(store, again)

	ids := []task.ID{success, failed, resolved, pending, {1}, failed, again}
	want := map[string]int{task.CodeNotRetryable: 2, task.CodeAlreadyRetried: 1, task.CodeNotFound: 1}
	for _, dry := range []bool{true, false} {
		bulk, err := store.RetryIDs(w.Context(), ids, false, dry)
		require.NoError(w, err)
		require.Equal(w, 6, bulk.Matched, "one is named twice")
		require.Equal(w, 2, bulk.Done)
		require.Equal(w, want, bulk.Skipped)
		require.Equal(w, dry, bulk.DryRun)
		if dry {
			require.Empty(w, bulk.Results)
			continue
		}
		require.Equal(w, []task.ID{failed, again}, []task.ID{bulk.Results[0].From, bulk.Results[1].From})
	}
	for _, dry := range []bool{true, false} {
		bulk, err := store.CancelIDs(w.Context(), ids, dry)
		require.NoError(w, err)
		require.Equal(w, 6, bulk.Matched)
		require.Equal(w, 1, bulk.Done)
		require.Equal(w, map[string]int{task.CodeAlreadyFinished: 3, task.CodeAlreadyCancelled: 1, task.CodeNotFound: 1}, bulk.Skipped)
		want := task.Pending
		if !dry {
			want = task.Cancelled
		}
		require.Equal(w, want, w.task(store, pending).Status)
	}
	_, err := store.CancelIDs(w.Context(), make([]task.ID, task.MaxBulk+1), true)
	var invalid *task.InvalidError
	require.ErrorAs(w, err, &invalid)
	bulk, err := store.RetryIDs(w.Context(), nil, false, false)
	require.NoError(w, err)
	require.Zero(w, bulk.Matched)
}

func holdBulkCancel(w *world) {
	store := w.open()
	w.push(store, "m", guest("a"), guest("b"))
	ids, err := store.EnqueueMany(w.Context(), append(batch("a", 1200), batch("b", 3)...))
	require.NoError(w, err)
	filter := task.Filter{Name: "a"}
	bulk, err := store.CancelAll(w.Context(), filter, true)
	require.NoError(w, err)
	require.Equal(w, &task.Bulk{Matched: 1200, Done: 1200, Skipped: map[string]int{}, DryRun: true}, bulk)
	require.EqualValues(w, len(ids), w.tickets())
	bulk, err = store.CancelAll(w.Context(), filter, false)
	require.NoError(w, err)
	require.Equal(w, &task.Bulk{Matched: 1200, Done: 1200, Skipped: map[string]int{}}, bulk)
	require.EqualValues(w, 3, w.tickets())
	bulk, err = store.CancelAll(w.Context(), filter, false)
	require.NoError(w, err)
	require.Zero(w, bulk.Matched)
	filter.Statuses = []task.Status{task.Cancelled}
	bulk, err = store.CancelAll(w.Context(), filter, false)
	require.NoError(w, err)
	require.Equal(w, map[string]int{task.CodeAlreadyCancelled: 1200}, bulk.Skipped)
}
