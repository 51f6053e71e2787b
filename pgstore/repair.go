package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/taskhost/taskhost/internal/riverstore"
)

// repairText gives new tickets to pending tasks whose ticket is gone, or can never
// be claimed: those that have waited for longest first. What is there in another
// state would stay for ever, and goes.
const repairText = `
WITH lost AS (
    SELECT t.id, t.ticket FROM {schema}.task t
    WHERE t.status = 'pending' AND t.due_at < now() + $1 * interval '1 microsecond'
        AND NOT EXISTS (SELECT FROM {schema}.river_job j WHERE j.id = t.ticket AND j.state = 'available')
    ORDER BY t.due_at
    LIMIT 1000
    FOR UPDATE OF t SKIP LOCKED
), given AS (
    UPDATE {schema}.task t SET ticket = nextval('{schema}.river_job_id_seq')
    FROM lost WHERE t.id = lost.id AND t.status = 'pending'
    RETURNING t.id, t.name, t.executor, t.priority, t.ticket, t.due_at, lost.ticket AS old
), dropped AS (
    DELETE FROM {schema}.river_job j USING given WHERE j.id = given.old
), ticket AS (
    INSERT INTO {schema}.river_job (id, args, kind, queue, priority, scheduled_at)
    SELECT ticket, jsonb_build_object('task_id', id), ` + kindOf + `, executor, 11 - priority, due_at
    FROM given
    RETURNING id
)
SELECT count(*) FROM ticket`

// Repair implements [riverstore.Attempts]. The lock keeps two nodes from giving a
// task two tickets. It comes around rarely, so it also forgets nodes that have been
// dead for long.
func (s *Store) Repair(ctx context.Context) (int, error) {
	var n int
	err := pgx.BeginFunc(ctx, s.control, func(tx pgx.Tx) error {
		var first bool
		err := tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))", "taskhost repair "+s.schema).Scan(&first)
		if err != nil || !first {
			return err
		}
		if _, err := tx.Exec(ctx, s.text("DELETE FROM {schema}.node WHERE heartbeat_at < now() - $1 * interval '1 microsecond'"), keepDead.Microseconds()); err != nil {
			return err
		}
		return tx.QueryRow(ctx, s.text(repairText), s.hot, riverstore.RepairHorizon.Microseconds()).Scan(&n)
	})
	return n, withCause(err)
}

// Running implements [riverstore.Attempts].
func (s *Store) Running(ctx context.Context, node string) ([]riverstore.Attempt, error) {
	rows, err := s.control.Query(ctx, s.text("SELECT id, lease, attempt FROM {schema}.task WHERE node = $1 AND status = 'running'"), s.hot, node)
	if err != nil {
		return nil, withCause(err)
	}
	attempts, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (attempt riverstore.Attempt, err error) {
		err = row.Scan((*[16]byte)(&attempt.Task), &attempt.Lease, &attempt.Number)
		return attempt, err
	})
	return attempts, withCause(err)
}
