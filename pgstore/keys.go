package pgstore

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// takeKeysText takes keys, or locks those that are taken, and says who holds each.
// Their order keeps two transactions from waiting for each other.
const takeKeysText = `
INSERT INTO {schema}.idempotency_key AS k (name, key, task_id, args_digest)
SELECT name, key, task_id, decode(digest, 'hex')
FROM json_to_recordset($1::json) AS r (name text, key text, task_id uuid, digest text)
ORDER BY name, key
ON CONFLICT (name, key) DO UPDATE SET name = excluded.name
RETURNING k.name, k.key, k.task_id::text, k.args_digest, coalesce(k.expires_at <= now(), false)`

// blockingText finds the tasks that keep their keys. It is a statement of its own,
// so that it sees what was committed while the first waited for a lock.
const blockingText = `
SELECT id::text FROM {schema}.task
WHERE id IN (SELECT value::uuid FROM json_array_elements_text($1::json))
    AND status IN ('pending', 'running', 'success')`

// passKeysText gives keys to other tasks.
const passKeysText = `
UPDATE {schema}.idempotency_key k SET task_id = r.task_id, args_digest = decode(r.digest, 'hex'), expires_at = NULL
FROM json_to_recordset($1::json) AS r (name text, key text, task_id uuid, digest text)
WHERE k.name = r.name AND k.key = r.key`

// keyName names an idempotency key.
type keyName struct{ name, key string }

// keyClaim is a row's claim on its key.
type keyClaim struct {
	Name   string  `json:"name"`
	Key    string  `json:"key"`
	TaskID task.ID `json:"task_id"`
	Digest string  `json:"digest"`

	digest []byte
}

// keyHolder is the task that has a key.
type keyHolder struct {
	id      task.ID
	digest  []byte
	expired bool
}

// claimKeys gives rows their idempotency keys. It returns the id of each row, which
// is that of the earlier task where that holds the key, and the rows that are to be
// inserted.
func (s *Store) claimKeys(ctx context.Context, tx transaction, rows []*riverstore.Row) ([]task.ID, []*riverstore.Row, error) {
	ids := make([]task.ID, len(rows))
	claims := make(map[keyName]keyClaim)
	for i, row := range rows {
		ids[i] = row.ID
		if row.IdempotencyKey == "" {
			continue
		}
		name, digest := keyName{row.Definition.Name, row.IdempotencyKey}, row.ArgsDigest()
		if _, twice := claims[name]; !twice {
			claims[name] = keyClaim{name.name, name.key, row.ID, hex.EncodeToString(digest), digest}
		}
	}
	if len(claims) == 0 {
		return ids, rows, nil
	}
	holders, err := s.keyHolders(ctx, tx, claims)
	if err != nil {
		return nil, nil, err
	}
	fresh := make([]*riverstore.Row, 0, len(rows))
	for i, row := range rows {
		holder, keyed := holders[keyName{row.Definition.Name, row.IdempotencyKey}]
		if keyed && !row.SameArgs(holder.digest) {
			return nil, nil, &task.ConflictError{Problem: fmt.Sprintf("the idempotency key %.80q was used for %s with other arguments: use another key for another task", row.IdempotencyKey, row.Definition.Name)}
		}
		if keyed {
			ids[i] = holder.id
		}
		if !keyed || holder.id == row.ID {
			fresh = append(fresh, row)
		}
	}
	return ids, fresh, nil
}

// keyHolders takes the keys that are free, and says who holds each then.
func (s *Store) keyHolders(ctx context.Context, tx transaction, claims map[keyName]keyClaim) (map[keyName]keyHolder, error) {
	holders, err := s.takeKeys(ctx, tx, claims)
	if err != nil {
		return nil, err
	}
	var earlier []task.ID
	for name, holder := range holders {
		if holder.id != claims[name].TaskID {
			earlier = append(earlier, holder.id)
		}
	}
	if len(earlier) == 0 {
		return holders, nil
	}
	blocking, err := s.blocking(ctx, tx, earlier)
	if err != nil {
		return nil, err
	}
	var passed []keyClaim
	for name, holder := range holders {
		claim := claims[name]
		if holder.id != claim.TaskID && (holder.expired || !blocking[holder.id]) {
			passed = append(passed, claim)
			holders[name] = keyHolder{id: claim.TaskID, digest: claim.digest}
		}
	}
	if len(passed) == 0 {
		return holders, nil
	}
	text, err := json.Marshal(passed)
	if err != nil {
		return nil, err
	}
	return holders, tx.exec(ctx, s.text(passKeysText), string(text))
}

func (s *Store) takeKeys(ctx context.Context, tx transaction, claims map[keyName]keyClaim) (map[keyName]keyHolder, error) {
	list := make([]keyClaim, 0, len(claims))
	for _, claim := range claims {
		list = append(list, claim)
	}
	text, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	holders := make(map[keyName]keyHolder, len(claims))
	err = tx.query(ctx, s.text(takeKeysText), []any{string(text)}, func(row scanner) error {
		var name keyName
		var holder keyHolder
		var id string
		if err := row.Scan(&name.name, &name.key, &id, &holder.digest, &holder.expired); err != nil {
			return err
		}
		var err error
		holder.id, err = task.ParseID(id)
		holders[name] = holder
		return err
	})
	return holders, err
}

// blocking returns those of ids whose tasks keep their keys.
func (s *Store) blocking(ctx context.Context, tx transaction, ids []task.ID) (map[task.ID]bool, error) {
	text, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	blocking := make(map[task.ID]bool)
	err = tx.query(ctx, s.text(blockingText), []any{string(text)}, func(row scanner) error {
		var text string
		if err := row.Scan(&text); err != nil {
			return err
		}
		id, err := task.ParseID(text)
		blocking[id] = true
		return err
	})
	return blocking, err
}
