package pgstore

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/internal/seal"
	"github.com/taskhost/taskhost/task"
)

var _ riverstore.Resealer = (*Store)(nil)

// Bounds of a transaction that seals again.
const (
	resealRows  = 500
	resealBytes = 8 << 20
)

// keyOf is the key that a column is sealed under, as riverstore.KeyUse has it.
func keyOf(column string) string {
	return fmt.Sprintf("coalesce(encode(substr(%s, %d, %d), 'hex'), '')", column, seal.IDStart, seal.IDLength)
}

// KeyUse implements [riverstore.KeyBook].
func (s *Store) KeyUse(ctx context.Context) ([]riverstore.KeyUse, error) {
	rows, err := s.pool.Query(ctx, s.text(`
		SELECT 'args', coalesce(key_id, ''), count(*) FROM {schema}.task GROUP BY 2
		UNION ALL SELECT 'results', coalesce(result_key_id, ''), count(*) FROM {schema}.task WHERE result IS NOT NULL GROUP BY 2
		UNION ALL SELECT 'errors', `+keyOf("sealed_failure")+`, count(*) FROM {schema}.task
			WHERE coalesce(error, trace) IS NOT NULL OR sealed_failure IS NOT NULL GROUP BY 2
		UNION ALL SELECT 'attempts', `+keyOf("sealed_failure")+`, count(*) FROM {schema}.attempt
			WHERE coalesce(error, trace) IS NOT NULL OR sealed_failure IS NOT NULL GROUP BY 2
		UNION ALL SELECT 'log_lines', `+keyOf("sealed")+`, count(*) FROM {schema}.task_log GROUP BY 2
		UNION ALL SELECT 'hashes', '', count(*) FROM {schema}.idempotency_key WHERE length(args_digest) = 32`))
	if err != nil {
		return nil, failed(err, "count what is sealed")
	}
	uses := make(riverstore.KeyUses)
	var kind, key string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&kind, &key, &n}, func() error {
		uses.Add(kind, key, n)
		return nil
	})
	return uses.All(), failed(err, "count what is sealed")
}

// Reencrypt seals all that is stored under the first key, beside whoever works the
// database. See [riverstore.Vault.Reencrypt].
func (s *Store) Reencrypt(ctx context.Context, progress func(done, total int64)) (*riverstore.Resealed, error) {
	return s.vault.Reencrypt(ctx, s, progress)
}

// staleTasksText finds tasks that are not all under a key. It says how large they are,
// so that not too many are read at once.
var staleTasksText = `
SELECT id, length(args) + coalesce(length(result), 0) FROM {schema}.task
WHERE id > $1 AND (
    coalesce(key_id, '') <> $2
    OR result IS NOT NULL AND coalesce(result_key_id, '') <> $2
    OR error IS NOT NULL OR trace IS NOT NULL
    OR sealed_failure IS NOT NULL AND ` + keyOf("sealed_failure") + ` <> $2)
ORDER BY id LIMIT $3`

// What is locked by others is passed over. So this never waits while it holds locks,
// and nobody can wait for it who holds one that it wants.
const lockTasksText = `
SELECT id, args, coalesce(key_id, ''), result, coalesce(result_key_id, ''), coalesce(error, ''), coalesce(trace, ''), sealed_failure,
    coalesce(unique_key, '')
FROM {schema}.task WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED`

// A task whose unique key, made with a key, another one has already, which was enqueued
// since, is unique no more.
const resealTaskText = `
UPDATE {schema}.task t SET args = $2, key_id = $3, result = $4, result_key_id = nullif($5, ''),
    error = nullif($6, ''), trace = nullif($7, ''), sealed_failure = $8,
    unique_key = CASE WHEN t.unique_key = $9 OR NOT EXISTS (
            SELECT FROM {schema}.task u WHERE u.unique_key = $9 AND u.status IN ('pending', 'running'))
        THEN nullif($9, '') END
WHERE id = $1`

// ResealTasks implements [riverstore.Resealer].
func (s *Store) ResealTasks(ctx context.Context, key string, after task.ID, f func(*riverstore.StoredTask) bool) (task.ID, int, error) {
	rows, err := s.pool.Query(ctx, s.text(staleTasksText), [16]byte(after), key, resealRows)
	if err != nil {
		return after, 0, withCause(err)
	}
	var ids [][16]byte
	var id [16]byte
	var size, sum int64
	_, err = pgx.ForEachRow(rows, []any{&id, &size}, func() error {
		if sum += size; len(ids) == 0 || sum <= resealBytes {
			ids = append(ids, id)
		}
		return nil
	})
	if err != nil || len(ids) == 0 {
		return after, 0, withCause(err)
	}
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, s.text(lockTasksText), ids)
		if err != nil {
			return err
		}
		var batch pgx.Batch
		var t riverstore.StoredTask
		_, err = pgx.ForEachRow(rows, []any{(*[16]byte)(&t.ID), &t.Args, &t.ArgsKey, &t.Result, &t.ResultKey, &t.Error, &t.Trace, &t.Failure, &t.UniqueKey}, func() error {
			if f(&t) {
				batch.Queue(s.text(resealTaskText), [16]byte(t.ID), t.Args, nullable(t.ArgsKey), t.Result, t.ResultKey, t.Error, t.Trace, t.Failure, t.UniqueKey)
			}
			return nil
		})
		if err != nil {
			return err
		}
		return tx.SendBatch(ctx, &batch).Close()
	})
	return ids[len(ids)-1], len(ids), err
}

var (
	lockAttemptsText = `
SELECT task_id, lease, coalesce(error, ''), coalesce(trace, ''), sealed_failure FROM {schema}.attempt
WHERE (task_id, lease) > ($1, $2)
    AND (error IS NOT NULL OR trace IS NOT NULL OR sealed_failure IS NOT NULL AND ` + keyOf("sealed_failure") + ` <> $3)
ORDER BY task_id, lease LIMIT $4 FOR NO KEY UPDATE SKIP LOCKED`

	lockLinesText = `
SELECT task_id, seq, message, coalesce(fields, ''), sealed FROM {schema}.task_log
WHERE (task_id, seq) > ($1, $2) AND ` + keyOf("sealed") + ` <> $3
ORDER BY task_id, seq LIMIT $4 FOR NO KEY UPDATE SKIP LOCKED`
)

const (
	resealAttemptText = `
UPDATE {schema}.attempt SET error = nullif($3, ''), trace = nullif($4, ''), sealed_failure = $5
WHERE task_id = $1 AND lease = $2`

	resealLineText = `
UPDATE {schema}.task_log SET message = $3, fields = nullif($4, ''), sealed = $5
WHERE task_id = $1 AND seq = $2`
)

// ResealAttempts implements [riverstore.Resealer].
func (s *Store) ResealAttempts(ctx context.Context, key string, after riverstore.RowPlace, f func(*riverstore.StoredTexts) bool) (riverstore.RowPlace, int, error) {
	return s.resealTexts(ctx, s.text(lockAttemptsText), s.text(resealAttemptText), key, after, f)
}

// ResealLines implements [riverstore.Resealer].
func (s *Store) ResealLines(ctx context.Context, key string, after riverstore.RowPlace, f func(*riverstore.StoredTexts) bool) (riverstore.RowPlace, int, error) {
	return s.resealTexts(ctx, s.text(lockLinesText), s.text(resealLineText), key, after, f)
}

func (s *Store) resealTexts(ctx context.Context, lock, update, key string, after riverstore.RowPlace, f func(*riverstore.StoredTexts) bool) (last riverstore.RowPlace, n int, err error) {
	last = after
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, lock, [16]byte(after.Task), after.Number, key, resealRows)
		if err != nil {
			return err
		}
		var batch pgx.Batch
		var t riverstore.StoredTexts
		_, err = pgx.ForEachRow(rows, []any{(*[16]byte)(&t.Task), &t.Number, &t.First, &t.Second, &t.Sealed}, func() error {
			n++
			last = t.RowPlace
			if f(&t) {
				batch.Queue(update, [16]byte(t.Task), t.Number, t.First, t.Second, t.Sealed)
			}
			return nil
		})
		if err != nil {
			return err
		}
		return tx.SendBatch(ctx, &batch).Close()
	})
	return last, n, err
}

const lockHashesText = `
SELECT name, key, args_digest FROM {schema}.idempotency_key
WHERE (name, key) > ($1, $2) AND length(args_digest) = 32
ORDER BY name, key LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED`

// ResealHashes implements [riverstore.Resealer].
func (s *Store) ResealHashes(ctx context.Context, after riverstore.HashPlace, f func(*riverstore.StoredHash) bool) (last riverstore.HashPlace, n int, err error) {
	last = after
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, s.text(lockHashesText), after.Name, after.Key, resealRows)
		if err != nil {
			return err
		}
		var batch pgx.Batch
		var h riverstore.StoredHash
		_, err = pgx.ForEachRow(rows, []any{&h.Name, &h.Key, &h.Digest}, func() error {
			n++
			last = h.HashPlace
			if f(&h) {
				batch.Queue(s.text("UPDATE {schema}.idempotency_key SET args_digest = $3 WHERE name = $1 AND key = $2"), h.Name, h.Key, h.Digest)
			}
			return nil
		})
		if err != nil {
			return err
		}
		return tx.SendBatch(ctx, &batch).Close()
	})
	return last, n, err
}
