package pgstore

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

var _ riverstore.EventReader = (*Store)(nil)

// eventsText reads what a cursor has not seen, first of the transactions that were open
// then, and then of those that began later, which are above them. Both are in one snapshot, which comes along:
// it is what has been seen once all is read. It yields a row also where there is no event.
// What was restored from another server may be of transactions that have yet to come.
const eventsText = `
SELECT pg_current_snapshot()::text, p.xid::text, p.seq,
    e.xid::text, e.seq, e.at, e.task_id, e.status, e.name, e.source, e.attempt, e.node, e.cause
FROM (SELECT xid, seq FROM {schema}.event_pruned LIMIT 1) p -- of which there is one, and the planner does not know
LEFT JOIN LATERAL (
    (
        SELECT e.* FROM unnest($2::text[]::xid8[], $3::bigint[]) AS o (xid, seen)
        JOIN {schema}.event e ON e.xid = o.xid AND e.seq > o.seen
        ORDER BY e.xid, e.seq
        LIMIT $4
    ) UNION ALL (
        SELECT * FROM {schema}.event
        WHERE xid >= $1::text::xid8 AND xid < pg_snapshot_xmax(pg_current_snapshot())
        ORDER BY xid, seq
        LIMIT $4
    )
    LIMIT $4
) e ON true
ORDER BY e.xid, e.seq`

// eventRow is what eventsText yields.
type eventRow struct {
	snapshot, prunedXID string
	prunedSeq           int64
	xid                 *string // nil where there is no event
	seq                 *int64
	at                  *time.Time
	id                  *[16]byte
	status, name        *string
	source              *string
	attempt             *int
	node, cause         *string
}

// Events returns the events behind a cursor, at most limit, each transaction's together
// and in its order, and the cursor behind the last of them. No event is missed because
// its transaction was committed late, and none waits for another's transaction. Those of
// a task are in order. An empty cursor is now, which yields no events. Where some were
// deleted, it returns task.ErrEventsGone.
func (s *Store) Events(ctx context.Context, after task.EventCursor, limit int) ([]task.Event, task.EventCursor, error) {
	if after == "" {
		var snapshot string
		if err := s.pool.QueryRow(ctx, "SELECT pg_current_snapshot()::text").Scan(&snapshot); err != nil {
			return nil, after, failed(err, "read events")
		}
		now, err := parseSnapshot(snapshot)
		if err != nil {
			return nil, after, err
		}
		return nil, now.text(), nil
	}
	cursor, err := parseEventCursor(after)
	if err != nil {
		return nil, after, err
	}
	open, seen := cursor.arguments()
	rows, err := s.pool.Query(ctx, s.text(eventsText), s.hot, strconv.FormatUint(cursor.next, 10), open, seen, limit)
	if err != nil {
		return nil, after, failed(err, "read events")
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r eventRow, err error) {
		err = row.Scan(&r.snapshot, &r.prunedXID, &r.prunedSeq,
			&r.xid, &r.seq, &r.at, &r.id, &r.status, &r.name, &r.source, &r.attempt, &r.node, &r.cause)
		return r, err
	})
	if err != nil {
		return nil, after, failed(err, "read events")
	}
	return cursor.read(found, limit)
}

// read makes events of rows.
func (c *eventCursor) read(rows []eventRow, limit int) ([]task.Event, task.EventCursor, error) {
	if len(rows) == 0 {
		return nil, "", errors.New("read events: the table event_pruned has no row, so that nobody knows what was deleted: insert one with xid '0' and seq 0")
	}
	now, err := parseSnapshot(rows[0].snapshot)
	if err != nil {
		return nil, "", err
	}
	pruned, err := parseXID(rows[0].prunedXID)
	if err != nil {
		return nil, "", err
	}
	if c.next > now.next || pruned < now.next && c.lacks(pruned, rows[0].prunedSeq) {
		return nil, "", task.ErrEventsGone
	}
	var events []task.Event
	for i := range rows {
		r := &rows[i]
		if r.xid == nil {
			break
		}
		xid, err := parseXID(*r.xid)
		if err != nil {
			return nil, "", err
		}
		events = append(events, task.Event{
			Seq: *r.seq, Time: r.at.UTC(), TaskID: *r.id, Name: *r.name, Status: task.Status(*r.status), Attempt: *r.attempt,
			Node: value(r.node), Cause: task.Cause(value(r.cause)), Source: task.Source(*r.source),
			Cursor: c.behind(xid, *r.seq, now).text(),
		})
	}
	if len(events) == limit {
		return events, events[limit-1].Cursor, nil
	}
	return events, now.text(), nil
}

// pruneEventsText deletes events of the oldest transactions, as far as they are old
// enough, and notes the last of them for those who have not seen it. It begins behind
// what was deleted last: that stays in the index until it is vacuumed. A note that was
// restored from another server counts for nothing.
const pruneEventsText = `
WITH pruned AS (
    SELECT CASE WHEN xid < pg_snapshot_xmax(pg_current_snapshot()) THEN xid ELSE '0' END AS xid
    FROM {schema}.event_pruned LIMIT 1
), gone AS (
    DELETE FROM {schema}.event WHERE ctid = ANY (ARRAY(
        SELECT e.ctid FROM (
            SELECT ctid, at FROM {schema}.event WHERE xid >= (SELECT xid FROM pruned)
            ORDER BY xid, seq LIMIT $2
        ) e
        WHERE e.at < clock_timestamp() - $1 * interval '1 microsecond'))
    RETURNING xid, seq
), noted AS (
    UPDATE {schema}.event_pruned p SET xid = last.xid, seq = last.seq
    FROM (SELECT xid, seq FROM gone ORDER BY xid DESC, seq DESC LIMIT 1) last
)
SELECT count(*), (SELECT xid::text FROM pruned), pg_snapshot_xmax(pg_current_snapshot())::text FROM gone`

// strayEventsText deletes what pruneEventsText does not come to: events of transactions
// that were committed after later ones were deleted, and those of another server. There
// are few, or none.
const strayEventsText = `
DELETE FROM {schema}.event
WHERE (xid < $2::text::xid8 OR xid >= $3::text::xid8) AND at < clock_timestamp() - $1 * interval '1 microsecond'`

// PruneEvents implements [riverstore.EventKeeper].
func (s *Store) PruneEvents(ctx context.Context, keep time.Duration, limit int) (more bool, err error) {
	var n int
	var from, end string
	if err := s.pool.QueryRow(ctx, s.text(pruneEventsText), s.hot, keep.Microseconds(), limit).Scan(&n, &from, &end); err != nil {
		return false, failed(err, "delete events")
	}
	if n == limit {
		return true, nil
	}
	_, err = s.pool.Exec(ctx, s.text(strayEventsText), s.hot, keep.Microseconds(), from, end)
	return false, failed(err, "delete events")
}
