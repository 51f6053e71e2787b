package storetest

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

// exec changes rows behind the stores' back.
func (w *world) exec(query string, args ...any) {
	w.Helper()
	_, err := w.DB.ExecContext(w.Context(), query, args...)
	require.NoError(w, err, query)
}

// number reads one number.
func (w *world) number(query string, args ...any) int64 {
	w.Helper()
	var n int64
	require.NoError(w, w.DB.QueryRowContext(w.Context(), query, args...).Scan(&n), query)
	return n
}

// tasks is how many tasks are stored.
func (w *world) tasks() int64 {
	w.Helper()
	return w.number("SELECT count(*) FROM task")
}

// tickets is how many tickets there are.
func (w *world) tickets() int64 {
	w.Helper()
	return w.number("SELECT count(*) FROM river_job")
}

// ticketRow is what a ticket says, but for its number and its task.
type ticketRow struct {
	kind, queue, state, due string
	priority                int
}

// ticket reads the ticket of a pending task.
func (w *world) ticket(id task.ID) (row ticketRow) {
	w.Helper()
	require.NoError(w, w.DB.QueryRowContext(w.Context(), `
		SELECT kind, queue, CAST(state AS text), CAST(scheduled_at AS text), priority
		FROM river_job WHERE id = (SELECT ticket FROM task WHERE id = $1)`, w.ID(id)).
		Scan(&row.kind, &row.queue, &row.state, &row.due, &row.priority))
	return row
}

// storedID scans an id, however the database keeps it.
type storedID task.ID

// Scan implements [sql.Scanner].
func (id *storedID) Scan(value any) error {
	switch v := value.(type) {
	case []byte:
		if len(v) == 16 {
			*id = storedID(v)
			return nil
		}
		return id.parse(string(v))
	case string:
		return id.parse(v)
	case [16]byte:
		*id = v
		return nil
	default:
		return fmt.Errorf("an id is a %T", value)
	}
}

func (id *storedID) parse(text string) error {
	parsed, err := task.ParseID(text)
	*id = storedID(parsed)
	return err
}

// attemptRow is a row of the table attempt.
type attemptRow struct {
	lease            int64
	number           int
	node             string
	outcome          task.Status
	cause            task.Cause
	startedAt, ended int64
	waited           int64
}

// attempts reads the ended attempts of every task, in order.
func (w *world) attempts(ctx context.Context) map[task.ID][]attemptRow {
	w.Helper()
	rows, err := w.DB.QueryContext(ctx, `
		SELECT task_id, lease, attempt, node, outcome, coalesce(cause, ''), `+
		w.Micros("started_at")+", "+w.Micros("ended_at")+`, queue_wait
		FROM attempt ORDER BY task_id, lease`)
	require.NoError(w, err)
	defer rows.Close()
	all := make(map[task.ID][]attemptRow)
	for rows.Next() {
		var id storedID
		var row attemptRow
		require.NoError(w, rows.Scan(&id, &row.lease, &row.number, &row.node, &row.outcome, &row.cause, &row.startedAt, &row.ended, &row.waited))
		all[task.ID(id)] = append(all[task.ID(id)], row)
	}
	require.NoError(w, rows.Err())
	return all
}

// ended lists a task's ended attempts as "number outcome cause".
func (w *world) ended(id task.ID) []string {
	w.Helper()
	texts := []string{}
	for _, row := range w.attempts(w.Context())[id] {
		text := fmt.Sprintf("%d %s", row.number, row.outcome)
		if row.cause != "" {
			text += " " + string(row.cause)
		}
		texts = append(texts, text)
	}
	return texts
}

// taskRow is what checkRows looks at of a task.
type taskRow struct {
	status                                task.Status
	cause                                 task.Cause
	attempt                               int
	lease, crashes, waited, ran           int64
	created, runAt, dueAt, started, ended sql.NullInt64
	named, ticket                         int // its column names a ticket; that ticket is there
}

// checkRows looks at what a test has left behind, when nothing runs any more.
func (w *world) checkRows() {
	ctx := context.WithoutCancel(w.Context())
	rows, err := w.DB.QueryContext(ctx, `
		SELECT id, status, coalesce(cause, ''), attempt, lease, crashes, queue_wait, run_time, `+w.Micros("created_at")+", "+w.Micros("run_at")+", "+
		w.Micros("due_at")+", "+w.Micros("started_at")+", "+w.Micros("ended_at")+`,
			CASE WHEN ticket IS NULL THEN 0 ELSE 1 END,
			CASE WHEN EXISTS (SELECT 1 FROM river_job j WHERE j.id = task.ticket) THEN 1 ELSE 0 END
		FROM task`)
	require.NoError(w, err)
	defer rows.Close()
	attempts := w.attempts(ctx)
	tickets := 0
	for rows.Next() {
		var id storedID
		var row taskRow
		require.NoError(w, rows.Scan(&id, &row.status, &row.cause, &row.attempt, &row.lease, &row.crashes, &row.waited, &row.ran,
			&row.created, &row.runAt, &row.dueAt, &row.started, &row.ended, &row.named, &row.ticket))
		tickets += row.ticket
		for _, problem := range row.problems(attempts[task.ID(id)], w.leapt[task.ID(id)], w.clockSet) {
			assert.Fail(w, "the rows of a task contradict each other", "%s, %s: %s", task.ID(id), row.status, problem)
		}
		delete(attempts, task.ID(id))
	}
	require.NoError(w, rows.Err())
	assert.Empty(w, attempts, "attempts of tasks that are not there")
	var all int
	require.NoError(w, w.DB.QueryRowContext(ctx, "SELECT count(*) FROM river_job").Scan(&all))
	assert.Equal(w, tickets, all, "every ticket is that of a pending task")
	require.NoError(w, w.DB.QueryRowContext(ctx, `
		SELECT count(*) FROM task_log l
		WHERE NOT EXISTS (SELECT 1 FROM attempt a WHERE a.task_id = l.task_id AND a.lease = l.seq >> 24 AND a.attempt = l.attempt)`).Scan(&all))
	assert.Zero(w, all, "lines of attempts that never ended")
	w.checkEvents(ctx)
	require.NoError(w, w.DB.QueryRowContext(ctx, `
		SELECT count(*) FROM idempotency_key k
		WHERE NOT task_gone AND NOT EXISTS (SELECT 1 FROM task WHERE task.id = k.task_id)`).Scan(&all))
	assert.Zero(w, all, "keys of tasks that are not there")
}

// checkEvents looks whether each change of a task was announced once. A lease grows when
// an attempt begins and when it ends, and both events name the node.
func (w *world) checkEvents(ctx context.Context) {
	if w.pruned {
		return
	}
	rows, err := w.DB.QueryContext(ctx, `
		SELECT id, lease, coalesce(attempts, 0), coalesce(enqueued, 0)
		FROM task LEFT JOIN (
			SELECT task_id, count(node) AS attempts, sum(CASE WHEN node IS NULL AND status = 'pending' THEN 1 ELSE 0 END) AS enqueued
			FROM event GROUP BY task_id
		) e ON e.task_id = task.id`)
	require.NoError(w, err)
	defer rows.Close()
	for rows.Next() {
		var id storedID
		var lease, attempts, enqueued int64
		require.NoError(w, rows.Scan(&id, &lease, &attempts, &enqueued))
		assert.Equal(w, lease-w.leapt[task.ID(id)], attempts, "begins and ends of attempts of %s are announced once", task.ID(id))
		assert.EqualValues(w, 1, enqueued, "the enqueue of %s is announced once", task.ID(id))
	}
	require.NoError(w, rows.Err())
}

// problems says what contradicts in the row of a task and those of its attempts.
func (r *taskRow) problems(attempts []attemptRow, leapt int64, clockSet bool) (found []string) {
	expect := func(ok bool, format string, args ...any) {
		if !ok {
			found = append(found, fmt.Sprintf(format, args...))
		}
	}
	pending := r.status == task.Pending
	expect(r.status != task.Running, "nothing runs when every node has stopped")
	expect(pending == (r.named == 1), "it names a ticket: %v", r.named == 1)
	expect(pending == (r.ticket == 1), "it has a ticket: %v", r.ticket == 1)
	expect(r.ended.Valid == r.status.Terminal(), "it has an end time: %v", r.ended.Valid)
	expect(r.lease == 2*int64(len(attempts))+leapt, "the lease is %d after %d attempts", r.lease, len(attempts))

	// A task that was cancelled or that expired while it waited ended without an attempt.
	apart := r.status == task.Cancelled && (len(attempts) == 0 || attempts[len(attempts)-1].outcome != task.Cancelled) ||
		r.status == task.Failed && r.cause == task.CauseExpired && (len(attempts) == 0 || attempts[len(attempts)-1].cause != task.CauseExpired)
	// An attempt that was given back is done again under its number.
	used, last := 0, max(r.created.Int64, r.runAt.Int64)
	var waited, ran int64
	expect(r.created.Int64 <= r.runAt.Int64, "it was due before it was created: %d < %d", r.runAt.Int64, r.created.Int64)
	expect(r.runAt.Int64 <= r.dueAt.Int64 || clockSet, "its place is before its first: %d < %d", r.dueAt.Int64, r.runAt.Int64)
	for i, a := range attempts {
		expect(a.number == used+1, "attempt %d follows %d that count", a.number, used)
		expect(last <= a.startedAt, "attempt %d started at %d, before %d", a.number, a.startedAt, last)
		expect(a.startedAt <= a.ended, "attempt %d ended before it started", a.number)
		expect(a.waited >= 0 && a.waited <= a.startedAt-last, "attempt %d waited for %d, and came %d after what was before", a.number, a.waited, a.startedAt-last)
		expect(i > 0 || a.waited == a.startedAt-last, "its first attempt waited for %d, and it had been due for %d", a.waited, a.startedAt-last)
		waited, ran = waited+a.waited, ran+a.ended-a.startedAt
		last = a.ended
		final := i == len(attempts)-1 && r.status.Terminal() && !apart
		if final || a.outcome != task.Interrupted {
			used++
		}
		expect(final || a.outcome == task.Failed || a.outcome == task.Interrupted, "attempt %d ended as %s, and another followed", a.number, a.outcome)
		if i == 0 {
			expect(r.started.Int64 == a.startedAt, "it started at %d, its first attempt at %d", r.started.Int64, a.startedAt)
		}
		if final {
			expect(r.ended.Int64 == a.ended, "it ended at %d, its last attempt at %d", r.ended.Int64, a.ended)
			expect(a.outcome == r.status || a.outcome == task.Interrupted && a.cause == task.CauseCrashed, "its last attempt ended as %s", a.outcome)
		}
	}
	expect(r.waited == waited, "it waited for %d, and its attempts for %d", r.waited, waited)
	expect(r.ran == ran, "it ran for %d, and its attempts for %d", r.ran, ran)
	expect(!apart || len(attempts) == 0 || last <= r.ended.Int64, "it ended at %d, before its last attempt at %d", r.ended.Int64, last)
	expect(r.attempt == used, "it says attempt %d, and %d count", r.attempt, used)
	return found
}
