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

// due is the condition for a ticket to start. That on priority is always true;
// written out it makes ten ranges of River's index for fetching, each of which
// ends at what is due later.
const due = `state = 'available' AND queue = ?1 AND river_job.priority IN (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
    AND scheduled_at <= ?2 AND kind IN (SELECT value FROM json_each(?3))`

// dueSQL finds the tickets to start next, and the tasks whose they are. A task whose
// time is up is not started, and ends within a second, see Expire.
const dueSQL = `
SELECT river_job.id, task.rowid, kind, river_job.priority, river_job.created_at, scheduled_at
FROM river_job LEFT JOIN task ON task.ticket = river_job.id AND task.status = 'pending'
    AND (task.expires_at IS NULL OR task.expires_at > ?5)
WHERE ` + due + `
ORDER BY river_job.priority, scheduled_at, river_job.id
LIMIT ?4`

// anyDueSQL says whether a look is worth it.
const anyDueSQL = `SELECT EXISTS (SELECT 1 FROM river_job WHERE ` + due + `)`

const takeSQL = "DELETE FROM river_job WHERE id IN (SELECT value FROM json_each(?))"

// waited is how long a task has been due that is claimed at ?2. One that was given
// back keeps its place in the queue, and is due since it was given back.
const waited = "max(?2 - max(due_at, coalesce(released_at, due_at)), 0)"

const claimSQL = `
UPDATE task SET
    status = 'running',
    attempt = attempt + 1,
    lease = lease + 1,
    ticket = NULL,
    node = ?1,
    started_at = coalesce(started_at, max(?2, created_at)),
    attempt_started_at = max(?2, created_at, coalesce(released_at, 0)),
    queue_wait = queue_wait + ` + waited + `,
    attempt_wait = ` + waited + `
WHERE rowid IN (SELECT value FROM json_each(?3))
RETURNING ` + taskColumns + `, rowid, lease, definition_index, args, args_type, key_id, memory, coalesce(limits, ''), retry_delay, retry_backoff, retry_max_delay, retry_jitter`

// claimBatch bounds a claim, so that others who write need not wait long.
const claimBatch = 500

// Claim implements [riverstore.Attempts].
func (s *Store) Claim(ctx context.Context, params riverstore.ClaimParams) ([]*riverstore.Claim, error) {
	kinds, err := json.Marshal(params.Kinds)
	if err != nil {
		return nil, err
	}
	limit := min(params.Limit, claimBatch)

	// An idle look must not take the lock that writers wait for.
	var waiting bool
	if err := s.reading[anyDueSQL].QueryRowContext(ctx, params.Queue, riverTime(now()), string(kinds)).Scan(&waiting); err != nil || !waiting {
		return nil, err
	}

	var claims []*riverstore.Claim
	var taken []takenTicket
	err = s.inTx(ctx, func(w *session) (err error) {
		// Taken under the lock, so that nothing starts before it was created.
		at := now()
		if taken, err = w.take(ctx, params.Queue, string(kinds), at, limit); err != nil || len(taken) == 0 {
			return err
		}
		claims, err = w.startTasks(ctx, params.Node, at, taken)
		return err
	})
	if len(taken) == limit {
		s.bus.Wake(params.Queue) // there may be more than one batch
	}
	if err != nil {
		return nil, err
	}
	return claims, nil
}

// takenTicket is a ticket with the row of the task that it starts, if it is one's.
type takenTicket struct {
	riverstore.Ticket

	row sql.NullInt64
}

// take deletes the tickets that are due and returns them in their order.
func (w *session) take(ctx context.Context, queue, kinds string, at time.Time, limit int) ([]takenTicket, error) {
	taken, err := queryAll(ctx, w, func(rows *sql.Rows, t *takenTicket) error {
		var created, scheduled any
		err := rows.Scan(&t.ID, &t.row, &t.Kind, &t.Priority, &created, &scheduled)
		t.Queue, t.CreatedAt, t.ScheduledAt = queue, fromRiver(created), fromRiver(scheduled)
		return err
	}, dueSQL, queue, riverTime(at), kinds, limit, micros(at))
	if err != nil || len(taken) == 0 {
		return nil, err
	}
	numbers := make([]int64, len(taken))
	for i := range taken {
		numbers[i] = taken[i].ID
	}
	list, err := json.Marshal(numbers)
	if err != nil {
		return nil, err
	}
	_, err = w.ExecContext(ctx, takeSQL, string(list))
	return taken, err
}

// startTasks moves the tasks of tickets to running.
func (w *session) startTasks(ctx context.Context, node string, at time.Time, taken []takenTicket) ([]*riverstore.Claim, error) {
	var numbers []int64
	for i := range taken {
		if taken[i].row.Valid {
			numbers = append(numbers, taken[i].row.Int64)
		}
	}
	list, err := json.Marshal(numbers)
	if err != nil {
		return nil, err
	}
	rows, err := w.QueryContext(ctx, claimSQL, node, micros(at), string(list))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	started := make(map[int64]*riverstore.Claim, len(numbers))
	for rows.Next() {
		claim := &riverstore.Claim{StartedAt: at}
		exec := &claim.Execution
		var row, memory, delay, maxDelay int64
		var limits string
		var argsKey sql.NullString
		err := w.scanTask(rows, &exec.Task, &row, &exec.Lease, &exec.Index, &exec.Args, &exec.ArgsType, &argsKey, &memory, &limits, &delay, &claim.Retry.Backoff, &maxDelay, &claim.Retry.Jitter)
		if err != nil {
			return nil, err
		}
		if exec.Limits, err = riverstore.DecodeLimits(limits, memory); err != nil {
			return nil, err
		}
		claim.ArgsKey = argsKey.String
		claim.Retry.Delay = time.Duration(delay) * time.Microsecond
		claim.Retry.MaxDelay = time.Duration(maxDelay) * time.Microsecond
		started[row] = claim
	}
	// The rows of RETURNING come in no order; the tickets' is the one to start
	// in. A ticket that is no task's yields nothing.
	var claims []*riverstore.Claim
	for i := range taken {
		if claim := started[taken[i].row.Int64]; claim != nil && taken[i].row.Valid {
			claim.Ticket = taken[i].Ticket
			claims = append(claims, claim)
		}
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
		for _, layout := range []string{riverLayout, time.DateTime} {
			if t, err := time.Parse(layout, v); err == nil {
				return t
			}
		}
	}
	return time.Time{}
}
