package pgstore

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/taskhost/taskhost/task"
)

// attemptsText lists the attempts of a task in order: those that have ended, and the
// one that runs, which only the task's row knows.
const attemptsText = `
SELECT attempt, node, outcome, started_at, ended_at, queue_wait, error, cause, trace,
    sandbox, cpu, fuel, peak_memory, pooled, lease, sealed_failure
FROM {schema}.attempt WHERE task_id = $1
UNION ALL
SELECT attempt, node, status, attempt_started_at, NULL, attempt_wait, NULL, NULL, NULL, 0, 0, 0, 0, false, lease, NULL
FROM {schema}.task WHERE id = $1 AND status = 'running'
ORDER BY lease`

// Attempts lists the attempts of a task in order, the one that runs too. It returns
// task.ErrNotFound where there is no such task.
func (s *Store) Attempts(ctx context.Context, id task.ID) ([]task.Attempt, error) {
	if err := s.exists(ctx, id); err != nil {
		return nil, err
	}
	rows, err := s.pool.Query(ctx, s.text(attemptsText), [16]byte(id))
	if err != nil {
		return nil, failed(err, "read attempts")
	}
	attempts, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a task.Attempt, err error) {
		var outcome string
		var errText, cause, trace *string
		var waited, sandbox, cpu, lease int64
		var sealed []byte
		err = row.Scan(&a.Number, &a.Node, &outcome, &a.StartedAt, &a.EndedAt, &waited, &errText, &cause, &trace,
			&sandbox, &cpu, &a.Usage.Fuel, &a.Usage.PeakMemory, &a.Usage.Pooled, &lease, &sealed)
		a.Outcome, a.StartedAt, a.EndedAt = task.Status(outcome), a.StartedAt.UTC(), inUTC(a.EndedAt)
		a.Error, a.Cause, a.Trace = value(errText), task.Cause(value(cause)), value(trace)
		a.QueueWait = time.Duration(waited) * time.Microsecond
		a.Usage.Sandbox, a.Usage.CPU = time.Duration(sandbox)*time.Microsecond, time.Duration(cpu)*time.Microsecond
		s.vault.OpenAttempt(&a, id, lease, sealed)
		return a, err
	})
	return attempts, failed(err, "read attempts")
}
