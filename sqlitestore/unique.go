package sqlitestore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

const (
	uniqueHolderSQL = "SELECT id FROM task WHERE unique_key = ? AND status IN ('pending', 'running')"
	// A call's idempotency key, which it has just taken, goes to the task that the call
	// turned out to mean.
	repointKeySQL = "UPDATE idempotency_key SET task_id = ? WHERE name = ? AND key = ?"
)

// claimUnique returns the row's id, or that of the task that holds its unique key,
// and whether that is stored already. keys and uniques are those of this transaction,
// whose tasks are not in the table yet.
func (w *session) claimUnique(ctx context.Context, row *riverstore.Row, keys map[key]*held, uniques map[string]task.ID) (task.ID, bool, error) {
	if row.UniqueKey == "" {
		return row.ID, false, nil
	}
	holder, known := uniques[row.UniqueKey]
	if !known {
		var raw []byte
		switch err := w.scanRow(ctx, uniqueHolderSQL, []any{row.UniqueKey}, &raw); {
		case errors.Is(err, sql.ErrNoRows):
			uniques[row.UniqueKey] = row.ID
			return row.ID, false, nil
		case err != nil:
			return task.ID{}, false, err
		}
		holder = toID(raw)
		uniques[row.UniqueKey] = holder
	}
	if row.IdempotencyKey == "" || holder == row.ID {
		return holder, true, nil
	}
	keys[key{row.Definition.Name, row.IdempotencyKey}].by = holder
	_, err := w.ExecContext(ctx, repointKeySQL, holder[:], row.Definition.Name, row.IdempotencyKey)
	return holder, true, err
}
