package pgstore

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// uniqueHoldersText finds the tasks that hold unique keys. The index on them is what
// keeps a second one out.
const uniqueHoldersText = `
SELECT unique_key, id::text FROM {schema}.task
WHERE unique_key IN (SELECT value FROM json_array_elements_text($1::json)) AND status IN ('pending', 'running')`

const storedText = `
SELECT id::text, id::text FROM {schema}.task WHERE id IN (SELECT value::uuid FROM json_array_elements_text($1::json))`

// repointKeysText gives idempotency keys that a call has just taken to the tasks that
// the call turned out to mean.
const repointKeysText = `
UPDATE {schema}.idempotency_key k SET task_id = r.task_id
FROM json_to_recordset($1::json) AS r (name text, key text, task_id uuid)
WHERE k.name = r.name AND k.key = r.key`

func isUnique(row *riverstore.Row) bool { return row.UniqueKey != "" }

// insertUnique inserts rows of which some are to be unique, and puts the id of the
// earlier task into ids for those that are not stored.
func (s *Store) insertUnique(ctx context.Context, tx transaction, rows []*riverstore.Row, ids []task.ID) error {
	// Whose id stands for another row's, which is not stored.
	instead := make(map[task.ID]task.ID)
	first := make(map[string]task.ID)
	var left, all []*riverstore.Row
	for _, row := range rows {
		if id, twice := first[row.UniqueKey]; twice {
			instead[row.ID] = id
			continue
		}
		if isUnique(row) {
			first[row.UniqueKey] = row.ID
			all = append(all, row)
		}
		left = append(left, row)
	}
	holders, err := s.uniqueHolders(ctx, tx, all)
	for err == nil {
		left = without(left, holders, instead)
		if len(left) == 0 {
			break
		}
		if err = s.insertRows(ctx, tx, left); err != nil {
			break
		}
		// A task that was pending a moment ago may have kept one out, and ended.
		if left, holders, err = s.notStored(ctx, tx, left); len(left) == 0 {
			break
		}
	}
	if err != nil || len(instead) == 0 {
		return err
	}
	for i, id := range ids {
		for other, ok := instead[id]; ok; other, ok = instead[id] {
			id = other
		}
		ids[i] = id
	}
	return s.repointKeys(ctx, tx, rows, instead)
}

// without drops the rows whose unique keys other tasks hold, and notes those.
func without(rows []*riverstore.Row, holders map[string]task.ID, instead map[task.ID]task.ID) []*riverstore.Row {
	kept := rows[:0:0]
	for _, row := range rows {
		if id, held := holders[row.UniqueKey]; held && id != row.ID {
			instead[row.ID] = id
			continue
		}
		kept = append(kept, row)
	}
	return kept
}

// notStored returns the unique rows that another task has kept out, and who holds
// their keys now.
func (s *Store) notStored(ctx context.Context, tx transaction, rows []*riverstore.Row) ([]*riverstore.Row, map[string]task.ID, error) {
	var ids []string
	for _, row := range rows {
		if isUnique(row) {
			ids = append(ids, row.ID.String())
		}
	}
	stored, err := s.byText(ctx, tx, storedText, ids)
	if err != nil {
		return nil, nil, err
	}
	var left []*riverstore.Row
	for _, row := range rows {
		if _, ok := stored[row.ID.String()]; !ok && isUnique(row) {
			left = append(left, row)
		}
	}
	holders, err := s.uniqueHolders(ctx, tx, left)
	return left, holders, err
}

func (s *Store) uniqueHolders(ctx context.Context, tx transaction, rows []*riverstore.Row) (map[string]task.ID, error) {
	keys := make([]string, len(rows))
	for i, row := range rows {
		keys[i] = row.UniqueKey
	}
	return s.byText(ctx, tx, uniqueHoldersText, keys)
}

// byText reads ids by a text, for a query that takes texts.
func (s *Store) byText(ctx context.Context, tx transaction, query string, texts []string) (map[string]task.ID, error) {
	found := make(map[string]task.ID, len(texts))
	if len(texts) == 0 {
		return found, nil
	}
	list, err := json.Marshal(texts)
	if err != nil {
		return nil, err
	}
	err = tx.query(ctx, s.text(query), []any{string(list)}, func(row scanner) error {
		var text, id string
		if err := row.Scan(&text, &id); err != nil {
			return err
		}
		var err error
		found[text], err = task.ParseID(id)
		return err
	})
	return found, err
}

func (s *Store) repointKeys(ctx context.Context, tx transaction, rows []*riverstore.Row, instead map[task.ID]task.ID) error {
	var moved []keyClaim
	for _, row := range rows {
		id, ok := instead[row.ID]
		if !ok || row.IdempotencyKey == "" {
			continue
		}
		if next, ok := instead[id]; ok {
			id = next
		}
		moved = append(moved, keyClaim{Name: row.Definition.Name, Key: row.IdempotencyKey, TaskID: id})
	}
	if len(moved) == 0 {
		return nil
	}
	text, err := json.Marshal(moved)
	if err != nil {
		return err
	}
	return tx.exec(ctx, s.text(repointKeysText), string(text))
}

// retryDeadlock repeats a transaction that the database has broken off in favour of
// another. It bounds how often, since what is refused for ever is to be told.
func retryDeadlock(transaction func() error) error {
	for tries := 1; ; tries++ {
		err := transaction()
		var pgErr *pgconn.PgError
		if tries == 5 || !errors.As(err, &pgErr) || (pgErr.Code != pgerrcode.DeadlockDetected && pgErr.Code != pgerrcode.SerializationFailure) {
			return err
		}
	}
}
