package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/taskhost/taskhost/task"
)

// attemptsSQL lists the attempts of a task in order: those that have ended, and the
// one that runs, which only the task's row knows.
const attemptsSQL = `
SELECT attempt, node, outcome, started_at, ended_at, queue_wait, error, cause, trace,
    sandbox, cpu, fuel, peak_memory, pooled, lease, sealed_failure
FROM attempt WHERE task_id = ?1
UNION ALL
SELECT attempt, node, status, attempt_started_at, NULL, attempt_wait, NULL, NULL, NULL, 0, 0, 0, 0, 0, lease, NULL
FROM task WHERE id = ?1 AND status = 'running'
ORDER BY lease`

// Attempts lists the attempts of a task in order, the one that runs too. It returns
// task.ErrNotFound where there is no such task.
func (s *Store) Attempts(ctx context.Context, id task.ID) ([]task.Attempt, error) {
	var one int
	if err := s.read.QueryRowContext(ctx, "SELECT 1 FROM task WHERE id = ?", id[:]).Scan(&one); err != nil {
		return nil, notFound(err, "task", id)
	}
	attempts, err := queryAll(ctx, s.read, func(rows *sql.Rows, a *task.Attempt) error { return s.scanAttempt(rows, a, id) }, attemptsSQL, id[:])
	if err != nil {
		return nil, fmt.Errorf("read attempts: %w", withCause(err))
	}
	if attempts == nil {
		attempts = []task.Attempt{}
	}
	return attempts, nil
}

func (s *Store) scanAttempt(rows *sql.Rows, a *task.Attempt, id task.ID) error {
	var errText, cause, trace sql.NullString
	var endedAt sql.NullInt64
	var sealed []byte
	var startedAt, waited, sandbox, cpu, lease int64
	err := rows.Scan(&a.Number, &a.Node, &a.Outcome, &startedAt, &endedAt, &waited, &errText, &cause, &trace,
		&sandbox, &cpu, &a.Usage.Fuel, &a.Usage.PeakMemory, &a.Usage.Pooled, &lease, &sealed)
	a.StartedAt, a.EndedAt = fromMicros(startedAt), fromNullMicros(endedAt)
	a.Error, a.Cause, a.Trace = errText.String, task.Cause(cause.String), trace.String
	a.QueueWait = time.Duration(waited) * time.Microsecond
	a.Usage.Sandbox, a.Usage.CPU = time.Duration(sandbox)*time.Microsecond, time.Duration(cpu)*time.Microsecond
	s.vault.OpenAttempt(a, id, lease, sealed)
	return err
}
