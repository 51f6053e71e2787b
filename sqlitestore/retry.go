package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// retryableSQL reads what a retry depends on.
const retryableSQL = `
SELECT t.status, t.resolved_by, t.name, t.executor, t.priority, t.idempotency_key, t.key_id, t.args,
    iif(t.module IS NULL OR EXISTS (
        SELECT 1 FROM module_version v
        WHERE v.module = t.module AND v.version = t.module_version AND v.digest = t.module_digest),
        '', 'module ' || t.module || ' version ' || t.module_version),
    t.unique_key IS NOT NULL AND EXISTS (
        SELECT 1 FROM task u WHERE u.unique_key = t.unique_key AND u.status IN ('pending', 'running'))
FROM task t WHERE t.id = ?`

// keyOfSQL says who has a key, and whether that task keeps it.
const keyOfSQL = `
SELECT k.task_id, coalesce(h.status IN ('pending', 'running', 'success'), k.expires_at > ?3, 0)
FROM idempotency_key k LEFT JOIN task h ON h.id = k.task_id
WHERE k.name = ?1 AND k.key = ?2`

const moveKeySQL = "UPDATE idempotency_key SET task_id = ?3 WHERE name = ?1 AND key = ?2"

// copySQL stores a new task with all that the old one had.
const copySQL = `
INSERT INTO task (
    id, name, executor, status, priority, ticket,
    module, module_version, module_digest, definition_index,
    args, args_type, key_id, tags, source, idempotency_key, unique_key, traceparent, parent, retried_from,
    created_at, run_at, due_at, expires_at,
    max_attempts, retry_delay, retry_backoff, retry_max_delay, retry_jitter,
    timeout, memory, limits, requeue_on_interrupt
) SELECT ?2, name, executor, 'pending', priority, ?3,
    module, module_version, module_digest, definition_index,
    ?4, args_type, ?5, tags, 'retry', ?6, unique_key, traceparent, parent, id,
    ?7, ?7, ?7, ?7 + (expires_at - run_at),
    max_attempts, retry_delay, retry_backoff, retry_max_delay, retry_jitter,
    timeout, memory, limits, requeue_on_interrupt
FROM task WHERE id = ?1`

const copyTagsSQL = "INSERT INTO task_tag (key, value, task_id) SELECT t.key, t.value, task.id FROM task, json_each(task.tags) t WHERE task.id = ? AND t.key IS NOT NULL"

const resolveSQL = "UPDATE task SET resolved_by = ?2 WHERE id = ?1"

// repeated is a task that may be retried.
type repeated struct {
	riverstore.Retryable

	name     string
	executor task.Executor
	priority int
	args     []byte
	keyID    sql.NullString
	key      sql.NullString // its idempotency key, which passes to the new task
}

// RetryTasks implements [riverstore.Controller].
func (s *Store) RetryTasks(ctx context.Context, ids []task.ID, force, dry bool) ([]riverstore.Verdict, error) {
	found := make(map[task.ID]riverstore.Verdict, len(ids))
	queues := make(map[string]bool)
	err := s.inTx(ctx, func(w *session) error {
		at := now()
		for _, id := range ids {
			r, err := w.retryable(ctx, id, at)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err != nil {
				return err
			}
			verdict := riverstore.JudgeRetry(&r.Retryable, force)
			if verdict.Skipped == "" && !dry {
				at = at.Add(time.Microsecond) // each has a place of its own
				if verdict.New, err = w.repeat(ctx, r, at); err != nil {
					return err
				}
				queues[riverstore.Queue(r.executor)] = true
			}
			found[id] = verdict
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("retry tasks: %w", err)
	}
	s.wake(queues)
	return riverstore.Verdicts(ids, found), nil
}

func (w *session) retryable(ctx context.Context, id task.ID, at time.Time) (*repeated, error) {
	r := &repeated{Retryable: riverstore.Retryable{ID: id}}
	var resolvedBy []byte
	err := w.scanRow(ctx, retryableSQL, []any{id[:]},
		&r.Status, &resolvedBy, &r.name, &r.executor, &r.priority, &r.key, &r.keyID, &r.args, &r.ModuleGone, &r.UniqueTaken)
	if err != nil {
		return nil, err
	}
	r.ResolvedBy = optionalID(resolvedBy)
	r.Sealed = w.vault.CheckArgs(id, r.keyID.String, r.args)
	if !r.key.Valid {
		return r, nil
	}
	var raw []byte
	var blocking bool
	err = w.scanRow(ctx, keyOfSQL, []any{r.name, r.key.String, micros(at)}, &raw, &blocking)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		r.key.Valid = false
	case err != nil:
		return nil, err
	case toID(raw) == id: // it passes to the new task
	default: // it is not taken back
		r.key.Valid = false
		if blocking {
			r.KeyHolder = optionalID(raw)
		}
	}
	return r, nil
}

// repeat stores the new task.
func (w *session) repeat(ctx context.Context, r *repeated, at time.Time) (task.ID, error) {
	next, err := uuid.NewV7()
	if err != nil {
		return task.ID{}, err
	}
	id := task.ID(next)
	keyID, args, err := w.vault.MoveArgs(r.ID, r.keyID.String, r.args, id)
	if err != nil {
		return id, err
	}
	if args == nil {
		args = []byte{} // the column takes no NULL
	}
	t := ticket{0, id, r.executor, r.name, r.priority, at}
	result, err := w.ExecContext(ctx, insertTicketSQL, t.appendTo(nil)...)
	if err != nil {
		return id, err
	}
	number, err := result.LastInsertId()
	if err != nil {
		return id, err
	}
	if _, err := w.ExecContext(ctx, copySQL, r.ID[:], id[:], number, args, nullable(keyID), r.key, micros(at)); err != nil {
		return id, err
	}
	if _, err := w.ExecContext(ctx, copyTagsSQL, id[:]); err != nil {
		return id, err
	}
	if r.key.Valid {
		if _, err := w.ExecContext(ctx, moveKeySQL, r.name, r.key.String, id[:]); err != nil {
			return id, err
		}
	}
	_, err = w.ExecContext(ctx, resolveSQL, r.ID[:], id[:])
	return id, err
}
