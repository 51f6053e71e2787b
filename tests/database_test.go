package tests_test

import (
	"database/sql"
	"encoding/hex"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the database driver "sqlite"
)

// file is the SQLite file of a data directory, opened to be read and no more.
type file struct{ db *sql.DB }

// readFile opens the file of a data directory, whether a server works it or
// not.
func readFile(t *testing.T, dir string) *file {
	t.Helper()
	dsn := url.URL{
		Scheme: "file", Opaque: (&url.URL{Path: filepath.Join(dir, "taskhost.db")}).EscapedPath(),
		RawQuery: url.Values{"mode": {"ro"}, "_pragma": {"query_only(1)", "busy_timeout(10000)"}}.Encode(),
	}
	db, err := sql.Open("sqlite", dsn.String())
	require.NoError(t, err)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return &file{db}
}

// readCopy opens a copy of the file of a server that was killed, so that the
// next server finds the file and its log as they were left.
func readCopy(t *testing.T, dir string) *file {
	t.Helper()
	to := t.TempDir()
	copyTree(t, dir, to, "taskhost.db")
	return readFile(t, to)
}

// number reads one number.
func (f *file) number(t *testing.T, query string, args ...any) int {
	t.Helper()
	var n int
	require.NoError(t, f.db.QueryRowContext(t.Context(), query, args...).Scan(&n), query)
	return n
}

// texts reads a column.
func (f *file) texts(t *testing.T, query string, args ...any) []string {
	t.Helper()
	rows, err := f.db.QueryContext(t.Context(), query, args...)
	require.NoError(t, err, query)
	defer rows.Close()
	var texts []string
	for rows.Next() {
		var text string
		require.NoError(t, rows.Scan(&text))
		texts = append(texts, text)
	}
	require.NoError(t, rows.Err())
	return texts
}

type counts struct{ tasks, pending, running, tickets int }

func (f *file) counts(t *testing.T) counts {
	t.Helper()
	var c counts
	require.NoError(t, f.db.QueryRowContext(t.Context(), `
		SELECT count(*), coalesce(sum(status = 'pending'), 0), coalesce(sum(status = 'running'), 0), (SELECT count(*) FROM river_job)
		FROM task`).Scan(&c.tasks, &c.pending, &c.running, &c.tickets))
	return c
}

// requireTickets checks that a task is pending exactly when it has a ticket, and
// that it then has one.
func (f *file) requireTickets(t *testing.T) {
	t.Helper()
	pending := f.texts(t, "SELECT lower(hex(id)) FROM task WHERE status = 'pending' ORDER BY 1")
	tickets := f.texts(t, "SELECT replace(args ->> 'task_id', '-', '') FROM river_job ORDER BY 1")
	require.Equal(t, pending, tickets)
}

// storedTask is a row of the table of tasks.
type storedTask struct {
	id, key, name, status string
	attempt, crashes      int
	lease, ended          int64
	requeue               bool
	result                []byte
}

func (f *file) tasks(t *testing.T) map[string]storedTask {
	t.Helper()
	rows, err := f.db.QueryContext(t.Context(), `
		SELECT id, coalesce(idempotency_key, ''), name, status, attempt, crashes, lease, coalesce(ended_at, 0), requeue_on_interrupt, result FROM task`)
	require.NoError(t, err)
	defer rows.Close()
	out := make(map[string]storedTask)
	for rows.Next() {
		var s storedTask
		var id []byte
		require.NoError(t, rows.Scan(&id, &s.key, &s.name, &s.status, &s.attempt, &s.crashes, &s.lease, &s.ended, &s.requeue, &s.result))
		s.id = idText(id)
		out[s.id] = s
	}
	require.NoError(t, rows.Err())
	return out
}

// storedAttempt is a row of the table of attempts.
type storedAttempt struct {
	attempt        int
	lease          int64
	outcome, cause string
	started        int64
}

// attempts reads the attempts of each task, in their order.
func (f *file) attempts(t *testing.T) map[string][]storedAttempt {
	t.Helper()
	rows, err := f.db.QueryContext(t.Context(), `
		SELECT task_id, attempt, lease, outcome, coalesce(cause, ''), started_at FROM attempt ORDER BY task_id, lease`)
	require.NoError(t, err)
	defer rows.Close()
	out := make(map[string][]storedAttempt)
	for rows.Next() {
		var id []byte
		var s storedAttempt
		require.NoError(t, rows.Scan(&id, &s.attempt, &s.lease, &s.outcome, &s.cause, &s.started))
		out[idText(id)] = append(out[idText(id)], s)
	}
	require.NoError(t, rows.Err())
	return out
}

func idText(id []byte) string {
	text := hex.EncodeToString(id)
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}
