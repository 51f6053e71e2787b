package sqlitestore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

const insertTaskSQL = `
INSERT INTO task (
    id, name, executor, status, priority,
    module, module_version, module_digest, definition_index,
    args, args_type, tags, source, idempotency_key,
    created_at, run_at, due_at,
    max_attempts, retry_delay, retry_backoff, retry_max_delay,
    timeout, memory, requeue_on_interrupt
) VALUES (
    ?, ?, ?, 'pending', ?,
    ?, ?, ?, ?,
    ?, ?, ?, ?, ?,
    ?, ?, ?,
    ?, ?, ?, ?,
    ?, ?, ?
)`

// The ticket carries the task's id and nothing else. It is a row as River's own
// insert makes it, in the state in which a producer fetches it; one that is due
// later is passed over until then.
const insertTicketSQL = `
INSERT INTO river_job (args, kind, queue, priority, state, scheduled_at)
VALUES (jsonb(?), ?, ?, ?, 'available', ?)`

// Insert implements [riverstore.Database].
func (s *Store) Insert(ctx context.Context, rows []*riverstore.Row) ([]task.ID, error) {
	ids := make([]task.ID, len(rows))
	queues := make(map[string]bool)
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		at := now()
		for i, row := range rows {
			id, fresh, err := s.insert(ctx, tx, row, at)
			if err != nil {
				return err
			}
			ids[i] = id
			if fresh {
				queues[riverstore.Queue(row.Definition.Executor)] = true
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("insert tasks: %w", err)
	}
	for queue := range queues {
		s.bus.Wake(queue)
	}
	return ids, nil
}

// insert stores one task, or finds the earlier one that has its key.
func (s *Store) insert(ctx context.Context, tx *sql.Tx, row *riverstore.Row, at time.Time) (id task.ID, fresh bool, err error) {
	if row.IdempotencyKey != "" {
		earlier, err := claimKey(ctx, tx, row, at)
		if err != nil || !earlier.IsZero() {
			return earlier, false, err
		}
	}
	tags, err := json.Marshal(row.Tags)
	if err != nil {
		return id, false, err
	}
	due := at.Add(row.Delay)
	if row.RunAt.After(at) {
		due = row.RunAt
	}
	def, options := row.Definition, row.Definition.Options
	var module, digest, version any
	if def.Module != nil {
		module, version, digest = def.Module.Name, def.Module.Version, def.Module.Digest
	}
	args := row.Args
	if args == nil {
		args = []byte{}
	}
	_, err = tx.StmtContext(ctx, s.stmts.insertTask).ExecContext(ctx,
		row.ID[:], def.Name, def.Executor, row.Priority,
		module, version, digest, def.Index,
		args, row.ArgsType, string(tags), row.Source, nullable(row.IdempotencyKey),
		micros(at), micros(due), micros(due),
		options.Retries+1, options.Delay.Microseconds(), options.Backoff, options.MaxDelay.Microseconds(),
		row.Timeout.Microseconds(), options.Memory, options.RequeueOnInterrupt,
	)
	if err != nil {
		return id, false, err
	}
	return row.ID, true, s.insertTicket(ctx, tx, row.ID, def.Executor, def.Name, row.Priority, due, at)
}

func (s *Store) insertTicket(ctx context.Context, tx *sql.Tx, id task.ID, executor task.Executor, name string, priority int, due, at time.Time) error {
	_, err := tx.StmtContext(ctx, s.stmts.insertTicket).ExecContext(ctx,
		`{"task_id":"`+id.String()+`"}`,
		riverstore.Kind(executor, name), riverstore.Queue(executor), riverstore.RiverPriority(priority),
		ticketTime(due, at))
	return err
}

// argsDigest is the same for arguments that differ in white space only.
func argsDigest(row *riverstore.Row) [sha256.Size]byte {
	var compact bytes.Buffer
	if row.ArgsType == "application/json" && json.Compact(&compact, row.Args) == nil {
		return sha256.Sum256(compact.Bytes())
	}
	return sha256.Sum256(row.Args)
}

// claimKey gives the row's idempotency key to it, or returns the task that
// holds it. A task that ended without success has let go of its key.
func claimKey(ctx context.Context, tx *sql.Tx, row *riverstore.Row, at time.Time) (holder task.ID, err error) {
	digest := argsDigest(row)
	var id, heldDigest []byte
	var status task.Status
	err = tx.QueryRowContext(ctx, `
		SELECT t.id, t.status, k.args_digest
		FROM idempotency_key k JOIN task t ON t.id = k.task_id
		WHERE k.name = ? AND k.key = ? AND (k.expires_at IS NULL OR k.expires_at > ?)`,
		row.Definition.Name, row.IdempotencyKey, micros(at)).Scan(&id, &status, &heldDigest)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return task.ID{}, err
	}
	if err == nil && (status == task.Pending || status == task.Running || status == task.Success) {
		if string(heldDigest) != string(digest[:]) {
			return task.ID{}, &task.ConflictError{Problem: fmt.Sprintf("the idempotency key %.80q was used for %s with other arguments: use another key for another task", row.IdempotencyKey, row.Definition.Name)}
		}
		return toID(id), nil
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO idempotency_key (name, key, task_id, args_digest) VALUES (?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET task_id = excluded.task_id, args_digest = excluded.args_digest, expires_at = NULL`,
		row.Definition.Name, row.IdempotencyKey, row.ID[:], digest[:])
	return task.ID{}, err
}
