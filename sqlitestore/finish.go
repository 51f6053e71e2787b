package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// endTaskSQL moves a task on, if it is still the attempt's. The lease grows
// here too, so that an end whose reply was lost cannot end the next attempt.
const endTaskSQL = `
UPDATE task SET
    status = ?1,
    lease = lease + 1,
    attempt = attempt - ?2,
    crashes = crashes + ?3,
    ended_at = ?4,
    due_at = coalesce(?5, due_at),
    result = ?6,
    result_type = ?7,
    error = ?8,
    cause = ?9,
    trace = ?10
WHERE id = ?11 AND lease = ?12 AND status = 'running'
RETURNING name, executor, priority, due_at, node, attempt_started_at`

const insertAttemptSQL = `
INSERT INTO attempt (
    task_id, lease, attempt, node, started_at, ended_at, elapsed,
    outcome, error, cause, trace, sandbox, cpu, fuel, peak_memory
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

const insertLogSQL = `
INSERT INTO task_log (task_id, seq, attempt, at, level, message, fields)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
FROM task WHERE id = ?1 AND lease = ?8 AND status = 'running'
ON CONFLICT DO NOTHING`

// Finish implements [riverstore.Database].
func (s *Store) Finish(ctx context.Context, ends []*riverstore.End) ([]bool, error) {
	stored := make([]bool, len(ends))
	queues := make(map[string]bool)
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		at := now()
		for i, end := range ends {
			queue, ok, err := s.finish(ctx, tx, end, at)
			if err != nil {
				return err
			}
			stored[i] = ok
			if queue != "" {
				queues[queue] = true
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store the ends of attempts: %w", err)
	}
	for queue := range queues {
		s.bus.Wake(queue)
	}
	return stored, nil
}

// finish stores one end. It returns the queue that got a ticket, if one did.
func (s *Store) finish(ctx context.Context, tx *sql.Tx, end *riverstore.End, at time.Time) (queue string, stored bool, err error) {
	// The lines first: they are refused once the task has moved on.
	if err := s.insertLogs(ctx, tx, end.Logs); err != nil {
		return "", false, err
	}
	failure := end.Failure
	if failure == nil {
		failure = &task.Failure{}
	}
	var giveBack, crashes int
	var endedAt, dueAt any
	switch {
	case end.Status.Terminal():
		endedAt = micros(at)
	case end.GiveBack:
		giveBack = 1 // and due_at stays: the task keeps its place
	default:
		dueAt = micros(at.Add(end.Wait))
	}
	if failure.Cause == task.CauseCrashed {
		crashes = 1
	}
	var name string
	var executor task.Executor
	var priority int
	var due, startedAt int64
	var node string
	err = tx.StmtContext(ctx, s.stmts.endTask).QueryRowContext(ctx,
		end.Status, giveBack, crashes, endedAt, dueAt,
		end.Result, nullable(end.ResultType), nullable(failure.Message), nullable(string(failure.Cause)), nullable(failure.Trace),
		end.ID[:], end.Lease,
	).Scan(&name, &executor, &priority, &due, &node, &startedAt)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	_, err = tx.StmtContext(ctx, s.stmts.insertAttempt).ExecContext(ctx,
		end.ID[:], end.Lease, end.Attempt, node, startedAt, micros(at), end.Elapsed.Microseconds(),
		end.Outcome, nullable(failure.Message), nullable(string(failure.Cause)), nullable(failure.Trace),
		end.Usage.Sandbox.Microseconds(), end.Usage.CPU.Microseconds(), end.Usage.Fuel, end.Usage.PeakMemory,
	)
	if err != nil || end.Status != task.Pending {
		return "", true, err
	}
	return riverstore.Queue(executor), true, s.insertTicket(ctx, tx, end.ID, executor, name, priority, fromMicros(due), at)
}

// AppendLogs implements [riverstore.Database].
func (s *Store) AppendLogs(ctx context.Context, lines []riverstore.LogLine) error {
	return s.inTx(ctx, func(tx *sql.Tx) error { return s.insertLogs(ctx, tx, lines) })
}

func (s *Store) insertLogs(ctx context.Context, tx *sql.Tx, lines []riverstore.LogLine) error {
	if len(lines) == 0 {
		return nil
	}
	insert := tx.StmtContext(ctx, s.stmts.insertLog)
	for _, line := range lines {
		_, err := insert.ExecContext(ctx, line.Task[:], line.Seq, line.Attempt, micros(line.Time), line.Level, line.Message, nullable(string(line.Fields)), line.Lease)
		if err != nil {
			return err
		}
	}
	return nil
}
