package sqlitestore_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/sqlitestore"
	"github.com/taskhost/taskhost/task"
)

// Repair gives up at a bound, and goes on where it is called again.
func TestManyLostTickets(t *testing.T) {
	path := newPath(t)
	store, db := open(t, path), callersDB(t, path)
	push(t, store, "m", task.Definition{Name: "a"})
	requests := make([]task.Request, 10_500)
	for i := range requests {
		requests[i].Name = "a"
	}
	_, err := store.EnqueueMany(t.Context(), requests)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), "DELETE FROM river_job")
	require.NoError(t, err)
	for _, want := range []int{10_000, 500, 0} {
		n, err := store.Repair(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	require.Zero(t, count(t, db, "SELECT count(*) FROM (SELECT due_at, lag(due_at) OVER (ORDER BY ticket) AS before FROM task) WHERE before > due_at"),
		"they keep their order")
}

// Only a task's own ticket starts it, however many say that they do.
func TestAStaleTicketStartsNothing(t *testing.T) {
	path := newPath(t)
	store, db := open(t, path), callersDB(t, path)
	push(t, store, "m", task.Definition{Name: "a"})
	id := enqueue(t, store, task.Request{Name: "a", EnqueueOptions: task.EnqueueOptions{Delay: time.Hour}})
	other := enqueue(t, store, task.Request{Name: "a"})
	_, err := db.ExecContext(t.Context(), `
		INSERT INTO river_job (args, kind, queue, priority, state, scheduled_at)
		SELECT args, kind, queue, 1, state, '2020-01-01 00:00:00.000' FROM river_job UNION ALL
		SELECT jsonb('{"task_id":"none"}'), 'wasm', 'wasm', 1, 'available', '2020-01-01 00:00:00.000' UNION ALL
		SELECT x'ff', 'wasm', 'wasm', 1, 'available', '2020-01-01 00:00:00.000'`)
	require.NoError(t, err)
	start(t, store, 10, echo)
	require.Equal(t, 1, await(t, store, other).Attempt)
	got, err := store.Task(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, task.Pending, got.Status)
	require.Eventually(t, func() bool { return count(t, db, "SELECT count(*) FROM river_job") == 1 }, 5*time.Second, time.Millisecond)
	require.Equal(t, 1, count(t, db, "SELECT count(*) FROM task JOIN river_job ON ticket = river_job.id WHERE task.id = ?", id[:]))
}

func TestAClaimWhoseReplyWasLostIsGivenBack(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	store, db := open(t, path), callersDB(t, path)
	serve(t, store, 1, echo, task.Definition{Name: "a"})
	id := enqueue(t, store, task.Request{Name: "a", EnqueueOptions: task.EnqueueOptions{Delay: time.Hour}})
	_, err := db.ExecContext(t.Context(), `
		DELETE FROM river_job WHERE id = (SELECT ticket FROM task WHERE id = ?1);
		UPDATE task SET status = 'running', ticket = NULL, attempt = 1, lease = 1, due_at = run_at - 3600000000,
			node = (SELECT id FROM node), started_at = ?2, attempt_started_at = ?2
		WHERE id = ?1`, id[:], time.Now().UnixMicro())
	require.NoError(t, err)
	got := await(t, store, id)
	require.Equal(t, task.Success, got.Status)
	require.Equal(t, 1, got.Attempt, "it cost no attempt")
}

// Ticket numbers are not used again, also where nothing is left of the last one.
func TestTicketNumbersRise(t *testing.T) {
	path := newPath(t)
	store, db := open(t, path), callersDB(t, path)
	push(t, store, "m", task.Definition{Name: "a"})
	last := 0
	for range 3 {
		id := enqueue(t, store, task.Request{Name: "a"})
		number := count(t, db, "SELECT ticket FROM task WHERE id = ?", id[:])
		require.Greater(t, number, last)
		last = number
		_, err := db.ExecContext(t.Context(), "DELETE FROM river_job")
		require.NoError(t, err)
	}
}

// A call whose reply was lost can be repeated.
func TestARepeatedInsertChangesNothing(t *testing.T) {
	path := newPath(t)
	store, db := open(t, path), callersDB(t, path)
	push(t, store, "m", task.Definition{Name: "a"})
	def, err := store.Definition(t.Context(), "a")
	require.NoError(t, err)
	rows := make([]*riverstore.Row, 40)
	for i := range rows {
		rows[i] = &riverstore.Row{ID: task.ID(uuid.Must(uuid.NewV7())), Definition: def, Source: task.Manual, Priority: 5, Timeout: time.Second}
	}
	rows[7].IdempotencyKey = "k"
	first, err := store.Insert(t.Context(), rows[:30])
	require.NoError(t, err)
	again, err := store.Insert(t.Context(), rows)
	require.NoError(t, err)
	require.Equal(t, first, again[:30])
	for i, id := range again {
		require.Equal(t, rows[i].ID, id)
	}
	alone, err := store.Insert(t.Context(), rows[:1])
	require.NoError(t, err)
	require.Equal(t, again[:1], alone)
	require.Equal(t, 40, count(t, db, "SELECT count(*) FROM task JOIN river_job ON ticket = river_job.id"))
	require.Equal(t, 40, count(t, db, "SELECT count(*) FROM river_job"))

	start(t, store, 4, echo)
	for _, id := range again {
		await(t, store, id)
	}
	again, err = store.Insert(t.Context(), rows)
	require.NoError(t, err)
	require.Len(t, again, 40)
	require.Zero(t, count(t, db, "SELECT count(*) FROM river_job"))
	require.Equal(t, 40, count(t, db, "SELECT count(*) FROM task WHERE status = 'success'"))
}

// Large arguments go one by one: the driver copies what a statement takes.
func TestABatchOfLargeArguments(t *testing.T) {
	store := open(t, newPath(t))
	push(t, store, "m", task.Definition{Name: "a"})
	requests := make([]task.Request, 20)
	for i := range requests {
		args, err := json.Marshal(strings.Repeat("x", 500_000+i))
		require.NoError(t, err)
		requests[i] = task.Request{Name: "a", Args: args}
	}
	ids, err := store.EnqueueMany(t.Context(), requests)
	require.NoError(t, err)
	start(t, store, 4, echo)
	for i, id := range ids {
		await(t, store, id)
		result, _, err := store.Result(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, requests[i].Args, result)
	}
}

// BenchmarkRepair looks for lost tickets where none is.
func BenchmarkRepair(b *testing.B) {
	store, err := sqlitestore.Open(b.Context(), sqlitestore.Config{Path: filepath.Join(b.TempDir(), "bench.db")})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, store.Close()) })
	def := task.Definition{Name: "noop", Executor: task.Async, Options: task.Options{}.WithDefaults()}
	require.NoError(b, store.DeclareFunctions(b.Context(), []task.Definition{def}))
	requests := make([]task.Request, 10_000)
	for i := range requests {
		requests[i].Name = "noop"
	}
	for range 10 {
		_, err := store.EnqueueMany(b.Context(), requests)
		require.NoError(b, err)
	}
	for b.Loop() {
		n, err := store.Repair(b.Context())
		require.NoError(b, err)
		require.Zero(b, n)
	}
}
