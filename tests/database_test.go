package tests_test

import (
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the database driver "pgx"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the database driver "sqlite"
)

// tables are those of a store, opened to be read and no more.
type tables struct {
	db *sql.DB
	// id is the format of an expression that reads an id as 32 digits, and micros
	// of one that reads a time as microseconds since 1970.
	id, micros string
}

// readFile opens the file of a data directory, whether a server works it or
// not.
func readFile(t *testing.T, dir string) *tables {
	t.Helper()
	dsn := url.URL{
		Scheme: "file", Opaque: (&url.URL{Path: filepath.Join(dir, "taskhost.db")}).EscapedPath(),
		RawQuery: url.Values{"mode": {"ro"}, "_pragma": {"query_only(1)", "busy_timeout(10000)"}}.Encode(),
	}
	return openTables(t, "sqlite", dsn.String(), tables{id: "lower(hex(%s))", micros: "%s"})
}

// readCopy opens a copy of the file of a server that was killed, so that the
// next server finds the file and its log as they were left.
func readCopy(t *testing.T, dir string) *tables {
	t.Helper()
	to := t.TempDir()
	copyTree(t, dir, to, "taskhost.db")
	return readFile(t, to)
}

// readPostgres opens the tables in a Postgres database.
func readPostgres(t *testing.T, database string) *tables {
	t.Helper()
	address, err := url.Parse(database)
	require.NoError(t, err)
	query := address.Query()
	query.Set("search_path", "taskhost")
	query.Set("default_transaction_read_only", "on")
	address.RawQuery = query.Encode()
	return openTables(t, "pgx", address.String(), tables{
		id: "replace(%s::text, '-', '')", micros: "(extract(epoch FROM %s) * 1000000)::bigint",
	})
}

func openTables(t *testing.T, driver, dsn string, dialect tables) *tables {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	dialect.db = db
	return &dialect
}

// number reads one number.
func (s *tables) number(t *testing.T, query string, args ...any) int {
	t.Helper()
	var n int
	require.NoError(t, s.db.QueryRowContext(t.Context(), query, args...).Scan(&n), query)
	return n
}

// texts reads a column.
func (s *tables) texts(t *testing.T, query string, args ...any) []string {
	t.Helper()
	var texts []string
	s.each(t, query, args, func(rows *sql.Rows) error {
		var text string
		err := rows.Scan(&text)
		texts = append(texts, text)
		return err
	})
	return texts
}

// each reads rows.
func (s *tables) each(t *testing.T, query string, args []any, scan func(*sql.Rows) error) {
	t.Helper()
	rows, err := s.db.QueryContext(t.Context(), query, args...)
	require.NoError(t, err, query)
	defer rows.Close()
	for rows.Next() {
		require.NoError(t, scan(rows))
	}
	require.NoError(t, rows.Err())
}

type counts struct{ tasks, pending, running, tickets int }

func (s *tables) counts(t *testing.T) counts {
	t.Helper()
	var c counts
	require.NoError(t, s.db.QueryRowContext(t.Context(), `
		SELECT count(*), count(*) FILTER (WHERE status = 'pending'), count(*) FILTER (WHERE status = 'running'),
			(SELECT count(*) FROM river_job)
		FROM task`).Scan(&c.tasks, &c.pending, &c.running, &c.tickets))
	return c
}

// requireTickets checks that a task is pending exactly when it has a ticket, and
// that it then has one. It is one statement, so that it holds at any moment.
func (s *tables) requireTickets(t *testing.T) {
	t.Helper()
	require.Empty(t, s.texts(t, fmt.Sprintf(`
		SELECT 'task ' || %[1]s || ' is ' || status FROM task
		WHERE (status = 'pending') <> EXISTS (SELECT 1 FROM river_job WHERE river_job.id = task.ticket)
		UNION ALL
		SELECT 'ticket ' || river_job.id FROM river_job
		WHERE NOT EXISTS (
			SELECT 1 FROM task
			WHERE ticket = river_job.id AND status = 'pending' AND %[1]s = replace(river_job.args ->> 'task_id', '-', ''))`,
		fmt.Sprintf(s.id, "task.id"))))
}

// requireEvents checks that each change of a task was announced once: its enqueue, and
// each begin and end of an attempt, which make its lease grow.
func (s *tables) requireEvents(t *testing.T) {
	t.Helper()
	require.Empty(t, s.texts(t, fmt.Sprintf(`
		SELECT 'task ' || %[1]s || ' has the lease ' || lease || ', and ' || coalesce(attempts, 0) || ' events of attempts, ' || coalesce(enqueued, 0) || ' of its enqueue'
		FROM task LEFT JOIN (
			SELECT task_id, count(node) AS attempts, sum(CASE WHEN node IS NULL AND status = 'pending' THEN 1 ELSE 0 END) AS enqueued
			FROM event GROUP BY task_id
		) e ON e.task_id = task.id
		WHERE coalesce(attempts, 0) <> lease OR coalesce(enqueued, 0) <> 1`, fmt.Sprintf(s.id, "task.id"))))
}

// storedTask is a row of the table of tasks.
type storedTask struct {
	id, key, name, status, node string
	message                     string // why it ended without success
	attempt, crashes            int
	lease, ended                int64
	requeue                     bool
	result                      []byte
}

func (s *tables) tasks(t *testing.T) map[string]storedTask {
	t.Helper()
	out := make(map[string]storedTask)
	s.each(t, fmt.Sprintf(`
		SELECT %s, coalesce(idempotency_key, ''), name, status, coalesce(node, ''), attempt, crashes, lease,
			coalesce(%s, 0), requeue_on_interrupt, result, coalesce(error, '')
		FROM task`, fmt.Sprintf(s.id, "id"), fmt.Sprintf(s.micros, "ended_at")), nil,
		func(rows *sql.Rows) error {
			var one storedTask
			err := rows.Scan(&one.id, &one.key, &one.name, &one.status, &one.node, &one.attempt, &one.crashes, &one.lease,
				&one.ended, &one.requeue, &one.result, &one.message)
			one.id = idText(one.id)
			out[one.id] = one
			return err
		})
	return out
}

// storedAttempt is a row of the table of attempts. Its times are microseconds
// since 1970.
type storedAttempt struct {
	attempt              int
	lease                int64
	outcome, cause, node string
	started, ended       int64
}

// attempts reads the attempts of each task, in their order.
func (s *tables) attempts(t *testing.T) map[string][]storedAttempt {
	t.Helper()
	out := make(map[string][]storedAttempt)
	s.each(t, fmt.Sprintf(`
		SELECT %s, attempt, lease, outcome, coalesce(cause, ''), node, %s, %s FROM attempt ORDER BY task_id, lease`,
		fmt.Sprintf(s.id, "task_id"), fmt.Sprintf(s.micros, "started_at"), fmt.Sprintf(s.micros, "ended_at")), nil,
		func(rows *sql.Rows) error {
			var id string
			var one storedAttempt
			err := rows.Scan(&id, &one.attempt, &one.lease, &one.outcome, &one.cause, &one.node, &one.started, &one.ended)
			out[idText(id)] = append(out[idText(id)], one)
			return err
		})
	return out
}

// idText writes the 32 digits of an id as the interface does.
func idText(digits string) string {
	return strings.Join([]string{digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]}, "-")
}
