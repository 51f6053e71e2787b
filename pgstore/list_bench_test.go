package pgstore_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/pgtest"
	"github.com/taskhost/taskhost/internal/storetest"
	"github.com/taskhost/taskhost/pgstore"
)

// fillText makes the tasks that [storetest.BenchList] describes.
const fillText = `
WITH made AS (
    INSERT INTO taskhost.task (
        id, name, executor, status, priority, ticket, args, args_type, tags, source,
        created_at, run_at, due_at, started_at, attempt_started_at, ended_at,
        attempt, max_attempts, retry_delay, retry_backoff, retry_max_delay, timeout, memory, requeue_on_interrupt, result, error)
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || left(md5(i::text), 3) || '8' || right(md5(i::text), 15))::uuid,
        CASE WHEN i % 1009 = 7 THEN 'n19' ELSE 'n' || (i * 7 % 19) END, 'async', status, 1 + i % 10, CASE WHEN status = 'pending' THEN i END,
        convert_to(repeat('a', 200), 'UTF8'), 'application/json',
        jsonb_build_object('customer', 'c' || (i * 31 % 1000), 'region', 'r' || (i / 7 % 5), 'all', 'yes'), 'manual',
        at, at, at, started, started, started + i * 7919 % 100003 * interval '1 millisecond',
        1, 1, 0, 1, 0, 60000000, 67108864, false, convert_to(repeat('r', 100), 'UTF8'), CASE WHEN status = 'failed' THEN 'it failed' END
    FROM (
        SELECT i, at, status, CASE WHEN status <> 'pending' THEN at + interval '1 second' END AS started
        FROM (
            SELECT i, $1::timestamptz + i * interval '1 second' AS at,
                CASE WHEN i % 1000 = 1 THEN 'pending' WHEN i % 100 = 2 THEN 'failed' WHEN i % 1000 = 3 THEN 'interrupted'
                    WHEN i % 1000 = 4 THEN 'cancelled' ELSE 'success' END AS status
            FROM generate_series($2::bigint, $3::bigint) i
        ) s
    ) t
    RETURNING id, tags
)
INSERT INTO taskhost.task_tag (key, value, task_id)
SELECT t.key, t.value, made.id FROM made, jsonb_each_text(made.tags) t`

// BenchmarkList lists tasks. TASKHOST_BENCH_TASKS says of how many.
func BenchmarkList(b *testing.B) {
	database := pgtest.Database(b)
	store := open(b, pgstore.Config{URL: database})
	n := storetest.ListBenchTasks(b)
	fill(b, database, n)
	storetest.BenchList(b, store, storetest.ListBenchBegin, n)
}

// fill makes n tasks, of which nearly all have ended.
func fill(b *testing.B, database string, n int) {
	b.Helper()
	conn, err := pgx.Connect(b.Context(), database)
	require.NoError(b, err)
	defer conn.Close(context.WithoutCancel(b.Context()))
	const batch = 20_000
	for first := 0; first < n; first += batch {
		_, err := conn.Exec(b.Context(), fillText, storetest.ListBenchBegin, first, min(first+batch, n)-1)
		require.NoError(b, err)
	}
	// What it leaves to be written would be counted to what comes next.
	for _, statement := range []string{"VACUUM ANALYZE taskhost.task, taskhost.task_tag", "CHECKPOINT"} {
		_, err = conn.Exec(b.Context(), statement)
		require.NoError(b, err)
	}
}
