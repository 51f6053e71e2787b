package storetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

var retentionProperties = []property{
	{name: "tasks go when their time is up, with all that is theirs", hold: holdRetention},
	{name: "nothing goes unless a time is set", hold: holdKeptForEver},
	{name: "history is cleared as the filter says", hold: holdClear},
	{name: "thousands go while others run", hold: holdClearMany},
	{name: "a key outlives its task where its own time is longer", hold: holdKeyOutlives},
	{name: "two nodes delete together", hold: holdTwoKeepers, fleet: true},
	{name: "what others have locked is passed over", hold: holdClearLocked, fleet: true},
}

// history ends some tasks: one success with a key and a log line, one failure after
// two attempts, one that is cancelled and one that is interrupted.
func history(w *world, store Store) map[task.Status]task.ID {
	w.Helper()
	ids := map[task.Status]task.ID{
		task.Success: w.enqueue(store, taggedAndKeyed("good", "k")), task.Failed: w.named(store, "bad"),
		task.Cancelled: w.named(store, "bad"), task.Interrupted: w.named(store, "bad"),
	}
	for status, id := range ids {
		w.await(store, id)
		if status == task.Cancelled || status == task.Interrupted {
			w.exec("UPDATE task SET status = $1 WHERE id = $2", string(status), w.ID(id))
			w.exec("UPDATE attempt SET outcome = $1 WHERE task_id = $2 AND attempt = 2", string(status), w.ID(id))
		}
	}
	return ids
}

// taggedAndKeyed asks for a task with a key and tags.
func taggedAndKeyed(name, key string) task.Request {
	request := keyed(name, key, `1`)
	request.Tags = map[string]string{"customer": "acme", "ü \"": "{}"}
	return request
}

// serveHistory runs what [history] needs, and a task "open" that does not end.
func serveHistory(w *world, retention task.Retention) (Store, *gate) {
	w.Helper()
	g := newGate()
	store := w.open()
	logging := func(outcome task.Outcome) handler {
		return func(_ context.Context, _ *task.Execution, log task.LogSink) task.Outcome {
			log.Log(task.Info, "line", nil)
			return outcome
		}
	}
	w.push(store, "m", guest("good"), guest("bad", task.Options{Retries: 1}), guest("open"))
	config := w.nodeConfig(only(task.Wasm, 4))
	config.Retention = retention
	require.NoError(w, store.Start(w.Context(), byName(map[string]handler{
		"good": logging(task.Outcome{Result: []byte("1")}), "bad": logging(fails("no")), "open": g.handle,
	}), config))
	return store, g
}

// requireGone checks that nothing of a task is left.
func (w *world) requireGone(store Store, id task.ID) {
	w.Helper()
	_, err := store.Task(w.Context(), id)
	require.ErrorIs(w, err, task.ErrNotFound)
	for _, table := range []string{"attempt", "task_log", "idempotency_key", "task_tag"} {
		require.Zero(w, w.number("SELECT count(*) FROM "+table+" WHERE task_id = $1", w.ID(id)), table)
	}
}

func holdRetention(w *world) {
	store, g := serveHistory(w, task.Retention{Success: 200 * time.Millisecond, Interrupted: 300 * time.Millisecond, Cancelled: time.Hour})
	running, waiting := w.named(store, "open"), w.enqueue(store, task.Request{Name: "good", EnqueueOptions: task.EnqueueOptions{Delay: time.Hour}})
	receive(w, g.entered, "the attempt")
	good, bad := w.enqueue(store, taggedAndKeyed("good", "k")), w.named(store, "bad")
	w.eventually(func() bool {
		_, err := store.Task(w.Context(), good)
		return errors.Is(err, task.ErrNotFound)
	}, "for the success to go")
	w.requireGone(store, good)
	require.NotEqual(w, good, w.enqueue(store, keyed("good", "k", `2`)), "the key went with its task")

	require.Equal(w, task.Failed, w.await(store, bad).Status)
	require.Len(w, w.logs(store, bad), 2)
	interrupted := w.named(store, "bad")
	w.await(store, interrupted)
	w.exec("UPDATE attempt SET outcome = 'interrupted' WHERE task_id = $1 AND attempt = 2", w.ID(interrupted))
	w.exec("UPDATE task SET status = 'interrupted' WHERE id = $1", w.ID(interrupted))
	w.eventually(func() bool {
		_, err := store.Task(w.Context(), interrupted)
		return errors.Is(err, task.ErrNotFound)
	}, "for the interrupted task to go")
	require.Equal(w, task.Failed, w.task(store, bad).Status, "failures are kept for ever")
	require.Equal(w, task.Running, w.task(store, running).Status)
	require.Equal(w, task.Pending, w.task(store, waiting).Status)
	send(w, g.leave, task.Outcome{})
}

func holdKeptForEver(w *world) {
	store, _ := serveHistory(w, task.Retention{})
	ids := history(w, store)
	w.pass(time.Now().Add(300 * time.Millisecond))
	for status, id := range ids {
		require.Equal(w, status, w.task(store, id).Status)
	}
}

func holdClear(w *world) {
	store, g := serveHistory(w, task.Retention{})
	ids := history(w, store)
	w.named(store, "open")
	receive(w, g.entered, "the attempt")
	w.enqueue(store, task.Request{Name: "bad", EnqueueOptions: task.EnqueueOptions{Delay: time.Hour}})
	clearing := func(filter task.HistoryFilter, dry bool, want map[task.Status]int64) {
		w.Helper()
		got, err := store.ClearHistory(w.Context(), filter, dry)
		require.NoError(w, err)
		var tasks int64
		for _, n := range want {
			tasks += n
		}
		require.Equal(w, &task.HistoryCount{Tasks: tasks, ByStatus: want}, got)
	}
	all := map[task.Status]int64{task.Success: 1, task.Failed: 1, task.Interrupted: 1, task.Cancelled: 1}
	none := map[task.Status]int64{task.Success: 0, task.Failed: 0, task.Interrupted: 0, task.Cancelled: 0}
	clearing(task.HistoryFilter{}, true, all)
	clearing(task.HistoryFilter{OlderThan: time.Hour}, false, none)
	clearing(task.HistoryFilter{Name: "nobody's"}, false, none)
	clearing(task.HistoryFilter{Name: "good", Statuses: []task.Status{task.Success, task.Success}}, true, map[task.Status]int64{task.Success: 1})
	clearing(task.HistoryFilter{Name: "bad", Statuses: []task.Status{task.Failed, task.Cancelled}}, false, map[task.Status]int64{task.Failed: 1, task.Cancelled: 1})
	w.requireGone(store, ids[task.Failed])
	w.requireGone(store, ids[task.Cancelled])
	require.Equal(w, task.Success, w.task(store, ids[task.Success]).Status)
	clearing(task.HistoryFilter{}, false, map[task.Status]int64{task.Success: 1, task.Failed: 0, task.Interrupted: 1, task.Cancelled: 0})
	w.requireGone(store, ids[task.Success])
	require.EqualValues(w, 2, w.tasks(), "what has not ended stays")
	for field, filter := range map[string]task.HistoryFilter{
		"status": {Statuses: []task.Status{task.Running}}, "older_than": {OlderThan: -1}, "name": {Name: "\x00"},
	} {
		_, err := store.ClearHistory(w.Context(), filter, false)
		var invalid *task.InvalidError
		require.ErrorAs(w, err, &invalid)
		require.Equal(w, field, invalid.Field)
	}
	send(w, g.leave, task.Outcome{})
}

func holdClearMany(w *world) {
	const tasks = 1200
	store := w.serve(4, done, guest("a"), guest("b"))
	requests := make([]task.Request, tasks)
	for i := range requests {
		requests[i] = task.Request{Name: "a"}
		if i%10 == 0 {
			requests[i] = taggedAndKeyed("a", fmt.Sprint(i))
		}
	}
	ids, err := store.EnqueueMany(w.Context(), requests)
	require.NoError(w, err)
	w.allSucceed(ids)
	kept := w.named(store, "b")
	w.succeeds(store, kept)
	ctx, cancel := context.WithCancel(w.Context())
	meanwhile := make(chan []task.ID)
	go func() {
		var more []task.ID
		for ctx.Err() == nil {
			id, err := store.Enqueue(context.WithoutCancel(ctx), task.Request{Name: "b"})
			if err != nil {
				w.Errorf("enqueue while tasks are deleted: %v", err)
			}
			more = append(more, id)
		}
		meanwhile <- more
	}()
	got, err := store.ClearHistory(w.Context(), task.HistoryFilter{Name: "a"}, false)
	cancel()
	more := receive(w, meanwhile, "the last enqueue")
	require.NoError(w, err)
	require.EqualValues(w, tasks, got.Tasks)
	w.allSucceed(append(more, kept))
	require.EqualValues(w, len(more)+1, w.tasks())
	require.Zero(w, w.number("SELECT count(*) FROM idempotency_key"))
	require.Zero(w, w.number("SELECT count(*) FROM task_tag"))
}

func holdKeyOutlives(w *world) {
	store := w.serve(1, done, guest("a"))
	id := w.enqueue(store, keyed("a", "long", `1`))
	w.succeeds(store, id)
	later := w.enqueue(store, task.Request{Name: "a", EnqueueOptions: task.EnqueueOptions{Delay: time.Hour}})
	w.exec("UPDATE idempotency_key SET expires_at = (SELECT run_at FROM task WHERE id = $1)", w.ID(later))
	_, err := store.ClearHistory(w.Context(), task.HistoryFilter{}, false)
	require.NoError(w, err)
	_, err = store.Task(w.Context(), id)
	require.ErrorIs(w, err, task.ErrNotFound)
	prune := func(want int) {
		w.Helper()
		n, err := store.PruneKeys(w.Context(), 10)
		require.NoError(w, err)
		require.Equal(w, want, n)
	}
	prune(0)
	require.EqualValues(w, 1, w.number("SELECT count(*) FROM idempotency_key WHERE task_id = $1", w.ID(id)))
	w.exec("UPDATE idempotency_key SET expires_at = (SELECT created_at FROM task WHERE id = $1)", w.ID(later))
	prune(1)
	prune(0)
}

func holdTwoKeepers(w *world) {
	const tasks = 800
	stores := []Store{w.open(), w.open()}
	w.push(stores[0], "m", guest("a"))
	for _, store := range stores {
		config := w.nodeConfig(only(task.Wasm, 4))
		config.Retention = task.KeepFor(time.Millisecond)
		require.NoError(w, store.Start(w.Context(), handler(done), config))
	}
	for range 4 {
		_, err := stores[0].EnqueueMany(w.Context(), plain(tasks/4))
		require.NoError(w, err)
	}
	w.eventually(func() bool { return w.tasks() == 0 }, "for all tasks to run and go")
}

func plain(n int) []task.Request {
	requests := make([]task.Request, n)
	for i := range requests {
		requests[i].Name = "a"
	}
	return requests
}

func holdClearLocked(w *world) {
	store := w.serve(1, done, guest("a"))
	one, two := w.enqueue(store, keyed("a", "k", `1`)), w.named(store, "a")
	w.succeeds(store, one)
	w.succeeds(store, two)
	tx, err := w.DB.BeginTx(w.Context(), nil)
	require.NoError(w, err)
	defer tx.Rollback()
	_, err = tx.ExecContext(w.Context(), "SELECT FROM idempotency_key WHERE key = 'k' FOR UPDATE")
	require.NoError(w, err)
	_, err = tx.ExecContext(w.Context(), "SELECT FROM task WHERE id = $1 FOR UPDATE", w.ID(two))
	require.NoError(w, err)
	got, err := store.ClearHistory(w.Context(), task.HistoryFilter{}, false)
	require.NoError(w, err)
	require.Zero(w, got.Tasks)
	require.NoError(w, tx.Rollback())
	got, err = store.ClearHistory(w.Context(), task.HistoryFilter{}, false)
	require.NoError(w, err)
	require.EqualValues(w, 2, got.Tasks)
}
