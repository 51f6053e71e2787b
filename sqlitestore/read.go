package sqlitestore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// taskColumns are those of a task.Task, in the order of scanTask.
const taskColumns = `id, name, status, executor, module, module_version, module_digest,
    priority, tags, source, created_at, run_at, due_at, started_at, ended_at,
    queue_wait, run_time, attempt, max_attempts, timeout, requeue_on_interrupt, crashes,
    error, cause, trace, result_type, coalesce(length(result), 0), length(args),
    node, idempotency_key, retried_from, resolved_by, key_id, result_key_id, sealed_failure, cancel_requested_at,
    expires_at, parent`

type scanner interface{ Scan(dest ...any) error }

// scanTask reads taskColumns, and what stands behind them into more. It opens what is
// sealed of them.
func scanTask(vault *riverstore.Vault, row scanner, t *task.Task, more ...any) error {
	var (
		id, retriedFrom, resolvedBy, parent                                     []byte
		module, digest, errText, cause, trace, resultType, node, idempotencyKey sql.NullString
		version, startedAt, endedAt, cancelledAt, expiresAt                     sql.NullInt64
		argsKey, resultKey                                                      sql.NullString
		sealed                                                                  riverstore.SealedColumns
		tags                                                                    string
		createdAt, runAt, dueAt, timeout, waited, ran                           int64
	)
	err := row.Scan(append([]any{
		&id, &t.Name, &t.Status, &t.Executor, &module, &version, &digest,
		&t.Priority, &tags, &t.Source, &createdAt, &runAt, &dueAt, &startedAt, &endedAt,
		&waited, &ran, &t.Attempt, &t.MaxAttempts, &timeout, &t.RequeueOnInterrupt, &t.Crashes,
		&errText, &cause, &trace, &resultType, &t.ResultBytes, &t.ArgsBytes,
		&node, &idempotencyKey, &retriedFrom, &resolvedBy, &argsKey, &resultKey, &sealed.Failure, &cancelledAt,
		&expiresAt, &parent,
	}, more...)...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(tags), &t.Tags); err != nil {
		return fmt.Errorf("read the tags of a task: %w", err)
	}
	t.ID = toID(id)
	if module.Valid {
		t.Module = &task.ModuleRef{Name: module.String, Version: int(version.Int64), Digest: digest.String}
	}
	t.CreatedAt, t.RunAt = fromMicros(createdAt), fromMicros(runAt)
	if t.Status == task.Pending {
		next := fromMicros(dueAt)
		t.NextAttemptAt = &next
	}
	t.StartedAt, t.EndedAt = fromNullMicros(startedAt), fromNullMicros(endedAt)
	t.Timeout = time.Duration(timeout) * time.Microsecond
	t.QueueWait, t.RunTime = time.Duration(waited)*time.Microsecond, time.Duration(ran)*time.Microsecond
	t.Error, t.Cause, t.Trace = errText.String, task.Cause(cause.String), trace.String
	t.ResultType, t.Node, t.IdempotencyKey = resultType.String, node.String, idempotencyKey.String
	t.CancelRequestedAt = fromNullMicros(cancelledAt)
	t.ExpiresAt = fromNullMicros(expiresAt)
	t.RetriedFrom, t.ResolvedBy, t.Parent = optionalID(retriedFrom), optionalID(resolvedBy), optionalID(parent)
	sealed.ArgsKey, sealed.ResultKey = argsKey.String, resultKey.String
	vault.OpenTask(t, sealed)
	return nil
}

func optionalID(raw []byte) *task.ID {
	if raw == nil {
		return nil
	}
	id := toID(raw)
	return &id
}

// Ping reports whether the file can be read.
func (s *Store) Ping(ctx context.Context) error {
	var version int
	if err := s.read.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		if s.ending.Err() != nil {
			return fmt.Errorf("%w: %w", task.ErrStopped, err)
		}
		return fmt.Errorf("%w: %w", task.ErrUnavailable, err)
	}
	return nil
}

// Task returns a task, or task.ErrNotFound.
func (s *Store) Task(ctx context.Context, id task.ID) (*task.Task, error) {
	t := new(task.Task)
	err := scanTask(s.vault, s.read.QueryRowContext(ctx, "SELECT "+taskColumns+" FROM task WHERE id = ?", id[:]), t)
	if err != nil {
		return nil, notFound(err, "task", id)
	}
	if at := now(); t.NextAttemptAt != nil && !t.NextAttemptAt.After(at) {
		nodes, err := s.nodes(ctx)
		if err != nil {
			return nil, err
		}
		t.WaitingReason = riverstore.Stalled(t, nodes, at)
	}
	return t, nil
}

// Await returns when a task has ended, or when ctx ends. It returns
// task.ErrNotFound where there is no such task, and task.ErrStopped where the
// store is closed meanwhile.
func (s *Store) Await(ctx context.Context, id task.ID) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	//nolint:contextcheck // the end of the store is for every caller, whatever its own context
	defer context.AfterFunc(s.ending, func() { cancel(task.ErrStopped) })()
	for {
		var status task.Status
		if err := s.read.QueryRowContext(ctx, "SELECT status FROM task WHERE id = ?", id[:]).Scan(&status); err != nil {
			return notFound(err, "task", id)
		}
		if status.Terminal() {
			return nil
		}
		// An attempt that has lost its task tells of an end too.
		if err := s.waiters.Await(ctx, id); err != nil {
			return err
		}
	}
}

// Result returns what a task returned, with its content type. It returns
// task.ErrNotFinished while the task has not ended, the task's *task.Failure
// where it ended without success, and task.ErrNotFound.
func (s *Store) Result(ctx context.Context, id task.ID) (result []byte, contentType string, err error) {
	var status task.Status
	var kind, resultKey, message, cause, trace sql.NullString
	var failure []byte
	err = s.read.QueryRowContext(ctx, "SELECT status, result, result_type, result_key_id, error, cause, trace, sealed_failure FROM task WHERE id = ?", id[:]).
		Scan(&status, &result, &kind, &resultKey, &message, &cause, &trace, &failure)
	switch {
	case err != nil:
		return nil, "", notFound(err, "task", id)
	case !status.Terminal():
		return nil, "", fmt.Errorf("task %s is %s: %w", id, status, task.ErrNotFinished)
	case status != task.Success:
		return nil, "", s.vault.Failed(id, &task.Failure{Cause: task.Cause(cause.String), Message: message.String, Trace: trace.String}, failure)
	}
	result, err = s.vault.OpenResult(id, resultKey.String, result)
	return result, kind.String, err
}

// Logs returns up to limit lines of a task after the line with that Seq, 0 for
// the first. It returns task.ErrNotFound where there is no such task.
func (s *Store) Logs(ctx context.Context, id task.ID, after int64, limit int) ([]task.LogEntry, error) {
	var one int
	if err := s.read.QueryRowContext(ctx, "SELECT 1 FROM task WHERE id = ?", id[:]).Scan(&one); err != nil {
		return nil, notFound(err, "task", id)
	}
	rows, err := s.read.QueryContext(ctx, `
		SELECT seq, attempt, at, level, message, fields, sealed FROM task_log
		WHERE task_id = ? AND seq > ? ORDER BY seq LIMIT ?`, id[:], after, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	entries := []task.LogEntry{}
	for rows.Next() {
		var entry task.LogEntry
		var at int64
		var fields sql.NullString
		var sealed []byte
		if err := rows.Scan(&entry.Seq, &entry.Attempt, &at, &entry.Level, &entry.Message, &fields, &sealed); err != nil {
			return nil, err
		}
		entry.Time = fromMicros(at)
		if fields.Valid {
			entry.Fields = json.RawMessage(fields.String)
		}
		if err := s.vault.OpenLine(&entry, id, sealed); err != nil {
			return nil, err
		}
		entries = append(entries, entry)
	}
	return entries, rows.Err()
}

// notFound names what was looked for.
func notFound(err error, what string, which any) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%s %v: %w", what, which, task.ErrNotFound)
	}
	return fmt.Errorf("read %s %v: %w", what, which, err)
}
