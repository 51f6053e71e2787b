package storetest

import (
	"context"
	"database/sql"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

const (
	// benchRows is how many tasks have ended, unless TASKHOST_BENCH_ROWS says otherwise.
	benchRows = 20_000
	// benchWork is how many are worked in each turn.
	benchWork = 10_000
)

// BenchRetention works tasks by turns while those that have ended are deleted, and
// while they are not. It reports how much of the speed is left, and how many go in a
// second. db finds the tables by their bare names.
func BenchRetention(b *testing.B, open func() Store, db *sql.DB) {
	b.Helper()
	rows := benchRows
	if text := os.Getenv("TASKHOST_BENCH_ROWS"); text != "" {
		var err error
		rows, err = strconv.Atoi(text)
		require.NoError(b, err)
	}
	store := open()
	require.NoError(b, store.DeclareFunctions(b.Context(), []task.Definition{function("work")}))
	fill(b, store, db, rows)
	require.NoError(b, store.Close())

	var rates [2][]float64
	var spent time.Duration
	gone, n := 0, 0
	for b.Loop() {
		for turn := range 2 {
			keep := task.Retention{}
			if pruned := (n+turn)%2 == 0; pruned {
				keep = task.KeepFor(time.Nanosecond)
			}
			before := ended(b, db)
			rate, took := workAll(b, open(), keep)
			which := 0
			if keep.Success > 0 {
				which, gone, spent = 1, gone+before+benchWork-ended(b, db), spent+took
			}
			rates[which] = append(rates[which], rate)
		}
		n++
	}
	off, on := median(rates[0]), median(rates[1])
	b.ReportMetric(off, "tasks/s")
	b.ReportMetric(on, "tasks/s-pruned")
	b.ReportMetric(on/off, "ratio")
	b.ReportMetric(float64(gone)/spent.Seconds(), "deleted/s")
	b.ReportMetric(float64(ended(b, db)), "rows-left")
}

// fill stores tasks that have ended, with an attempt and two lines each.
func fill(b *testing.B, store Store, db *sql.DB, rows int) {
	b.Helper()
	for rows > 0 {
		requests := make([]task.Request, min(rows, 5000))
		for i := range requests {
			requests[i] = task.Request{Name: "work", Args: []byte(`{"some":"arguments"}`)}
		}
		_, err := store.EnqueueMany(b.Context(), requests)
		require.NoError(b, err)
		rows -= len(requests)
	}
	for _, text := range []string{
		"DELETE FROM river_job",
		"UPDATE task SET status = 'success', ticket = NULL, attempt = 1, lease = 2, started_at = created_at, ended_at = created_at",
		`INSERT INTO attempt (task_id, lease, attempt, node, started_at, ended_at, elapsed, outcome)
			SELECT id, 1, 1, 'n', created_at, created_at, 1, 'success' FROM task`,
		"INSERT INTO task_log (task_id, seq, attempt, at, level, message) SELECT id, 1, 1, created_at, 'info', 'some line that a task logs' FROM task",
		"INSERT INTO task_log (task_id, seq, attempt, at, level, message) SELECT id, 2, 1, created_at, 'info', 'another line that it logs' FROM task",
	} {
		_, err := db.ExecContext(b.Context(), text)
		require.NoError(b, err, text)
	}
}

func ended(b *testing.B, db *sql.DB) (n int) {
	b.Helper()
	require.NoError(b, db.QueryRowContext(b.Context(), "SELECT count(*) FROM task").Scan(&n))
	return n
}

// workAll starts a node, has it work tasks that wait, and says how many it works in a
// second, from the second on in which it looks for what is old.
func workAll(b *testing.B, store Store, keep task.Retention) (rate float64, took time.Duration) {
	b.Helper()
	requests := make([]task.Request, benchWork)
	for i := range requests {
		requests[i] = task.Request{Name: "work", Args: []byte(`{"some":"arguments"}`), EnqueueOptions: task.EnqueueOptions{Delay: 300 * time.Millisecond}}
	}
	var first, last, done atomic.Int64
	all := make(chan struct{})
	begun := time.Now()
	require.NoError(b, store.Start(b.Context(), handler(func(context.Context, *task.Execution, task.LogSink) task.Outcome {
		now := int64(time.Since(begun))
		first.CompareAndSwap(0, now)
		if done.Add(1) == benchWork {
			last.Store(now)
			close(all)
		}
		return task.Outcome{Result: []byte("1")}
	}), riverstore.ServeConfig{
		Node: "bench-" + strconv.FormatInt(begun.UnixNano(), 36), Slots: only(task.Async, 100),
		Functions: []task.Definition{function("work")}, LogInterval: 100 * time.Millisecond, Retention: keep,
	}))
	_, err := store.EnqueueMany(b.Context(), requests)
	require.NoError(b, err)
	<-all
	require.NoError(b, store.Stop(b.Context()))
	took = time.Since(begun)
	require.NoError(b, store.Close())
	return benchWork / time.Duration(last.Load()-first.Load()).Seconds(), took
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}
