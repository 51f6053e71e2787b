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

const keyHolderSQL = `
SELECT t.id, t.status, k.args_digest
FROM idempotency_key k JOIN task t ON t.id = k.task_id
WHERE k.name = ? AND k.key = ? AND (k.expires_at IS NULL OR k.expires_at > ?)`

const putKeySQL = `
INSERT INTO idempotency_key (name, key, task_id, args_digest) VALUES (?, ?, ?, ?)
ON CONFLICT (name, key) DO UPDATE SET task_id = excluded.task_id, args_digest = excluded.args_digest, expires_at = NULL`

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
		_, err := w.ExecContext(ctx, putKeySQL, k.name, k.text, row.ID[:], digest)
		if err != nil {
			return task.ID{}, err
		}
		holder = &held{row.ID, digest}
	}
	keys[k] = holder
	if !row.SameArgs(holder.digest) {
		return task.ID{}, &task.ConflictError{Problem: fmt.Sprintf("the idempotency key %.80q was used for %s with other arguments: use another key for another task", k.text, k.name)}
	}
	return holder.by, nil
}

// keyHolder returns who holds a key, or nil. A task that ended without success
// has let go of its key.
func (w *session) keyHolder(ctx context.Context, k key, at time.Time) (*held, error) {
	var id, digest []byte
	var status task.Status
	err := w.scanRow(ctx, keyHolderSQL, []any{k.name, k.text, micros(at)}, &id, &status, &digest)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // nobody holds it
	}
	if err != nil {
		return nil, err
	}
	if status != task.Pending && status != task.Running && status != task.Success {
		return nil, nil //nolint:nilnil // nobody holds it
	}
	return &held{by: toID(id), digest: digest}, nil
}
