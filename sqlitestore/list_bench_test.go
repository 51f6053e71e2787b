package sqlitestore_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/storetest"
	"github.com/taskhost/taskhost/sqlitestore"
)

// fillSQL makes the tasks that [storetest.BenchList] describes, those from ?2 up to ?3.
const fillSQL = `
WITH RECURSIVE n (i) AS (SELECT ?2 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?3),
s AS (
    SELECT i, ?1 + i * 1000000 AS at,
        CASE WHEN i % 1000 = 1 THEN 'pending' WHEN i % 100 = 2 THEN 'failed' WHEN i % 1000 = 3 THEN 'interrupted'
            WHEN i % 1000 = 4 THEN 'cancelled' ELSE 'success' END AS status
    FROM n
), t AS (SELECT *, CASE WHEN status <> 'pending' THEN at + 1000000 END AS started FROM s)
INSERT INTO task (
    id, name, executor, status, priority, ticket, args, args_type, tags, source,
    created_at, run_at, due_at, started_at, attempt_started_at, ended_at,
    attempt, max_attempts, retry_delay, retry_backoff, retry_max_delay, timeout, memory, requeue_on_interrupt, result, error)
SELECT unhex(printf('%012x', at / 1000) || '7' || substr(hex(randomblob(2)), 1, 3) || '8' || substr(hex(randomblob(8)), 1, 15)),
    CASE WHEN i % 1009 = 7 THEN 'n19' ELSE 'n' || (i * 7 % 19) END, 'async', status, 1 + i % 10, CASE WHEN status = 'pending' THEN i END,
    CAST(printf('%.200c', 'a') AS BLOB), 'application/json',
    json_object('customer', 'c' || (i * 31 % 1000), 'region', 'r' || (i / 7 % 5), 'all', 'yes'), 'manual',
    at, at, at, started, started, started + i * 7919 % 100003 * 1000,
    1, 1, 0, 1, 0, 60000000, 67108864, 0, CAST(printf('%.100c', 'r') AS BLOB), CASE WHEN status = 'failed' THEN 'it failed' END
FROM t`

// BenchmarkList lists tasks. TASKHOST_BENCH_TASKS says of how many.
func BenchmarkList(b *testing.B) {
	path := filepath.Join(b.TempDir(), "bench.db")
	store, err := sqlitestore.Open(b.Context(), sqlitestore.Config{Path: path})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, store.Close()) })
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
	require.NoError(b, err)
	defer db.Close()
	const batch = 100_000
	n := storetest.ListBenchTasks(b)
	for first := 0; first < n; first += batch {
		_, err := db.ExecContext(b.Context(), fillSQL, storetest.ListBenchBegin.UnixMicro(), first, min(first+batch, n))
		require.NoError(b, err)
	}
	_, err = db.ExecContext(b.Context(), `
		INSERT INTO task_tag (key, value, task_id) SELECT t.key, t.value, task.id FROM task, json_each(task.tags) t ORDER BY 1, 2, 3`)
	require.NoError(b, err)
	storetest.BenchList(b, store, storetest.ListBenchBegin, n)
}
