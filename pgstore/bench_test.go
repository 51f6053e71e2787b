package pgstore_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/pgtest"
	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/pgstore"
	"github.com/taskhost/taskhost/task"
)

func benchStore(b *testing.B) *pgstore.Store {
	b.Helper()
	store, err := pgstore.Open(b.Context(), pgstore.Config{URL: pgtest.Database(b)})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, store.Close()) })
	_, err = store.PutVersion(b.Context(), modules.Version{
		Module: "m", Digest: "d",
		Definitions: []task.Definition{{Name: "noop", Executor: task.Wasm, Options: task.Options{Executor: task.Wasm}.WithDefaults()}},
	}, []byte("d"))
	require.NoError(b, err)
	return store
}

// BenchmarkWork claims, runs and ends tasks that do nothing, out of a backlog.
func BenchmarkWork(b *testing.B) {
	for _, slots := range []int{10, 100, 500} {
		b.Run(fmt.Sprintf("slots=%d", slots), func(b *testing.B) {
			store := benchStore(b)
			requests := make([]task.Request, min(b.N, 1000))
			for i := range requests {
				requests[i] = task.Request{Name: "noop", Args: []byte(`{"n":1}`)}
			}
			for left := b.N; left > 0; left -= len(requests) {
				_, err := store.EnqueueMany(b.Context(), requests[:min(left, len(requests))])
				require.NoError(b, err)
			}
			var done atomic.Int64
			finished := make(chan struct{})
			b.ResetTimer()
			require.NoError(b, store.Start(b.Context(), handlerFunc(func(context.Context, *task.Execution, task.LogSink) task.Outcome {
				if done.Add(1) == int64(b.N) {
					close(finished)
				}
				return task.Outcome{Result: []byte(`{"ok":true}`)}
			}), pgstore.ServeConfig{Node: "bench", Slots: map[task.Executor]int{task.Wasm: slots}, LogInterval: time.Second}))
			<-finished
			require.NoError(b, store.Stop(b.Context()))
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
		})
	}
}

// BenchmarkEnqueue stores single tasks from concurrent callers, who share
// commits.
func BenchmarkEnqueue(b *testing.B) {
	for _, callers := range []int{1, 16} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			store := benchStore(b)
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range callers {
				wg.Go(func() {
					for next.Add(1) <= int64(b.N) {
						if _, err := store.Enqueue(b.Context(), task.Request{Name: "noop", Args: []byte(`{"n":1}`)}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
		})
	}
}

// BenchmarkEnqueueMany stores a thousand tasks in a transaction.
func BenchmarkEnqueueMany(b *testing.B) {
	store := benchStore(b)
	requests := make([]task.Request, 1000)
	for i := range requests {
		requests[i] = task.Request{Name: "noop", Args: []byte(`{"n":1}`)}
	}
	b.ResetTimer()
	for range b.N {
		_, err := store.EnqueueMany(b.Context(), requests)
		require.NoError(b, err)
	}
	b.ReportMetric(float64(b.N*len(requests))/b.Elapsed().Seconds(), "tasks/s")
}
