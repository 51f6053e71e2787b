package pgstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

var _ riverstore.Keeper = (*Store)(nil)

// endedText finds tasks that have ended. A retry locks the task that it repeats: that
// one is not waited for.
const endedText = `
SELECT id, idempotency_key IS NOT NULL, ended_at FROM {schema}.task
WHERE status = $1 AND ended_at >= $2 AND ended_at < $3 AND ($4 = '' OR name = $4)
ORDER BY ended_at
LIMIT $5
FOR UPDATE SKIP LOCKED`

// The keys that tasks have. An enqueue with a key locks it and then looks at the task
// that has it: neither is to wait for the other.
const (
	keysText = `
SELECT k.task_id FROM {schema}.task t
JOIN {schema}.idempotency_key k ON k.name = t.name AND k.key = t.idempotency_key AND k.task_id = t.id
WHERE t.id = ANY ($1)`
	lockKeysText = keysText + " ORDER BY k.name, k.key FOR UPDATE OF k SKIP LOCKED"
)

// Of the keys, those whose own time is not up outlive their tasks.
const (
	dropKeysText = `
DELETE FROM {schema}.idempotency_key k USING {schema}.task t
WHERE t.id = ANY ($1) AND k.name = t.name AND k.key = t.idempotency_key AND k.task_id = t.id
    AND (k.expires_at IS NULL OR k.expires_at <= now())`
	leaveKeysText = `
UPDATE {schema}.idempotency_key k SET task_gone = true FROM {schema}.task t
WHERE t.id = ANY ($1) AND k.name = t.name AND k.key = t.idempotency_key AND k.task_id = t.id`
)

// withTaskTexts delete what goes with tasks, and the tasks last.
var withTaskTexts = []string{
	// Tags are found by what they say.
	`DELETE FROM {schema}.task_tag g USING {schema}.task t, jsonb_each_text(t.tags) e
	WHERE t.id = ANY ($1) AND g.key = e.key AND g.value = e.value AND g.task_id = t.id`,
	"DELETE FROM {schema}.task_log WHERE task_id = ANY ($1)",
	"DELETE FROM {schema}.attempt WHERE task_id = ANY ($1)",
	"DELETE FROM {schema}.task WHERE id = ANY ($1)",
}

// Now implements [riverstore.Archive].
func (s *Store) Now(ctx context.Context) (now time.Time, err error) {
	err = s.pool.QueryRow(ctx, "SELECT now()").Scan(&now)
	return now, withCause(err)
}

// Prune implements [riverstore.Archive].
func (s *Store) Prune(ctx context.Context, which *riverstore.Ended, limit int) (done riverstore.Pruned, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		// Of tables that have not been analyzed yet the planner believes that some
		// hundred ids are those of all rows, and reads them from end to end.
		if _, err := tx.Exec(ctx, "SET LOCAL enable_seqscan = off"); err != nil {
			return err
		}
		ids, keyed, last, err := s.lockEnded(ctx, tx, which, limit)
		if err != nil || len(ids) == 0 {
			return err
		}
		done.More, done.Last = len(ids) == limit, last
		if len(keyed) > 0 {
			if ids, err = s.lockKeys(ctx, tx, ids, keyed); err != nil {
				return err
			}
		}
		done.Tasks = len(ids)
		return s.deleteTasks(ctx, tx, ids, len(keyed) > 0)
	})
	if err != nil {
		return riverstore.Pruned{}, fmt.Errorf("delete tasks: %w", err)
	}
	return done, nil
}

// lockEnded returns tasks to delete, those of them that came with a key, and when the
// last of them ended.
func (s *Store) lockEnded(ctx context.Context, tx pgx.Tx, which *riverstore.Ended, limit int) (ids, keyed [][16]byte, last time.Time, err error) {
	rows, err := tx.Query(ctx, s.text(endedText), s.hot, string(which.Status), which.From, which.Before, which.Name, limit)
	if err != nil {
		return nil, nil, last, err
	}
	var id [16]byte
	var hasKey bool
	_, err = pgx.ForEachRow(rows, []any{&id, &hasKey, &last}, func() error {
		ids = append(ids, id)
		if hasKey {
			keyed = append(keyed, id)
		}
		return nil
	})
	return ids, keyed, last, err
}

// lockKeys locks the keys of tasks, and leaves out the tasks whose keys others have
// locked.
func (s *Store) lockKeys(ctx context.Context, tx pgx.Tx, ids, keyed [][16]byte) ([][16]byte, error) {
	locked, err := s.idSet(ctx, tx, lockKeysText, keyed)
	if err != nil {
		return nil, err
	}
	have, err := s.idSet(ctx, tx, keysText, keyed)
	if err != nil {
		return nil, err
	}
	free := ids[:0]
	for _, id := range ids {
		if locked[id] || !have[id] { // a key that has passed to another task is not in the way
			free = append(free, id)
		}
	}
	return free, nil
}

func (s *Store) idSet(ctx context.Context, tx pgx.Tx, text string, ids [][16]byte) (map[[16]byte]bool, error) {
	rows, err := tx.Query(ctx, s.text(text), s.hot, ids)
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[[16]byte])
	set := make(map[[16]byte]bool, len(found))
	for _, id := range found {
		set[id] = true
	}
	return set, err
}

// deleteTasks deletes tasks, and what goes with them, in one trip to the server.
func (s *Store) deleteTasks(ctx context.Context, tx pgx.Tx, ids [][16]byte, keyed bool) error {
	texts := withTaskTexts
	if keyed {
		texts = append([]string{dropKeysText, leaveKeysText}, texts...)
	}
	var b pgx.Batch
	for _, text := range texts {
		b.Queue(s.text(text), ids)
	}
	return tx.SendBatch(ctx, &b).Close()
}

// CountEnded implements [riverstore.Archive].
func (s *Store) CountEnded(ctx context.Context, which *riverstore.Ended) (n int64, err error) {
	err = s.pool.QueryRow(ctx, s.text(`
		SELECT count(*) FROM {schema}.task
		WHERE status = $1 AND ended_at >= $2 AND ended_at < $3 AND ($4 = '' OR name = $4)`),
		s.hot, string(which.Status), which.From, which.Before, which.Name).Scan(&n)
	return n, failed(err, "count tasks")
}

// PruneKeys implements [riverstore.Archive]. A key that is locked is in use.
func (s *Store) PruneKeys(ctx context.Context, limit int) (int, error) {
	tag, err := s.pool.Exec(ctx, s.text(`
		WITH over AS (
			SELECT k.name, k.key FROM {schema}.idempotency_key k
			WHERE k.task_gone AND k.expires_at <= now() AND NOT EXISTS (SELECT FROM {schema}.task WHERE id = k.task_id)
			LIMIT $1
			FOR UPDATE OF k SKIP LOCKED
		)
		DELETE FROM {schema}.idempotency_key k USING over WHERE k.name = over.name AND k.key = over.key`), s.hot, limit)
	return int(tag.RowsAffected()), failed(err, "delete idempotency keys")
}

// Alone implements [riverstore.Archive]. The lock is that of a connection, and ends
// with it: what dies in between leaves nothing behind.
func (s *Store) Alone(ctx context.Context, f func(ctx context.Context) error) error {
	conn, err := s.control.Acquire(ctx)
	if err != nil {
		return withCause(err)
	}
	defer conn.Release()
	name := "taskhost keep " + s.schema
	var first bool
	if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock(hashtextextended($1, 0))", name).Scan(&first); err != nil || !first {
		return withCause(err)
	}
	err = f(ctx)
	unlock, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if _, unlockErr := conn.Exec(unlock, "SELECT pg_advisory_unlock(hashtextextended($1, 0))", name); unlockErr != nil {
		return errors.Join(err, withCause(unlockErr), conn.Conn().Close(unlock))
	}
	return err
}

// ClearHistory deletes the tasks that a filter chooses, with all that is theirs, and
// counts them; with dry it counts them only. Where ctx ends first, what was deleted by
// then is counted, beside the error.
func (s *Store) ClearHistory(ctx context.Context, filter task.HistoryFilter, dry bool) (*task.HistoryCount, error) {
	return riverstore.ClearHistory(ctx, s, filter, dry)
}
