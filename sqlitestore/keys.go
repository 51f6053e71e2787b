package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// keyHolderSQL says who has a key: a task that is to succeed, or has, or one that is
// there no more and whose key outlives it.
const keyHolderSQL = `
SELECT k.task_id, k.args_digest
FROM idempotency_key k LEFT JOIN task t ON t.id = k.task_id
WHERE k.name = ?1 AND k.key = ?2
    AND (t.status IN ('pending', 'running', 'success') OR t.id IS NULL AND k.expires_at > ?3)`

const putKeySQL = `
INSERT INTO idempotency_key (name, key, task_id, args_digest, expires_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (name, key) DO UPDATE SET task_id = excluded.task_id, args_digest = excluded.args_digest, expires_at = excluded.expires_at`

// key is an idempotency key: each definition has its own.
type key struct{ name, text string }

// held says who has a key, and for which arguments.
type held struct {
	by     task.ID
	digest []byte
}

// claimKey gives the row's idempotency key to it, and returns its id, or that of
// the task that holds the key. keys are those of this transaction, whose tasks
// are not in the table yet.
func (w *session) claimKey(ctx context.Context, row *riverstore.Row, at time.Time, keys map[key]*held) (task.ID, error) {
	if row.IdempotencyKey == "" {
		return row.ID, nil
	}
	k, digest := key{row.Definition.Name, row.IdempotencyKey}, row.ArgsDigest()
	holder := keys[k]
	if holder == nil {
		var err error
		if holder, err = w.keyHolder(ctx, k, at); err != nil {
			return task.ID{}, err
		}
	}
	if holder == nil {
		var expires any
		if row.IdempotencyTTL > 0 {
			expires = micros(at.Add(row.IdempotencyTTL))
		}
		_, err := w.ExecContext(ctx, putKeySQL, k.name, k.text, row.ID[:], digest, expires)
		if err != nil {
			return task.ID{}, err
		}
		holder = &held{row.ID, digest}
	}
	keys[k] = holder
	if !row.SameArgs(holder.digest) {
		return task.ID{}, &task.KeyConflictError{Name: k.name, Key: k.text}
	}
	return holder.by, nil
}

// keyHolder returns who holds a key, or nil. A task that ended without success
// has let go of its key.
func (w *session) keyHolder(ctx context.Context, k key, at time.Time) (*held, error) {
	var id, digest []byte
	err := w.scanRow(ctx, keyHolderSQL, []any{k.name, k.text, micros(at)}, &id, &digest)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // nobody holds it
	}
	if err != nil {
		return nil, err
	}
	return &held{by: toID(id), digest: digest}, nil
}
