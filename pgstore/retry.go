package pgstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// retryableText reads what a retry depends on. The arguments are wide, so they are
// read only where they may be needed.
const retryableText = `
SELECT t.id, t.name, t.status, t.resolved_by, t.idempotency_key, t.key_id,
    CASE WHEN t.status IN ('failed', 'interrupted', 'cancelled') AND (t.resolved_by IS NULL OR $2) THEN t.args END,
    CASE WHEN t.module IS NULL OR EXISTS (
            SELECT FROM {schema}.module_version v
            WHERE v.module = t.module AND v.version = t.module_version AND v.digest = t.module_digest)
        THEN '' ELSE 'module ' || t.module || ' version ' || t.module_version END,
    t.unique_key IS NOT NULL AND EXISTS (
        SELECT FROM {schema}.task u WHERE u.unique_key = t.unique_key AND u.status IN ('pending', 'running'))
FROM {schema}.task t WHERE t.id = ANY ($1) ORDER BY t.id`

// keysOfText says who has keys. Who does not only look locks them, in one order.
const keysOfText = `
SELECT k.name, k.key, k.task_id, coalesce(k.expires_at > now(), false)
FROM {schema}.idempotency_key k
JOIN unnest($1::text[], $2::text[]) AS r (name, key) USING (name, key)
ORDER BY k.name, k.key`

// moveKeysText gives keys to the tasks that repeat those that had them, with the same
// arguments.
const moveKeysText = `
UPDATE {schema}.idempotency_key k SET task_id = r.task_id
FROM unnest($1::text[], $2::text[], $3::uuid[]) AS r (name, key, task_id)
WHERE k.name = r.name AND k.key = r.key`

// copyText stores a new task for each, with all that the old one had.
const copyText = `
WITH copied AS (
    INSERT INTO {schema}.task (
        id, name, executor, status, priority, ticket,
        module, module_version, module_digest, definition_index,
        args, args_type, key_id, tags, source, idempotency_key, unique_key, traceparent, parent, retried_from,
        created_at, run_at, due_at, expires_at,
        max_attempts, retry_delay, retry_backoff, retry_max_delay, retry_jitter,
        timeout, memory, limits, requeue_on_interrupt)
    SELECT r.id, t.name, t.executor, 'pending', t.priority, r.ticket,
        t.module, t.module_version, t.module_digest, t.definition_index,
        r.args, t.args_type, r.key_id, t.tags, 'retry', r.key, t.unique_key, t.traceparent, t.parent, t.id,
        now(), now(), now(), now() + (t.expires_at - t.run_at),
        t.max_attempts, t.retry_delay, t.retry_backoff, t.retry_max_delay, t.retry_jitter,
        t.timeout, t.memory, t.limits, t.requeue_on_interrupt
    FROM (
        SELECT r.*, nextval('{schema}.river_job_id_seq') AS ticket
        FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::text[], $5::text[]) AS r (old, id, args, key_id, key)
    ) r JOIN {schema}.task t ON t.id = r.old
    RETURNING id, ticket, priority, executor, name, source, due_at, retried_from, tags
), tag AS (
    INSERT INTO {schema}.task_tag (key, value, task_id)
    SELECT t.key, t.value, copied.id FROM copied, jsonb_each_text(copied.tags) t
), resolved AS (
    UPDATE {schema}.task t SET resolved_by = copied.id FROM copied WHERE t.id = copied.retried_from
){event}, event AS (
    INSERT INTO {schema}.event (task_id, status, name, source, attempt)
    SELECT id, 'pending', name, source, 0 FROM copied
){/event}, ticket AS (
    INSERT INTO {schema}.river_job (id, args, kind, queue, priority, scheduled_at)
    SELECT ticket, jsonb_build_object('task_id', id), ` + kindOf + `, executor, 11 - priority, due_at
    FROM copied
    RETURNING queue
)
SELECT pg_notify('{schema}.river_insert', json_build_object('queue', queue)::text)
FROM (SELECT DISTINCT queue FROM ticket) woken`

// repeated is a task that may be retried.
type repeated struct {
	riverstore.Retryable

	name  string
	args  []byte
	keyID *string
	key   *string // its idempotency key, which passes to the new task
	next  task.ID
}

// RetryTasks implements [riverstore.Controller].
func (s *Store) RetryTasks(ctx context.Context, ids []task.ID, force, dry bool) ([]riverstore.Verdict, error) {
	found := make(map[task.ID]riverstore.Verdict, len(ids))
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		all, err := s.retryable(ctx, tx, ids, force, dry)
		if err != nil {
			return err
		}
		if err := s.keysOf(ctx, tx, all, force, dry); err != nil {
			return err
		}
		var chosen []*repeated
		for _, r := range all {
			verdict := riverstore.JudgeRetry(&r.Retryable, force)
			if verdict.Skipped == "" && !dry {
				next, err := uuid.NewV7()
				if err != nil {
					return err
				}
				verdict.New, r.next = task.ID(next), task.ID(next)
				chosen = append(chosen, r)
			}
			found[r.ID] = verdict
		}
		return s.repeat(ctx, tx, chosen)
	})
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && pgErr.Code == pgerrcode.UniqueViolation && pgErr.ConstraintName == "task_unique" {
		return nil, &task.ConflictError{Code: task.CodeUniqueTaken, Problem: "a task that excludes another of its kind was enqueued at this moment: nothing was retried; try again"}
	}
	if err != nil {
		return nil, fmt.Errorf("retry tasks: %w", err)
	}
	return riverstore.Verdicts(ids, found), nil
}

func (s *Store) retryable(ctx context.Context, tx pgx.Tx, ids []task.ID, force, dry bool) ([]*repeated, error) {
	text := retryableText
	if !dry {
		text += " FOR UPDATE OF t"
	}
	rows, err := tx.Query(ctx, s.text(text), s.hot, rawIDs(ids), force)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (*repeated, error) {
		r := new(repeated)
		var status string
		var resolvedBy *[16]byte
		err := row.Scan((*[16]byte)(&r.ID), &r.name, &status, &resolvedBy, &r.key, &r.keyID, &r.args, &r.ModuleGone, &r.UniqueTaken)
		r.Status, r.ResolvedBy = task.Status(status), rawID(resolvedBy)
		if err == nil && r.args != nil { // they are read of what can be retried
			r.Sealed = s.vault.CheckArgs(r.ID, value(r.keyID), r.args)
		}
		return r, err
	})
}

// keysOf finds out who has the idempotency keys of the tasks. One that has passed to
// another task is not taken back.
func (s *Store) keysOf(ctx context.Context, tx pgx.Tx, all []*repeated, force, dry bool) error {
	var names, keys []string
	for _, r := range all {
		if r.key != nil && riverstore.JudgeRetry(&r.Retryable, force).Skipped == "" {
			names, keys = append(names, r.name), append(keys, *r.key)
		}
	}
	if len(names) == 0 {
		return nil
	}
	text := keysOfText
	if !dry {
		text += " FOR UPDATE OF k"
	}
	rows, err := tx.Query(ctx, s.text(text), s.hot, names, keys)
	if err != nil {
		return err
	}
	holders := make(map[keyName]keyHolder)
	var ids []task.ID
	var name keyName
	var holder keyHolder
	_, err = pgx.ForEachRow(rows, []any{&name.name, &name.key, (*[16]byte)(&holder.id), &holder.outlives}, func() error {
		holders[name] = holder
		ids = append(ids, holder.id)
		return nil
	})
	if err != nil {
		return err
	}
	keeps, err := s.keepers(ctx, pgxTx{tx}, ids)
	if err != nil {
		return err
	}
	for _, r := range all {
		if r.key == nil {
			continue
		}
		holder, held := holders[keyName{r.name, *r.key}]
		kept, stored := keeps[holder.id]
		switch {
		case held && holder.id == r.ID: // it passes to the new task
		case held && (kept || !stored && holder.outlives):
			r.KeyHolder, r.key = &holder.id, nil
		default:
			r.key = nil
		}
	}
	return nil
}

// repeat stores the new tasks.
func (s *Store) repeat(ctx context.Context, tx pgx.Tx, chosen []*repeated) error {
	n := len(chosen)
	if n == 0 {
		return nil
	}
	olds, news, args, keyIDs, keys := make([][16]byte, n), make([][16]byte, n), make([][]byte, n), make([]*string, n), make([]*string, n)
	var names, moved []string
	var movedTo [][16]byte
	for i, r := range chosen {
		keyID, stored, err := s.vault.MoveArgs(r.ID, value(r.keyID), r.args, r.next)
		if err != nil {
			return err
		}
		olds[i], news[i], args[i], keyIDs[i], keys[i] = r.ID, r.next, stored, nullable(keyID), r.key
		if r.key != nil {
			names, moved, movedTo = append(names, r.name), append(moved, *r.key), append(movedTo, r.next)
		}
	}
	if len(moved) > 0 {
		if _, err := tx.Exec(ctx, s.text(moveKeysText), s.hot, names, moved, movedTo); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, s.text(copyText), s.hot, olds, news, args, keyIDs, keys)
	return err
}
