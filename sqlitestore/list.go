package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// dialect is how lists are written here.
var dialect = riverstore.Dialect{
	ID:          func(id task.ID) any { return id[:] },
	Running:     " INDEXED BY task_running", // it has no figures to see by that they are few
	Duration:    "(t.ended_at - t.started_at)",
	DurationArg: "?",
}

// SelectIDs implements [riverstore.Controller].
func (s *Store) SelectIDs(ctx context.Context, selection *riverstore.Selection) ([]task.ID, error) {
	raw, err := queryAll(ctx, s.read, func(rows *sql.Rows, id *[]byte) error { return rows.Scan(id) },
		"SELECT id FROM ("+selection.Text+") t ORDER BY "+selection.Order, selection.Args...)
	if err != nil {
		return nil, fmt.Errorf("list tasks: %w", withCause(err))
	}
	ids := make([]task.ID, len(raw))
	for i := range raw {
		ids[i] = toID(raw[i])
	}
	return ids, nil
}

// listColumns leave out what may be long.
var listColumns = strings.Replace(taskColumns, "trace", "NULL", 1)

// SelectTasks implements [riverstore.Controller].
func (s *Store) SelectTasks(ctx context.Context, selection *riverstore.Selection) ([]task.Task, error) {
	tasks, err := queryAll(ctx, s.read, func(rows *sql.Rows, t *task.Task) error {
		err := scanTask(s.vault, rows, t)
		t.Trace = "" // it may have been sealed with the error
		return err
	},
		"SELECT "+listColumns+" FROM task t WHERE id IN (SELECT id FROM ("+selection.Text+")) ORDER BY "+selection.Order, selection.Args...)
	if err != nil {
		return nil, fmt.Errorf("list tasks: %w", withCause(err))
	}
	return tasks, nil
}

// CountTag implements [riverstore.Controller].
func (s *Store) CountTag(ctx context.Context, key, value string, limit int) (n int, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM task_tag WHERE key = ? AND value = ? LIMIT ?)", key, value, limit).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count a tag: %w", withCause(err))
	}
	return n, nil
}
