package pgstore

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/taskhost/taskhost/internal/riverstore"
)

// claimText takes tickets out and starts their tasks. Each priority is a range of
// the queue's index that ends at what is due later, so that any number of tasks may
// wait for their time. A row that another node claims at this moment is passed over.
//
// That there is this ticket, and that the task names it, says that it is pending. To
// ask for its status too would invite the planner to go through all that are pending.
const claimText = `
WITH due AS MATERIALIZED (
    SELECT j.id
    FROM generate_series(1, 10) AS p (priority)
    CROSS JOIN LATERAL (
        SELECT id FROM {schema}.river_job
        WHERE state = 'available' AND queue = $1 AND priority = p.priority AND scheduled_at <= now() AND kind = ANY ($2)
        ORDER BY scheduled_at, id
        LIMIT $3
        FOR UPDATE SKIP LOCKED
    ) j
    LIMIT $3
), ticket AS (
    DELETE FROM {schema}.river_job j USING due WHERE j.id = due.id
    RETURNING j.id, j.kind, j.priority, j.created_at, j.scheduled_at, {task_id} AS task_id
), started AS (
    UPDATE {schema}.task t SET
        status = 'running',
        attempt = t.attempt + 1,
        lease = t.lease + 1,
        node = $4,
        started_at = coalesce(t.started_at, greatest(now(), t.created_at)),
        attempt_started_at = greatest(now(), t.created_at, t.released_at),
        queue_wait = t.queue_wait + ` + waited + `,
        attempt_wait = ` + waited + `
    FROM ticket
    WHERE t.id = ticket.task_id AND t.ticket = ticket.id
        AND (t.expires_at IS NULL OR t.expires_at > now()) -- else it ends within a second, see expireText
    RETURNING ` + taskColumns + `, t.attempt_started_at, t.lease, t.definition_index, t.args, t.args_type, t.key_id AS args_key, t.memory, coalesce(t.limits, '') AS limits,
        t.retry_delay, t.retry_backoff, t.retry_max_delay, t.retry_jitter,
        ticket.id AS ticket_id, ticket.kind, ticket.priority AS ticket_priority, ticket.created_at AS ticket_created_at, ticket.scheduled_at
){event}, event AS (
    INSERT INTO {schema}.event (task_id, status, name, source, attempt, node)
    SELECT id, status, name, source, attempt, node FROM started
){/event}
SELECT * FROM started ORDER BY ticket_priority, scheduled_at, ticket_id`

// waited is how long a task has been due that is claimed now, in microseconds. One
// that was given back keeps its place in the queue, and is due since it was given
// back.
const waited = "greatest((extract(epoch FROM greatest(now(), t.created_at) - greatest(t.due_at, t.released_at)) * 1000000)::bigint, 0)"

// How a ticket names its task. To check that each does takes a tenth of a claim's
// time, so it is done only once one was found that does not: somebody else has put it
// there, and it is dropped.
const (
	taskOfTicket        = "(j.args ->> 'task_id')::uuid"
	taskOfTicketChecked = "CASE WHEN j.args ->> 'task_id' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN " + taskOfTicket + " END"
)

func claimBy(taskID string) string { return strings.Replace(claimText, "{task_id}", taskID, 1) }

// Claim implements [riverstore.Attempts].
func (s *Store) Claim(ctx context.Context, params riverstore.ClaimParams) ([]*riverstore.Claim, error) {
	claims, err := s.claim(ctx, s.sql.claim, params)
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && pgErr.Code == pgerrcode.InvalidTextRepresentation {
		claims, err = s.claim(ctx, s.sql.claimChecked, params)
	}
	s.sweeper.taken.Add(int64(len(claims)))
	return claims, withCause(err)
}

func (s *Store) claim(ctx context.Context, text string, params riverstore.ClaimParams) ([]*riverstore.Claim, error) {
	rows, err := s.pool.Query(ctx, text, s.hot, params.Queue, params.Kinds, params.Limit, params.Node)
	if err != nil {
		return nil, err
	}
	// All rows are read before any work begins: the claim is not committed earlier.
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (*riverstore.Claim, error) {
		claim := &riverstore.Claim{Ticket: riverstore.Ticket{Queue: params.Queue}}
		exec, ticket := &claim.Execution, &claim.Ticket
		var memory, delay, maxDelay int64
		var limits string
		var argsKey *string
		err := s.scanTask(row, &exec.Task, &claim.StartedAt, &exec.Lease, &exec.Index, &exec.Args, &exec.ArgsType, &argsKey, &memory, &limits,
			&delay, &claim.Retry.Backoff, &maxDelay, &claim.Retry.Jitter,
			&ticket.ID, &ticket.Kind, &ticket.Priority, &ticket.CreatedAt, &ticket.ScheduledAt)
		if err != nil {
			return nil, err
		}
		claim.ArgsKey = value(argsKey)
		claim.Retry.Delay = time.Duration(delay) * time.Microsecond
		claim.Retry.MaxDelay = time.Duration(maxDelay) * time.Microsecond
		exec.Limits, err = riverstore.DecodeLimits(limits, memory)
		return claim, err
	})
}
