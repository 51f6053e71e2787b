package storetest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

func holdEventCursors(w *world) {
	store := w.open()
	w.push(store, "m", guest("a"))
	start := w.now(store)
	for range 3 {
		_, err := store.EnqueueMany(w.Context(), plain(4)) // one transaction
		require.NoError(w, err)
	}
	all := w.events(store, start, 100)
	require.Len(w, all, 12)
	for page := range 6 {
		require.Equal(w, what(all), what(w.events(w.open(), start, page+1)))
	}
	for i := range all {
		require.Equal(w, what(all[i+1:]), what(w.events(store, all[i].Cursor, 5)))
	}
	require.Empty(w, w.events(store, w.now(store), 5))
	for _, text := range []task.EventCursor{"x", "-1", "1.2.x", "99999999999999999999", "1 2"} {
		_, _, err := store.Events(w.Context(), text, 5)
		var invalid *task.InvalidError
		require.ErrorAs(w, err, &invalid, "%s", text)
		require.Equal(w, "after", invalid.Field)
	}
}

// A transaction is begun before others, and committed after they were read.
func holdEventsOutOfOrder(w *world) {
	store := w.open()
	w.push(store, "m", guest("a"))
	start := w.now(store)
	var late []task.ID
	var seen []task.Event
	var cursors []task.EventCursor
	w.Tx["pgx"](w.T, store, func(enqueue enqueueFunc) bool {
		var err error
		late, err = enqueue(plain(3)...)
		require.NoError(w, err)
		cursor := start
		for range 3 {
			id := w.named(store, "a")
			events, next, err := store.Events(w.Context(), cursor, 10)
			require.NoError(w, err)
			require.Len(w, events, 1, "an open transaction holds nothing up")
			require.Equal(w, id, events[0].TaskID)
			seen = append(seen, events...)
			cursors = append(cursors, events[0].Cursor, next)
			cursor = next
		}
		return true
	})
	after := w.named(store, "a")
	for i, cursor := range cursors {
		for page := range 5 {
			events := w.events(store, cursor, page+1)
			left := len(seen) - 1 - i/2
			ids := make(map[task.ID]bool)
			for _, e := range events {
				ids[e.TaskID] = true
			}
			require.Len(w, events, left+len(late)+1, "each once")
			require.Len(w, ids, len(events))
			for _, id := range append(late, after) {
				require.True(w, ids[id], "an event was missed")
			}
			for j := range events { // from each place within, too
				require.Equal(w, what(events[j+1:]), what(w.events(store, events[j].Cursor, page+1)))
			}
		}
	}
}

// A cancel of several tasks has its place in the order since it locked the first. The last
// has another attempt while it waits for the second.
func holdEventsOfCancel(w *world) {
	store := w.serve(1, handler(func(context.Context, *task.Execution, task.LogSink) task.Outcome { return fails("no") }),
		guest("a", task.Options{Retries: 1, Delay: time.Hour}))
	start := w.now(store)
	ids := make([]task.ID, 3)
	for i := range ids {
		ids[i] = w.enqueue(store, task.Request{Name: "a", EnqueueOptions: task.EnqueueOptions{Delay: time.Hour}})
	}
	slices.SortFunc(ids, func(a, b task.ID) int { return slices.Compare(a[:], b[:]) })
	tx, err := w.DB.BeginTx(w.Context(), nil)
	require.NoError(w, err)
	defer tx.Rollback()
	_, err = tx.ExecContext(w.Context(), "SELECT FROM task WHERE id = $1 FOR UPDATE", w.ID(ids[1]))
	require.NoError(w, err)
	cancelled := make(chan error, 1)
	go func() {
		_, err := store.CancelIDs(w.Context(), ids, false)
		cancelled <- err
	}()
	w.eventually(func() bool {
		return w.number(`SELECT count(*) FROM pg_stat_activity
			WHERE wait_event_type = 'Lock' AND query LIKE '%' || current_schema() || '.task %FOR UPDATE%'`) == 1
	}, "for the cancel to wait")
	w.exec("UPDATE task SET run_at = created_at, due_at = created_at WHERE id = $1", w.ID(ids[2]))
	w.exec("UPDATE river_job SET scheduled_at = now() WHERE id = (SELECT ticket FROM task WHERE id = $1)", w.ID(ids[2]))
	w.eventually(func() bool {
		got := w.task(store, ids[2])
		return got.Attempt == 1 && got.Status == task.Pending
	}, "for the attempt")
	require.NoError(w, tx.Rollback())
	require.NoError(w, receive(w, cancelled, "the cancel"))
	for _, id := range ids {
		require.Equal(w, task.Cancelled, w.task(store, id).Status)
	}
	require.Equal(w, []string{"pending 0", "running 1 on node-1", "pending 1 error on node-1", "cancelled 1 cancelled"}, w.eventsOf(store, start, ids[2]))
}

func holdEventsPruned(w *world) {
	w.pruned = true
	store := w.open()
	w.push(store, "m", guest("a"))
	start := w.now(store)
	_, err := store.EnqueueMany(w.Context(), plain(10))
	require.NoError(w, err)
	all := w.events(store, start, 100)
	more, err := store.PruneEvents(w.Context(), time.Hour, 4)
	require.NoError(w, err)
	require.False(w, more)
	require.Equal(w, what(all), what(w.events(store, start, 100)))

	w.exec("UPDATE event SET at = " + w.Shift("at", -2*time.Hour) + fmt.Sprintf(" WHERE seq <= %d", all[5].Seq))
	for more = true; more; {
		more, err = store.PruneEvents(w.Context(), time.Hour, 4)
		require.NoError(w, err)
	}
	for _, cursor := range []task.EventCursor{start, all[0].Cursor, all[4].Cursor} {
		_, _, err := store.Events(w.Context(), cursor, 100)
		require.ErrorIs(w, err, task.ErrEventsGone)
		_, _, err = store.NextEvents(w.Context(), cursor, 100)
		require.ErrorIs(w, err, task.ErrEventsGone)
	}
	require.Equal(w, what(all[6:]), what(w.events(store, all[5].Cursor, 100)))
	end := w.now(store)
	w.exec("UPDATE event SET at = " + w.Shift("at", -2*time.Hour))
	_, err = store.PruneEvents(w.Context(), time.Hour, 100)
	require.NoError(w, err)
	require.Empty(w, w.events(store, end, 100))
	require.Empty(w, w.events(store, all[9].Cursor, 100), "who has seen all has missed nothing")
	w.named(store, "a")
	require.Greater(w, w.events(store, end, 100)[0].Seq, all[9].Seq)
	_, _, err = store.Events(w.Context(), beyond(end), 100)
	require.ErrorIs(w, err, task.ErrEventsGone, "it is another database's")
}

// beyond is a cursor that no database of a test comes to.
func beyond(cursor task.EventCursor) task.EventCursor { return "90000" + cursor }

func holdEventsKept(w *world) {
	w.pruned = true
	store := w.open()
	w.push(store, "m", guest("a"))
	config := w.nodeConfig(only(task.Wasm, 1))
	config.EventRetention = 50 * time.Millisecond
	require.NoError(w, store.Start(w.Context(), handler(done), config))
	start := w.now(store)
	w.succeeds(store, w.named(store, "a"))
	w.eventually(func() bool { return w.number("SELECT count(*) FROM event") <= 1 }, "for the events to go")
	_, _, err := store.Events(w.Context(), start, 10)
	require.ErrorIs(w, err, task.ErrEventsGone)
}
