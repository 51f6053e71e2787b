package pgstore

import (
	"context"
	"encoding/hex"
	"encoding/json"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// takeKeysText takes keys, or locks those that are taken, and says who holds each.
// Their order keeps two transactions from waiting for each other.
const takeKeysText = `
INSERT INTO {schema}.idempotency_key AS k (name, key, task_id, args_digest, expires_at)
SELECT name, key, task_id, decode(digest, 'hex'), now() + ttl * interval '1 microsecond'
FROM json_to_recordset($1::json) AS r (name text, key text, task_id uuid, digest text, ttl bigint)
ORDER BY name, key
ON CONFLICT (name, key) DO UPDATE SET name = excluded.name
RETURNING k.name, k.key, k.task_id::text, k.args_digest, coalesce(k.expires_at > now(), false)`

// holdersText says of tasks that have a key whether they keep it: those that are to
// succeed, or have. It is a statement of its own, so that it sees what was committed
// while the first waited for a lock.
const holdersText = `
SELECT id::text, status IN ('pending', 'running', 'success') FROM {schema}.task
WHERE id IN (SELECT value::uuid FROM json_array_elements_text($1::json))`

// passKeysText gives keys to other tasks.
const passKeysText = `
UPDATE {schema}.idempotency_key k
SET task_id = r.task_id, args_digest = decode(r.digest, 'hex'), expires_at = now() + r.ttl * interval '1 microsecond'
FROM json_to_recordset($1::json) AS r (name text, key text, task_id uuid, digest text, ttl bigint)
WHERE k.name = r.name AND k.key = r.key`

// keyName names an idempotency key.
type keyName struct{ name, key string }

// keyClaim is a row's claim on its key.
type keyClaim struct {
	Name   string  `json:"name"`
	Key    string  `json:"key"`
	TaskID task.ID `json:"task_id"`
	Digest string  `json:"digest"`
	TTL    *int64  `json:"ttl"` // in microseconds, nil for as long as the task is there

	digest []byte
}

// keyHolder is the task that has a key.
type keyHolder struct {
	id     task.ID
	digest []byte
	// outlives says that the key holds when its task is gone.
	outlives bool
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
			claim := keyClaim{Name: name.name, Key: name.key, TaskID: row.ID, Digest: hex.EncodeToString(digest), digest: digest}
			if row.IdempotencyTTL > 0 {
				claim.TTL = new(row.IdempotencyTTL.Microseconds())
			}
			claims[name] = claim
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
			return nil, nil, &task.KeyConflictError{Name: row.Definition.Name, Key: row.IdempotencyKey}
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
	keeps, err := s.keepers(ctx, tx, earlier)
	if err != nil {
		return nil, err
	}
	var passed []keyClaim
	for name, holder := range holders {
		claim := claims[name]
		kept, stored := keeps[holder.id]
		if holder.id != claim.TaskID && !kept && (stored || !holder.outlives) {
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
		if err := row.Scan(&name.name, &name.key, &id, &holder.digest, &holder.outlives); err != nil {
			return err
		}
		var err error
		holder.id, err = task.ParseID(id)
		holders[name] = holder
		return err
	})
	return holders, err
}

// keepers says of those of the tasks that are there whether they keep their keys.
func (s *Store) keepers(ctx context.Context, tx transaction, ids []task.ID) (map[task.ID]bool, error) {
	text, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	keeps := make(map[task.ID]bool)
	err = tx.query(ctx, s.text(holdersText), []any{string(text)}, func(row scanner) error {
		var text string
		var kept bool
		if err := row.Scan(&text, &kept); err != nil {
			return err
		}
		id, err := task.ParseID(text)
		keeps[id] = kept
		return err
	})
	return keeps, err
}
