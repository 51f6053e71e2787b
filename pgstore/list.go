package pgstore

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// dialect is how lists are written here.
func dialect(schema string) riverstore.Dialect {
	return riverstore.Dialect{
		Schema:      schema + ".",
		ID:          func(id task.ID) any { return [16]byte(id) },
		Duration:    "(t.ended_at - t.started_at)",
		DurationArg: "? * interval '1 microsecond'",
	}
}

// numbered writes arguments as Postgres does. No text of a statement but they holds a
// question mark.
func numbered(text string) string { return strings.ReplaceAll(text, "?", "$") }

// SelectIDs implements [riverstore.Controller].
func (s *Store) SelectIDs(ctx context.Context, selection *riverstore.Selection) ([]task.ID, error) {
	rows, err := s.pool.Query(ctx, numbered("SELECT id FROM ("+selection.Text+") t ORDER BY "+selection.Order), append([]any{s.hot}, selection.Args...)...)
	if err != nil {
		return nil, failed(err, "list tasks")
	}
	ids, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (id task.ID, err error) {
		return id, row.Scan((*[16]byte)(&id))
	})
	return ids, failed(err, "list tasks")
}

// listColumns leave out what may be long.
var listColumns = strings.Replace(taskColumns, "t.trace", "NULL::text", 1)

// SelectTasks implements [riverstore.Controller].
func (s *Store) SelectTasks(ctx context.Context, selection *riverstore.Selection) ([]task.Task, error) {
	text := "SELECT " + listColumns + " FROM (" + selection.Text + ") p JOIN {schema}.task t ON t.id = p.id ORDER BY " + selection.Order
	rows, err := s.pool.Query(ctx, s.text(numbered(text)), append([]any{s.hot}, selection.Args...)...)
	if err != nil {
		return nil, failed(err, "list tasks")
	}
	tasks, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t task.Task, err error) {
		err = s.scanTask(row, &t)
		t.Trace = "" // it may have been sealed with the error
		return t, err
	})
	return tasks, failed(err, "list tasks")
}

// CountTag implements [riverstore.Controller].
func (s *Store) CountTag(ctx context.Context, key, value string, limit int) (n int, err error) {
	err = s.pool.QueryRow(ctx, s.text("SELECT count(*) FROM (SELECT FROM {schema}.task_tag WHERE key = $1 AND value = $2 LIMIT $3) g"), s.hot, key, value, limit).Scan(&n)
	return n, failed(err, "count a tag")
}
