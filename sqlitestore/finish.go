package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// The ends move tasks on, those that are still the attempts'. The lease grows
// here too, so that an end whose reply was lost cannot end the next attempt. The
// first commit wins: a task whose cancel was stored before ends as cancelled, whatever
// the end says. The clock may have been set back since the attempt
// started, so that what keeps its place would be due in the future. The max and min of
// NULL are NULL.
const (
	endTaskHead = `
WITH ending (id, lease, status, give_back, crashes, ended_at, released_at, due_at, ticket, result, result_type, error, cause, trace, result_key_id, sealed_failure) AS (VALUES `
	endTaskRow  = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	endTaskTail = `)
UPDATE task SET
    status = iif(cancel_requested_at IS NULL, ending.status, 'cancelled'),
    ticket = iif(cancel_requested_at IS NULL, ending.ticket, NULL),
    lease = task.lease + 1,
    attempt = iif(cancel_requested_at IS NULL, attempt - ending.give_back, attempt),
    crashes = task.crashes + ending.crashes,
    ended_at = max(iif(cancel_requested_at IS NULL, ending.ended_at, coalesce(ending.ended_at, ending.released_at)), attempt_started_at),
    released_at = iif(cancel_requested_at IS NULL, max(ending.released_at, attempt_started_at), NULL),
    run_time = run_time + max(coalesce(ending.ended_at, ending.released_at) - attempt_started_at, 0),
    due_at = iif(cancel_requested_at IS NULL, coalesce(ending.due_at, min(task.due_at, ending.released_at), task.due_at), task.due_at),
    result = iif(cancel_requested_at IS NULL, ending.result, NULL),
    result_type = iif(cancel_requested_at IS NULL, ending.result_type, NULL),
    error = iif(cancel_requested_at IS NULL OR ending.cause = 'cancelled', ending.error, ?),
    cause = iif(cancel_requested_at IS NULL, ending.cause, 'cancelled'),
    trace = iif(cancel_requested_at IS NULL, ending.trace, NULL),
    result_key_id = iif(cancel_requested_at IS NULL, ending.result_key_id, NULL),
    sealed_failure = iif(cancel_requested_at IS NULL OR ending.cause = 'cancelled', ending.sealed_failure, NULL)
FROM ending
WHERE task.id = ending.id AND task.lease = ending.lease AND task.status = 'running'
RETURNING id, lease - 1, name, executor, priority, due_at, node, attempt_started_at, attempt_wait, status`

	endTaskSQL = endTaskHead + endTaskRow + endTaskTail
)

const (
	insertAttemptHead = `
INSERT INTO attempt (
    task_id, lease, attempt, node, started_at, ended_at, queue_wait, elapsed,
    outcome, error, cause, trace, sandbox, cpu, fuel, peak_memory, pooled, sealed_failure
) VALUES `
	insertAttemptRow = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	insertAttemptSQL = insertAttemptHead + insertAttemptRow
)

var (
	endTasksSQL       = repeatRow(endTaskHead, endTaskRow) + endTaskTail
	insertAttemptsSQL = repeatRow(insertAttemptHead, insertAttemptRow)
)

const insertLogSQL = `
INSERT INTO task_log (task_id, seq, attempt, at, level, message, fields, sealed)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?9
FROM task WHERE id = ?1 AND lease = ?8 AND status = 'running'
ON CONFLICT DO NOTHING`

// ending is an end on its way into the tables.
type ending struct {
	*riverstore.End

	ticket *int64 // nil where the task has ended
	// What its task's row says.
	stored    bool
	name      string
	executor  task.Executor
	priority  int
	due       int64
	node      string
	startedAt int64
	waited    int64
}

// Finish implements [riverstore.Attempts].
func (s *Store) Finish(ctx context.Context, ends []*riverstore.End) ([]bool, error) {
	s.vault.SealEnds(ends)
	endings := make([]*ending, len(ends))
	for i, end := range ends {
		endings[i] = &ending{End: end}
	}
	queues := make(map[string]bool)
	err := s.inTx(ctx, func(w *session) error { return w.finish(ctx, endings, queues) })
	if err != nil {
		return nil, fmt.Errorf("store the ends of attempts: %w", err)
	}
	s.wake(queues)
	stored := make([]bool, len(ends))
	for i, e := range endings {
		stored[i] = e.stored
	}
	return stored, nil
}

// finish stores ends, and adds the queues that got tickets.
func (w *session) finish(ctx context.Context, endings []*ending, queues map[string]bool) error {
	at := now()
	for _, e := range endings {
		// The lines first: they are refused once the task has moved on.
		if err := w.insertLogs(ctx, e.Logs); err != nil {
			return err
		}
	}
	if err := w.numberTickets(ctx, endings); err != nil {
		return err
	}
	if err := w.endTasks(ctx, endings, at); err != nil {
		return err
	}
	var stored []*ending
	var tickets []ticket
	for _, e := range endings {
		if !e.stored {
			continue
		}
		stored = append(stored, e)
		if e.ticket != nil {
			tickets = append(tickets, ticket{*e.ticket, e.ID, e.executor, e.name, e.priority, fromMicros(e.due)})
			queues[riverstore.Queue(e.executor)] = true
		}
	}
	if err := w.insertAttempts(ctx, stored, at); err != nil {
		return err
	}
	return w.insertTickets(ctx, tickets)
}

// numberTickets gives numbers to the tickets that are to be made.
func (w *session) numberTickets(ctx context.Context, endings []*ending) error {
	var next int64
	for _, e := range endings {
		if e.Status.Terminal() {
			continue
		}
		if next == 0 {
			var err error
			if next, err = w.nextTicket(ctx); err != nil {
				return err
			}
		}
		number := next
		e.ticket = &number
		next++
	}
	return nil
}

func (w *session) endTasks(ctx context.Context, endings []*ending, at time.Time) error {
	write := func(text string) func([]*ending) error {
		return func(endings []*ending) error {
			args := make([]any, 0, 16*len(endings)+1)
			for _, e := range endings {
				args = e.appendTo(args, at)
			}
			args = append(args, riverstore.CancelledRunning)
			return w.endSome(ctx, endings, text, args)
		}
	}
	return inChunks(endings, write(endTasksSQL), write(endTaskSQL))
}

func (w *session) endSome(ctx context.Context, endings []*ending, text string, args []any) error {
	rows, err := w.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var row ending
		var raw sql.RawBytes
		var lease int64
		var status task.Status
		if err := rows.Scan(&raw, &lease, &row.name, &row.executor, &row.priority, &row.due, &row.node, &row.startedAt, &row.waited, &status); err != nil {
			return err
		}
		id := toID(raw)
		for _, e := range endings {
			if e.ID == id && e.Lease == lease {
				row.End, row.ticket, row.stored = e.End, e.ticket, true
				if status == task.Cancelled && row.Status != status {
					row.Cancel()
					row.ticket = nil
				}
				*e = row
				break
			}
		}
	}
	return rows.Err()
}

// appendTo appends what fills endTaskRow.
func (e *ending) appendTo(args []any, at time.Time) []any {
	failure := e.failure()
	var giveBack, crashes int
	var endedAt, releasedAt, dueAt, ticket any
	switch {
	case e.Status.Terminal():
		endedAt = micros(at)
	case e.GiveBack && e.Wait == 0: // due_at stays: the task keeps its place
	default:
		dueAt = micros(at.Add(e.Wait))
	}
	if !e.Status.Terminal() {
		releasedAt = micros(at)
	}
	if e.GiveBack {
		giveBack = 1
	}
	if e.ticket != nil {
		ticket = *e.ticket
	}
	if failure.Cause == task.CauseCrashed {
		crashes = 1
	}
	return append(args,
		e.ID[:], e.Lease, string(e.Status), giveBack, crashes, endedAt, releasedAt, dueAt, ticket,
		e.Result, nullable(e.ResultType), nullable(failure.Message), nullable(string(failure.Cause)), nullable(failure.Trace), nullable(e.ResultKey), e.SealedFailure)
}

// failure is empty where there is none.
func (e *ending) failure() *task.Failure {
	if e.Failure == nil {
		return &task.Failure{}
	}
	return e.Failure
}

func (w *session) insertAttempts(ctx context.Context, endings []*ending, at time.Time) error {
	write := func(text string) func([]*ending) error {
		return func(endings []*ending) error {
			args := make([]any, 0, 18*len(endings))
			for _, e := range endings {
				failure := e.failure()
				args = append(args,
					e.ID[:], e.Lease, e.Attempt, e.node, e.startedAt, max(micros(at), e.startedAt), e.waited, e.Elapsed.Microseconds(),
					string(e.Outcome), nullable(failure.Message), nullable(string(failure.Cause)), nullable(failure.Trace),
					e.Usage.Sandbox.Microseconds(), e.Usage.CPU.Microseconds(), e.Usage.Fuel, e.Usage.PeakMemory, e.Usage.Pooled, e.SealedAttempt)
			}
			_, err := w.ExecContext(ctx, text, args...)
			return err
		}
	}
	return inChunks(endings, write(insertAttemptsSQL), write(insertAttemptSQL))
}

// AppendLogs implements [riverstore.Attempts].
func (s *Store) AppendLogs(ctx context.Context, lines []riverstore.LogLine) error {
	s.vault.SealLines(lines)
	return s.inTx(ctx, func(w *session) error { return w.insertLogs(ctx, lines) })
}

func (w *session) insertLogs(ctx context.Context, lines []riverstore.LogLine) error {
	for _, line := range lines {
		_, err := w.ExecContext(ctx, insertLogSQL, line.Task[:], line.Seq, line.Attempt, micros(line.Time), string(line.Level), line.Message, nullable(string(line.Fields)), line.Lease, line.Sealed)
		if err != nil {
			return err
		}
	}
	return nil
}
