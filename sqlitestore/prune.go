package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

var _ riverstore.Keeper = (*Store)(nil)

// endedWhere reads one index, in its order.
const endedWhere = `FROM task INDEXED BY task_ended
WHERE status = ?1 AND ended_at >= ?2 AND ended_at < ?3 AND (?4 = '' OR name = ?4)`

const endedSQL = "SELECT id, idempotency_key IS NOT NULL, ended_at " + endedWhere + " ORDER BY ended_at LIMIT ?5"

// The keys that tasks have. Those whose own time is not up outlive their tasks.
const (
	keysOfSQL = `(name, key, task_id) IN (
    SELECT name, idempotency_key, id FROM task WHERE id IN (SELECT unhex(value) FROM json_each(?1)))`
	dropKeysSQL  = "DELETE FROM idempotency_key WHERE " + keysOfSQL + " AND (expires_at IS NULL OR expires_at <= ?2)"
	leaveKeysSQL = "UPDATE idempotency_key SET task_gone = 1 WHERE " + keysOfSQL
)

// withTaskSQL delete what goes with tasks, and the tasks last. They go by the tasks'
// ids: SQLite gives the number of a row that is gone to another.
var withTaskSQL = []string{
	// Tags are found by what they say.
	`DELETE FROM task_tag WHERE (key, value, task_id) IN (
		SELECT e.key, e.value, task.id FROM task, json_each(task.tags) e WHERE task.id IN (SELECT unhex(value) FROM json_each(?)))`,
	"DELETE FROM task_log WHERE task_id IN (SELECT unhex(value) FROM json_each(?))",
	"DELETE FROM attempt WHERE task_id IN (SELECT unhex(value) FROM json_each(?))",
	"DELETE FROM task WHERE id IN (SELECT unhex(value) FROM json_each(?))",
}

// Now implements [riverstore.Archive].
func (s *Store) Now(context.Context) (time.Time, error) { return now(), nil }

// endedTask is a task to delete.
type endedTask struct {
	id    task.ID
	ended int64
	keyed bool
}

// Prune implements [riverstore.Archive]. What has ended does not change any more, so
// the writer's lock is taken only once it is known what to delete.
func (s *Store) Prune(ctx context.Context, which *riverstore.Ended, limit int) (done riverstore.Pruned, err error) {
	found, err := queryAll(ctx, s.read, func(rows *sql.Rows, t *endedTask) error {
		var id []byte
		err := rows.Scan(&id, &t.keyed, &t.ended)
		t.id = toID(id)
		return err
	}, endedSQL, string(which.Status), micros(which.From), micros(which.Before), which.Name, limit)
	if err != nil || len(found) == 0 {
		return done, withCause(err)
	}
	done.More, done.Last = len(found) == limit, fromMicros(found[len(found)-1].ended)
	err = s.inTx(ctx, func(w *session) error {
		n, err := w.deleteTasks(ctx, found)
		done.Tasks = int(n)
		return err
	})
	if err != nil {
		return riverstore.Pruned{}, fmt.Errorf("delete tasks: %w", err)
	}
	return done, nil
}

// deleteTasks deletes tasks and what goes with them. Another process may have been
// first with some.
func (w *session) deleteTasks(ctx context.Context, found []endedTask) (n int64, err error) {
	var ids, keyed []task.ID
	for _, t := range found {
		ids = append(ids, t.id)
		if t.keyed {
			keyed = append(keyed, t.id)
		}
	}
	if len(keyed) > 0 {
		list := hexList(keyed)
		if _, err := w.ExecContext(ctx, dropKeysSQL, list, micros(now())); err != nil {
			return 0, err
		}
		if _, err := w.ExecContext(ctx, leaveKeysSQL, list); err != nil {
			return 0, err
		}
	}
	list := hexList(ids)
	for _, text := range withTaskSQL { // the last one counts
		result, err := w.ExecContext(ctx, text, list)
		if err != nil {
			return 0, err
		}
		if n, err = result.RowsAffected(); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// CountEnded implements [riverstore.Archive].
func (s *Store) CountEnded(ctx context.Context, which *riverstore.Ended) (n int64, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT count(*) "+endedWhere,
		string(which.Status), micros(which.From), micros(which.Before), which.Name).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count tasks: %w", withCause(err))
	}
	return n, nil
}

// PruneKeys implements [riverstore.Archive].
func (s *Store) PruneKeys(ctx context.Context, limit int) (int, error) {
	const over = `task_gone = 1 AND expires_at <= ?1 AND NOT EXISTS (SELECT 1 FROM task WHERE task.id = task_id)`
	var some bool
	// The writer's lock is not taken for nothing.
	if err := s.read.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM idempotency_key WHERE "+over+")", micros(now())).Scan(&some); err != nil || !some {
		return 0, withCause(err)
	}
	var n int64
	err := s.inTx(ctx, func(w *session) error {
		result, err := w.ExecContext(ctx, "DELETE FROM idempotency_key WHERE (name, key) IN (SELECT name, key FROM idempotency_key WHERE "+over+" LIMIT ?2)", micros(now()), limit)
		if err == nil {
			n, err = result.RowsAffected()
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("delete idempotency keys: %w", err)
	}
	return int(n), nil
}

// Alone implements [riverstore.Archive]: whoever works the file is alone.
func (s *Store) Alone(ctx context.Context, f func(ctx context.Context) error) error { return f(ctx) }

// ClearHistory deletes the tasks that a filter chooses, with all that is theirs, and
// counts them; with dry it counts them only. Where ctx ends first, what was deleted by
// then is counted, beside the error.
func (s *Store) ClearHistory(ctx context.Context, filter task.HistoryFilter, dry bool) (*task.HistoryCount, error) {
	return riverstore.ClearHistory(ctx, s, filter, dry)
}
