package sqlitestore

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// dueSQL finds the tickets to start next. The condition on priority is always
// true; written out it makes ten ranges of River's index for fetching, each of
// which ends at what is due later.
const dueSQL = `
SELECT id, args ->> 'task_id', kind, priority, created_at, scheduled_at
FROM river_job
WHERE state = 'available' AND queue = ?1 AND priority IN (1, 2, 3, 4, 5, 6, 7, 8, 9, 10) AND scheduled_at <= ?2
    AND kind IN (SELECT value FROM json_each(?3))
ORDER BY priority, scheduled_at, id
LIMIT ?4`

// claimBatch bounds a claim, so that others who write need not wait long.
const claimBatch = 500

// anyDueSQL says whether a look is worth it.
const anyDueSQL = `
SELECT EXISTS (
    SELECT 1 FROM river_job
    WHERE state = 'available' AND queue = ?1 AND priority IN (1, 2, 3, 4, 5, 6, 7, 8, 9, 10) AND scheduled_at <= ?2
        AND kind IN (SELECT value FROM json_each(?3))
)`

const claimSQL = `
UPDATE task SET
    status = 'running',
    attempt = attempt + 1,
    lease = lease + 1,
    node = ?1,
    started_at = coalesce(started_at, ?2),
    attempt_started_at = ?2
WHERE id IN (SELECT unhex(value) FROM json_each(?3)) AND status = 'pending'
RETURNING ` + taskColumns + `, lease, definition_index, args, args_type, memory, retry_delay, retry_backoff, retry_max_delay`

// Claim implements [riverstore.Database].
func (s *Store) Claim(ctx context.Context, params riverstore.ClaimParams) ([]*riverstore.Claim, error) {
	kinds, err := json.Marshal(params.Kinds)
	if err != nil {
		return nil, err
	}
	limit := min(params.Limit, claimBatch)

	// An idle look must not take the lock that writers wait for.
	var waiting bool
	if err := s.stmts.anyDue.QueryRowContext(ctx, params.Queue, riverTime(now()), string(kinds)).Scan(&waiting); err != nil || !waiting {
		return nil, err
	}

	var claims []*riverstore.Claim
	var taken int
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		// Taken under the lock, so that nothing starts before it was created.
		at := now()
		tickets, order, err := takeTickets(ctx, tx, params.Queue, string(kinds), at, limit)
		if err != nil || len(tickets) == 0 {
			return err
		}
		taken = len(tickets)
		started, err := startTasks(ctx, tx, params.Node, at, order)
		if err != nil {
			return err
		}
		// The rows of RETURNING come in no order; the tickets' is the one to
		// start in. A ticket whose task is not pending yields nothing.
		for _, id := range order {
			if claim := started[id]; claim != nil {
				claim.Ticket = tickets[id]
				claims = append(claims, claim)
			}
		}
		return nil
	})
	if taken == limit {
		s.bus.Wake(params.Queue) // there may be more than one batch
	}
	return claims, err
}

// takeTickets deletes the tickets that are due and returns them by task, with
// the order of the tasks.
func takeTickets(ctx context.Context, tx *sql.Tx, queue, kinds string, at time.Time, limit int) (map[task.ID]riverstore.Ticket, []task.ID, error) {
	rows, err := tx.QueryContext(ctx, dueSQL, queue, riverTime(at), kinds, limit)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	tickets := make(map[task.ID]riverstore.Ticket)
	var order []task.ID
	var numbers []int64
	for rows.Next() {
		ticket := riverstore.Ticket{Queue: queue}
		var text sql.NullString
		var created, scheduled any
		if err := rows.Scan(&ticket.ID, &text, &ticket.Kind, &ticket.Priority, &created, &scheduled); err != nil {
			return nil, nil, err
		}
		numbers = append(numbers, ticket.ID)
		id, err := task.ParseID(text.String)
		if err != nil {
			continue // not a ticket of ours; it is dropped
		}
		ticket.CreatedAt, ticket.ScheduledAt = fromRiver(created), fromRiver(scheduled)
		if _, twice := tickets[id]; !twice {
			order = append(order, id)
		}
		tickets[id] = ticket
	}
	if err := rows.Err(); err != nil {
		return nil, nil, err
	}
	list, err := json.Marshal(numbers)
	if err != nil {
		return nil, nil, err
	}
	_, err = tx.ExecContext(ctx, "DELETE FROM river_job WHERE id IN (SELECT value FROM json_each(?))", string(list))
	return tickets, order, err
}

// startTasks moves pending tasks to running.
func startTasks(ctx context.Context, tx *sql.Tx, node string, at time.Time, ids []task.ID) (map[task.ID]*riverstore.Claim, error) {
	rows, err := tx.QueryContext(ctx, claimSQL, node, micros(at), hexList(ids))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	claims := make(map[task.ID]*riverstore.Claim, len(ids))
	for rows.Next() {
		claim := &riverstore.Claim{StartedAt: at}
		exec := &claim.Execution
		var delay, maxDelay int64
		err := scanTask(rows, &exec.Task, &exec.Lease, &exec.Index, &exec.Args, &exec.ArgsType, &exec.Memory, &delay, &claim.Retry.Backoff, &maxDelay)
		if err != nil {
			return nil, err
		}
		claim.Retry.Delay = time.Duration(delay) * time.Microsecond
		claim.Retry.MaxDelay = time.Duration(maxDelay) * time.Microsecond
		claims[exec.Task.ID] = claim
	}
	return claims, rows.Err()
}

// hexList writes ids as a JSON array for json_each, which knows no blobs.
func hexList(ids []task.ID) string {
	var b strings.Builder
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('"')
		b.WriteString(hex.EncodeToString(id[:]))
		b.WriteByte('"')
	}
	return "[" + b.String() + "]"
}

// fromRiver reads a timestamp column of River's: the driver gives a time for
// what looks like one, else text.
func fromRiver(value any) time.Time {
	switch v := value.(type) {
	case time.Time:
		return v.UTC()
	case string:
		for _, layout := range []string{"2006-01-02 15:04:05.000", time.DateTime} {
			if t, err := time.Parse(layout, v); err == nil {
				return t
			}
		}
	}
	return time.Time{}
}
