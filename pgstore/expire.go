package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// expireText ends tasks that have waited past their time. Tickets that a claim has
// taken at this moment are passed over: it drops them. A task that has had another
// attempt since this began is left for the next time, because the events of a task are
// in the order of the transactions that moved it.
const expireText = `
WITH seen AS MATERIALIZED (
    SELECT id, lease FROM {schema}.task
    WHERE status = 'pending' AND expires_at <= now()
    ORDER BY expires_at
    LIMIT $1
), due AS (
    SELECT t.id, t.ticket FROM {schema}.task t JOIN seen ON t.id = seen.id AND t.lease = seen.lease
    WHERE t.status = 'pending'
    FOR UPDATE OF t SKIP LOCKED
), ended AS (
    UPDATE {schema}.task t SET
        status = 'failed', ticket = NULL, ended_at = greatest(now(), t.created_at, t.released_at), released_at = NULL,
        error = $2, sealed_failure = NULL, cause = 'expired', trace = NULL
    FROM due WHERE t.id = due.id
    RETURNING t.id, t.status, t.name, t.source, t.attempt, t.cause, due.ticket
){event}, event AS (
    INSERT INTO {schema}.event (task_id, status, name, source, attempt, cause)
    SELECT id, status, name, source, attempt, cause FROM ended
){/event}, dropped AS (
    DELETE FROM {schema}.river_job WHERE id IN (
        SELECT j.id FROM {schema}.river_job j WHERE j.id IN (SELECT ticket FROM ended) FOR UPDATE SKIP LOCKED)
)
SELECT id FROM ended`

// Expire implements [riverstore.Expirer].
func (s *Store) Expire(ctx context.Context, limit int) ([]task.ID, error) {
	rows, err := s.control.Query(ctx, s.text(expireText), s.hot, limit, riverstore.Expired)
	if err != nil {
		return nil, failed(err, "end expired tasks")
	}
	ids, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (id task.ID, err error) {
		err = row.Scan((*[16]byte)(&id))
		return id, err
	})
	return ids, failed(err, "end expired tasks")
}
