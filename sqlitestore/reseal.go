package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/internal/seal"
	"github.com/taskhost/taskhost/task"
)

var _ riverstore.Resealer = (*Store)(nil)

// Bounds of a transaction that seals again: others who write wait for it.
const (
	resealRows  = 200
	resealBytes = 4 << 20
)

// keyOf is the key that a column is sealed under, as riverstore.KeyUse has it.
func keyOf(column string) string {
	return fmt.Sprintf("lower(hex(coalesce(substr(%s, %d, %d), '')))", column, seal.IDStart, seal.IDLength)
}

// KeyUse implements [riverstore.KeyBook].
func (s *Store) KeyUse(ctx context.Context) ([]riverstore.KeyUse, error) {
	type count struct {
		kind, key string
		n         int64
	}
	counts, err := queryAll(ctx, s.read, func(rows *sql.Rows, c *count) error { return rows.Scan(&c.kind, &c.key, &c.n) }, `
		SELECT 'args', coalesce(key_id, ''), count(*) FROM task GROUP BY 2
		UNION ALL SELECT 'results', coalesce(result_key_id, ''), count(*) FROM task WHERE result IS NOT NULL GROUP BY 2
		UNION ALL SELECT 'errors', `+keyOf("sealed_failure")+`, count(*) FROM task
			WHERE coalesce(error, trace) IS NOT NULL OR sealed_failure IS NOT NULL GROUP BY 2
		UNION ALL SELECT 'attempts', `+keyOf("sealed_failure")+`, count(*) FROM attempt
			WHERE coalesce(error, trace) IS NOT NULL OR sealed_failure IS NOT NULL GROUP BY 2
		UNION ALL SELECT 'log_lines', `+keyOf("sealed")+`, count(*) FROM task_log GROUP BY 2
		UNION ALL SELECT 'hashes', '', count(*) FROM idempotency_key WHERE length(args_digest) = 32`)
	if err != nil {
		return nil, fmt.Errorf("count what is sealed: %w", withCause(err))
	}
	uses := make(riverstore.KeyUses)
	for _, c := range counts {
		uses.Add(c.kind, c.key, c.n)
	}
	return uses.All(), nil
}

// Reencrypt seals all that is stored under the first key, beside whoever works the
// file. See [riverstore.Vault.Reencrypt].
func (s *Store) Reencrypt(ctx context.Context, progress func(done, total int64)) (*riverstore.Resealed, error) {
	return s.vault.Reencrypt(ctx, s, progress)
}

// Rows are looked for without the writer's lock, which may take long where most are
// done, and written where they are still what was read.
var staleTasksSQL = `
SELECT id, lease, args, key_id, result, result_key_id, error, trace, sealed_failure, coalesce(unique_key, '') FROM task
WHERE id > ?1 AND (
    coalesce(key_id, '') <> ?2
    OR result IS NOT NULL AND coalesce(result_key_id, '') <> ?2
    OR error IS NOT NULL OR trace IS NOT NULL
    OR sealed_failure IS NOT NULL AND ` + keyOf("sealed_failure") + ` <> ?2)
ORDER BY id LIMIT ?3`

// Whatever changes the result changes the lease. A task whose unique key, made with a
// key, another one has already, which was enqueued since, is unique no more.
const resealTaskSQL = `
UPDATE task SET args = ?1, key_id = ?2, result = ?3, result_key_id = ?4, error = ?5, trace = ?6, sealed_failure = ?7,
    unique_key = CASE WHEN unique_key = ?15 OR NOT EXISTS (
            SELECT 1 FROM task u WHERE u.unique_key = ?15 AND u.status IN ('pending', 'running'))
        THEN nullif(?15, '') END
WHERE id = ?8 AND lease = ?9 AND key_id IS ?10 AND result_key_id IS ?11 AND error IS ?12 AND trace IS ?13 AND sealed_failure IS ?14`

// staleTask is a task, and what its row is to hold for it to be written.
type staleTask struct {
	riverstore.StoredTask

	lease                                int64
	argsKey, resultKey, errorText, trace sql.NullString
	failure                              []byte
}

// ResealTasks implements [riverstore.Resealer].
func (s *Store) ResealTasks(ctx context.Context, key string, after task.ID, f func(*riverstore.StoredTask) bool) (last task.ID, n int, err error) {
	stale, err := s.staleTasks(ctx, after, key)
	if err != nil || len(stale) == 0 {
		return after, 0, err
	}
	err = s.inTx(ctx, func(w *session) error {
		for i := range stale {
			t := &stale[i]
			if !f(&t.StoredTask) {
				continue
			}
			if _, err := w.ExecContext(ctx, resealTaskSQL,
				t.Args, nullable(t.ArgsKey), t.Result, nullable(t.ResultKey), nullable(t.Error), nullable(t.Trace), t.Failure,
				t.ID[:], t.lease, t.argsKey, t.resultKey, t.errorText, t.trace, t.failure, t.UniqueKey); err != nil {
				return err
			}
		}
		return nil
	})
	return stale[len(stale)-1].ID, len(stale), err
}

// staleTasks reads tasks that are not all under a key, not too much of them at once.
func (s *Store) staleTasks(ctx context.Context, after task.ID, key string) ([]staleTask, error) {
	rows, err := s.read.QueryContext(ctx, staleTasksSQL, after[:], key, resealRows)
	if err != nil {
		return nil, withCause(err)
	}
	defer rows.Close()
	var stale []staleTask
	for size := 0; size < resealBytes && rows.Next(); {
		var t staleTask
		var id []byte
		if err := rows.Scan(&id, &t.lease, &t.Args, &t.argsKey, &t.Result, &t.resultKey, &t.errorText, &t.trace, &t.failure, &t.UniqueKey); err != nil {
			return nil, err
		}
		t.ID, t.ArgsKey, t.ResultKey = toID(id), t.argsKey.String, t.resultKey.String
		t.Error, t.Trace, t.Failure = t.errorText.String, t.trace.String, t.failure
		size += len(t.Args) + len(t.Result)
		stale = append(stale, t)
	}
	return stale, withCause(rows.Err())
}

var (
	staleAttemptsSQL = `
SELECT task_id, lease, coalesce(error, ''), coalesce(trace, ''), sealed_failure FROM attempt
WHERE (task_id, lease) > (?1, ?2)
    AND (error IS NOT NULL OR trace IS NOT NULL OR sealed_failure IS NOT NULL AND ` + keyOf("sealed_failure") + ` <> ?3)
ORDER BY task_id, lease LIMIT ?4`

	staleLinesSQL = `
SELECT task_id, seq, message, coalesce(fields, ''), sealed FROM task_log
WHERE (task_id, seq) > (?1, ?2) AND ` + keyOf("sealed") + ` <> ?3
ORDER BY task_id, seq LIMIT ?4`
)

const (
	resealAttemptSQL = `
UPDATE attempt SET error = nullif(?1, ''), trace = nullif(?2, ''), sealed_failure = ?3
WHERE task_id = ?4 AND lease = ?5 AND sealed_failure IS ?6`

	resealLineSQL = `
UPDATE task_log SET message = ?1, fields = nullif(?2, ''), sealed = ?3
WHERE task_id = ?4 AND seq = ?5 AND sealed IS ?6`
)

// ResealAttempts implements [riverstore.Resealer].
func (s *Store) ResealAttempts(ctx context.Context, key string, after riverstore.RowPlace, f func(*riverstore.StoredTexts) bool) (riverstore.RowPlace, int, error) {
	return s.resealTexts(ctx, staleAttemptsSQL, resealAttemptSQL, key, after, f)
}

// ResealLines implements [riverstore.Resealer].
func (s *Store) ResealLines(ctx context.Context, key string, after riverstore.RowPlace, f func(*riverstore.StoredTexts) bool) (riverstore.RowPlace, int, error) {
	return s.resealTexts(ctx, staleLinesSQL, resealLineSQL, key, after, f)
}

func (s *Store) resealTexts(ctx context.Context, query, update, key string, after riverstore.RowPlace, f func(*riverstore.StoredTexts) bool) (last riverstore.RowPlace, n int, err error) {
	stale, err := queryAll(ctx, s.read, func(rows *sql.Rows, t *riverstore.StoredTexts) error {
		var id []byte
		err := rows.Scan(&id, &t.Number, &t.First, &t.Second, &t.Sealed)
		t.Task = toID(id)
		return err
	}, query, after.Task[:], after.Number, key, resealRows)
	if err != nil || len(stale) == 0 {
		return after, 0, withCause(err)
	}
	err = s.inTx(ctx, func(w *session) error {
		for i := range stale {
			t := &stale[i]
			before := t.Sealed
			if !f(t) {
				continue
			}
			if _, err := w.ExecContext(ctx, update, t.First, t.Second, t.Sealed, t.Task[:], t.Number, before); err != nil {
				return err
			}
		}
		return nil
	})
	return stale[len(stale)-1].RowPlace, len(stale), err
}

const plainHashesSQL = `
SELECT name, key, args_digest FROM idempotency_key
WHERE (name, key) > (?, ?) AND length(args_digest) = 32 ORDER BY name, key LIMIT ?`

// ResealHashes implements [riverstore.Resealer].
func (s *Store) ResealHashes(ctx context.Context, after riverstore.HashPlace, f func(*riverstore.StoredHash) bool) (last riverstore.HashPlace, n int, err error) {
	plain, err := queryAll(ctx, s.read, func(rows *sql.Rows, h *riverstore.StoredHash) error {
		return rows.Scan(&h.Name, &h.Key, &h.Digest)
	}, plainHashesSQL, after.Name, after.Key, resealRows)
	if err != nil || len(plain) == 0 {
		return after, 0, withCause(err)
	}
	err = s.inTx(ctx, func(w *session) error {
		for i := range plain {
			h := &plain[i]
			before := h.Digest
			if !f(h) {
				continue
			}
			if _, err := w.ExecContext(ctx, "UPDATE idempotency_key SET args_digest = ? WHERE name = ? AND key = ? AND args_digest = ?", h.Digest, h.Name, h.Key, before); err != nil {
				return err
			}
		}
		return nil
	})
	return plain[len(plain)-1].HashPlace, len(plain), err
}
