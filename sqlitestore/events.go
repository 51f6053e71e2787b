package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"time"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

var _ riverstore.EventReader = (*Store)(nil)

// eventsSQL yields a row also where there is no event.
const eventsSQL = `
SELECT (SELECT coalesce(min(seq), 0) FROM event), (SELECT coalesce(max(seq), 0) FROM event),
    e.seq, e.at, e.task_id, e.status, e.name, e.source, e.attempt, e.node, e.cause
FROM (SELECT 1)
LEFT JOIN (SELECT * FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2) e ON true
ORDER BY e.seq`

// eventRow is what eventsSQL yields.
type eventRow struct {
	first, last int64
	seq         sql.NullInt64 // not valid where there is no event
	event       task.Event
}

// Events returns the events behind a cursor, at most limit, and the cursor behind the
// last of them. An empty cursor is now, which yields no events. Where some were deleted,
// it returns task.ErrEventsGone.
func (s *Store) Events(ctx context.Context, after task.EventCursor, limit int) ([]task.Event, task.EventCursor, error) {
	seen, err := strconv.ParseInt(string(after), 10, 64)
	if after != "" && (err != nil || seen < 0) {
		return nil, after, &task.InvalidError{Field: "after", Problem: "must be the id of an event, as this server gave it"}
	}
	if after == "" {
		limit = 0
	}
	rows, err := queryAll(ctx, s.read, scanEvent, eventsSQL, seen, limit)
	if err != nil {
		return nil, after, fmt.Errorf("read events: %w", withCause(err))
	}
	first, last := rows[0].first, rows[0].last
	switch {
	case after == "":
		return nil, cursorAt(last), nil
	case seen > last || seen+1 < first:
		return nil, after, task.ErrEventsGone
	case !rows[0].seq.Valid:
		return nil, after, nil
	}
	events := make([]task.Event, len(rows))
	for i := range rows {
		events[i] = rows[i].event
	}
	return events, events[len(events)-1].Cursor, nil
}

func cursorAt(seq int64) task.EventCursor { return task.EventCursor(strconv.FormatInt(seq, 10)) }

func scanEvent(rows *sql.Rows, r *eventRow) error {
	var at, attempt sql.NullInt64
	var id []byte
	var status, name, source, node, cause sql.NullString
	if err := rows.Scan(&r.first, &r.last, &r.seq, &at, &id, &status, &name, &source, &attempt, &node, &cause); err != nil {
		return err
	}
	r.event = task.Event{
		Seq: r.seq.Int64, Time: fromMicros(at.Int64), TaskID: toID(id), Name: name.String, Status: task.Status(status.String),
		Attempt: int(attempt.Int64), Node: node.String, Cause: task.Cause(cause.String), Source: task.Source(source.String),
		Cursor: cursorAt(r.seq.Int64),
	}
	return nil
}

// oldEventsSQL finds where the oldest events begin that are to stay: the first that is
// young enough, or the last that is looked at. So there is always one that stays.
const oldEventsSQL = `
WITH oldest AS MATERIALIZED (SELECT seq, at FROM event ORDER BY seq LIMIT ?2)
SELECT coalesce((SELECT min(seq) FROM oldest WHERE at >= ?1), max(seq), 0), coalesce(min(seq), 0) FROM oldest`

// PruneEvents implements [riverstore.EventKeeper].
func (s *Store) PruneEvents(ctx context.Context, keep time.Duration, limit int) (more bool, err error) {
	var from, first int64
	err = s.read.QueryRowContext(ctx, oldEventsSQL, micros(now().Add(-keep)), limit).Scan(&from, &first)
	if err != nil || from == first {
		return false, withCause(err)
	}
	var n int64
	err = s.inTx(ctx, func(w *session) error {
		result, err := w.ExecContext(ctx, "DELETE FROM event WHERE seq < ?", from)
		if err == nil {
			n, err = result.RowsAffected()
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("delete events: %w", err)
	}
	return n >= int64(limit)-1, nil
}

// recordEvents sets whether events are recorded, for all processes that use the file.
func (s *Store) recordEvents(ctx context.Context) error {
	var recording bool
	err := s.read.QueryRowContext(ctx, "SELECT recording FROM event_setting").Scan(&recording)
	if err != nil || recording != s.noEvents {
		return withCause(err)
	}
	return s.inTx(ctx, func(w *session) error {
		_, err := w.ExecContext(ctx, "UPDATE event_setting SET recording = ?", !s.noEvents)
		return err
	})
}
