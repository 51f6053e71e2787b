package pgstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// taskColumns are those of a task.Task, of a table named t, in the order of
// scanTask.
const taskColumns = `t.id, t.name, t.status, t.executor, t.module, t.module_version, t.module_digest,
    t.priority, t.tags, t.source, t.created_at, t.run_at, t.due_at, t.started_at, t.ended_at,
    t.queue_wait, t.run_time, t.attempt, t.max_attempts, t.timeout, t.requeue_on_interrupt, t.crashes,
    t.error, t.cause, t.trace, t.result_type, coalesce(length(t.result), 0) AS result_bytes, length(t.args) AS args_bytes,
    t.node, t.idempotency_key, t.retried_from, t.resolved_by, t.key_id, t.result_key_id, t.sealed_failure, t.cancel_requested_at,
    t.expires_at, t.parent`

// scanTask reads taskColumns, and what stands behind them into more. It opens what is
// sealed of them.
func (s *Store) scanTask(row pgx.CollectableRow, t *task.Task, more ...any) error {
	var (
		id                      [16]byte
		retriedFrom, resolvedBy *[16]byte
		parent                  *[16]byte
		module, digest          *string
		version                 *int
		status, executor        string
		source                  string
		tags                    []byte
		dueAt                   time.Time
		timeout, waited, ran    int64

		errText, cause, trace, resultType, node, key *string

		argsKey, resultKey *string
		sealed             riverstore.SealedColumns
	)
	err := row.Scan(append([]any{
		&id, &t.Name, &status, &executor, &module, &version, &digest,
		&t.Priority, &tags, &source, &t.CreatedAt, &t.RunAt, &dueAt, &t.StartedAt, &t.EndedAt,
		&waited, &ran, &t.Attempt, &t.MaxAttempts, &timeout, &t.RequeueOnInterrupt, &t.Crashes,
		&errText, &cause, &trace, &resultType, &t.ResultBytes, &t.ArgsBytes,
		&node, &key, &retriedFrom, &resolvedBy, &argsKey, &resultKey, &sealed.Failure, &t.CancelRequestedAt,
		&t.ExpiresAt, &parent,
	}, more...)...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(tags, &t.Tags); err != nil {
		return fmt.Errorf("read the tags of a task: %w", err)
	}
	t.ID, t.Status, t.Executor, t.Source = id, task.Status(status), task.Executor(executor), task.Source(source)
	if module != nil {
		t.Module = &task.ModuleRef{Name: *module, Version: value(version), Digest: value(digest)}
	}
	t.CreatedAt, t.RunAt, dueAt = t.CreatedAt.UTC(), t.RunAt.UTC(), dueAt.UTC()
	t.StartedAt, t.EndedAt = inUTC(t.StartedAt), inUTC(t.EndedAt)
	if t.Status == task.Pending {
		t.NextAttemptAt = &dueAt
	}
	t.Timeout = time.Duration(timeout) * time.Microsecond
	t.QueueWait, t.RunTime = time.Duration(waited)*time.Microsecond, time.Duration(ran)*time.Microsecond
	t.Error, t.Cause, t.Trace = value(errText), task.Cause(value(cause)), value(trace)
	t.ResultType, t.Node, t.IdempotencyKey = value(resultType), value(node), value(key)
	t.CancelRequestedAt = inUTC(t.CancelRequestedAt)
	t.ExpiresAt = inUTC(t.ExpiresAt)
	t.RetriedFrom, t.ResolvedBy, t.Parent = rawID(retriedFrom), rawID(resolvedBy), rawID(parent)
	sealed.ArgsKey, sealed.ResultKey = value(argsKey), value(resultKey)
	s.vault.OpenTask(t, sealed)
	return nil
}

// value is what a pointer points at, or nothing.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	return withCause(s.pool.Ping(ctx))
}

// Task returns a task, or task.ErrNotFound.
func (s *Store) Task(ctx context.Context, id task.ID) (*task.Task, error) {
	rows, err := s.pool.Query(ctx, s.text("SELECT "+taskColumns+", now() FROM {schema}.task t WHERE id = $1"), [16]byte(id))
	if err != nil {
		return nil, notFound(err, "task", id)
	}
	var now time.Time
	t, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (*task.Task, error) {
		t := new(task.Task)
		return t, s.scanTask(row, t, &now)
	})
	if err != nil {
		return nil, notFound(err, "task", id)
	}
	if t.Status == task.Pending && t.NextAttemptAt.Before(now) {
		nodes, err := s.Nodes(ctx)
		if err != nil {
			return nil, err
		}
		t.WaitingReason = riverstore.Stalled(t, nodes, now)
	}
	return t, nil
}

// Await returns when a task has ended. It returns task.ErrNotFound where there is
// no such task.
func (s *Store) Await(ctx context.Context, id task.ID) error {
	if err := s.exists(ctx, id); err != nil {
		return err
	}
	return s.waiters.Await(ctx, id)
}

// Ended implements [riverstore.Ender].
func (s *Store) Ended(ctx context.Context, ids []task.ID) ([]task.ID, error) {
	rows, err := s.pool.Query(ctx, s.text("SELECT id FROM {schema}.task WHERE id = ANY ($1) AND status IN ('pending', 'running')"), s.hot, rawIDs(ids))
	if err != nil {
		return nil, withCause(err)
	}
	open, err := pgx.CollectRows(rows, pgx.RowTo[[16]byte])
	if err != nil {
		return nil, withCause(err)
	}
	waiting := make(map[task.ID]bool, len(open))
	for _, id := range open {
		waiting[id] = true
	}
	var ended []task.ID
	for _, id := range ids {
		if !waiting[id] {
			ended = append(ended, id)
		}
	}
	return ended, nil
}

func (s *Store) exists(ctx context.Context, id task.ID) error {
	var one int
	if err := s.pool.QueryRow(ctx, s.text("SELECT 1 FROM {schema}.task WHERE id = $1"), [16]byte(id)).Scan(&one); err != nil {
		return notFound(err, "task", id)
	}
	return nil
}

// Result returns what a task returned, with its content type. It returns
// task.ErrNotFinished while the task has not ended, the task's *task.Failure
// where it ended without success, and task.ErrNotFound.
func (s *Store) Result(ctx context.Context, id task.ID) (result []byte, contentType string, err error) {
	var status string
	var kind, resultKey, message, cause, trace *string
	var failure []byte
	err = s.pool.QueryRow(ctx, s.text("SELECT status, result, result_type, result_key_id, error, cause, trace, sealed_failure FROM {schema}.task WHERE id = $1"), [16]byte(id)).
		Scan(&status, &result, &kind, &resultKey, &message, &cause, &trace, &failure)
	switch {
	case err != nil:
		return nil, "", notFound(err, "task", id)
	case !task.Status(status).Terminal():
		return nil, "", fmt.Errorf("task %s is %s: %w", id, status, task.ErrNotFinished)
	case task.Status(status) != task.Success:
		return nil, "", s.vault.Failed(id, &task.Failure{Cause: task.Cause(value(cause)), Message: value(message), Trace: value(trace)}, failure)
	}
	result, err = s.vault.OpenResult(id, value(resultKey), result)
	return result, value(kind), err
}

// Logs returns up to limit lines of a task after the line with that Seq, 0 for
// the first. It returns task.ErrNotFound where there is no such task.
func (s *Store) Logs(ctx context.Context, id task.ID, after int64, limit int) ([]task.LogEntry, error) {
	if err := s.exists(ctx, id); err != nil {
		return nil, err
	}
	rows, err := s.pool.Query(ctx, s.text(`
		SELECT seq, attempt, at, level, message, fields, sealed FROM {schema}.task_log
		WHERE task_id = $1 AND seq > $2 ORDER BY seq LIMIT $3`), [16]byte(id), after, limit)
	if err != nil {
		return nil, failed(err, "read logs")
	}
	entries, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (entry task.LogEntry, err error) {
		var level string
		var fields *string
		var sealed []byte
		if err = row.Scan(&entry.Seq, &entry.Attempt, &entry.Time, &level, &entry.Message, &fields, &sealed); err != nil {
			return entry, err
		}
		entry.Time, entry.Level = entry.Time.UTC(), task.Level(level)
		if fields != nil {
			entry.Fields = json.RawMessage(*fields)
		}
		return entry, s.vault.OpenLine(&entry, id, sealed)
	})
	return entries, failed(err, "read logs")
}
