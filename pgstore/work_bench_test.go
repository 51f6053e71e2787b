package pgstore_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/pgtest"
	"github.com/taskhost/taskhost/internal/storetest"
	"github.com/taskhost/taskhost/pgstore"
	"github.com/taskhost/taskhost/task"
)

// BenchmarkWork runs 10,000 tasks that do nothing: on one node with 100 slots, on two
// that share them, and on one where TASKHOST_BENCH_TASKS have ended before.
func BenchmarkWork(b *testing.B) {
	b.Run("one node", func(b *testing.B) { benchWork(b, 1, 0) })
	b.Run("two nodes", func(b *testing.B) { benchWork(b, 2, 0) })
	b.Run("one node and a past", func(b *testing.B) { benchWork(b, 1, storetest.ListBenchTasks(b)) })
}

func benchWork(b *testing.B, nodes, past int) {
	b.Helper()
	const tasks, slots = 10_000, 100
	database := pgtest.Database(b)
	store := open(b, pgstore.Config{URL: database})
	require.NoError(b, store.DeclareFunctions(b.Context(), []task.Definition{work()}))
	fill(b, database, past)
	requests := make([]task.Request, 1000)
	for i := range requests {
		requests[i] = task.Request{Name: "work", Args: []byte(`"some arguments"`)}
	}
	var took time.Duration
	for b.Loop() {
		for range tasks / len(requests) {
			_, err := store.EnqueueMany(b.Context(), requests)
			require.NoError(b, err)
		}
		var ran atomic.Int64
		done := make(chan struct{})
		handler := handlerFunc(func(context.Context, *task.Execution, task.LogSink) task.Outcome {
			if ran.Add(1) == tasks {
				close(done)
			}
			return task.Outcome{}
		})
		stores := make([]*pgstore.Store, nodes)
		for i := range stores {
			stores[i] = open(b, pgstore.Config{URL: database})
		}
		begun := time.Now()
		for i, s := range stores {
			config := serveConfig(fmt.Sprintf("node %d", i))
			config.Slots = map[task.Executor]int{task.Async: slots / nodes}
			require.NoError(b, s.Start(b.Context(), handler, config))
		}
		<-done
		for _, s := range stores {
			require.NoError(b, s.Stop(b.Context()))
		}
		took += time.Since(begun)
		for _, s := range stores {
			require.NoError(b, s.Close())
		}
	}
	b.ReportMetric(float64(b.N)*tasks/took.Seconds(), "tasks/s")
}
