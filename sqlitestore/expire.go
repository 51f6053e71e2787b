package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

const anyExpiredSQL = "SELECT EXISTS (SELECT 1 FROM task INDEXED BY task_expiring WHERE status = 'pending' AND expires_at <= ?)"

// expiredSQL finds tasks that have waited past their time.
const expiredSQL = `
SELECT id, ticket FROM task INDEXED BY task_expiring
WHERE status = 'pending' AND expires_at <= ?
ORDER BY expires_at
LIMIT ?`

const expireSQL = `
UPDATE task SET
    status = 'failed', ticket = NULL, ended_at = max(?2, created_at, coalesce(released_at, 0)), released_at = NULL,
    error = ?3, sealed_failure = NULL, cause = 'expired', trace = NULL
WHERE id = ?1`

// Expire implements [riverstore.Expirer]. It does not take the writer's lock where
// there is nothing to end.
func (s *Store) Expire(ctx context.Context, limit int) ([]task.ID, error) {
	var some bool
	if err := s.read.QueryRowContext(ctx, anyExpiredSQL, micros(now())).Scan(&some); err != nil || !some {
		return nil, withCause(err)
	}
	type expired struct {
		id     task.ID
		ticket sql.NullInt64
	}
	var found []expired
	err := s.inTx(ctx, func(w *session) (err error) {
		at := micros(now())
		found, err = queryAll(ctx, w, func(rows *sql.Rows, e *expired) error {
			var raw []byte
			err := rows.Scan(&raw, &e.ticket)
			e.id = toID(raw)
			return err
		}, expiredSQL, at, limit)
		if err != nil {
			return err
		}
		for _, e := range found {
			if _, err := w.ExecContext(ctx, expireSQL, e.id[:], at, riverstore.Expired); err != nil {
				return err
			}
			if _, err := w.ExecContext(ctx, dropTicketSQL, e.ticket); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("end expired tasks: %w", err)
	}
	ids := make([]task.ID, len(found))
	for i, e := range found {
		ids[i] = e.id
	}
	return ids, nil
}
