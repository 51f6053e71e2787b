package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// Lateness measures how long after their time retries and delayed tasks start, on a
// node that does nothing else, by the database's clock. Waits differ from turn to turn,
// so that they fall anywhere between two looks of the node.
func Lateness(b *testing.B, store Store) {
	b.Helper()
	retried := function("retried", task.Options{Retries: 1, Delay: 160 * time.Millisecond, Jitter: 0.7})
	delayed := function("delayed")
	work := handler(func(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		if exec.Task.Name == "retried" && exec.Task.Attempt == 1 {
			return fails("again")
		}
		return task.Outcome{}
	})
	require.NoError(b, store.Start(b.Context(), work, riverstore.ServeConfig{
		Node: "node", Slots: only(task.Async, 10), Functions: []task.Definition{retried, delayed}, LogInterval: 100 * time.Millisecond,
	}))
	waits := make(map[string][]time.Duration)
	for turn := 0; b.Loop(); turn++ {
		for name, delay := range map[string]time.Duration{"retried": 0, "delayed": 50*time.Millisecond + time.Duration(turn*37%110)*time.Millisecond} {
			id, err := store.Enqueue(b.Context(), task.Request{Name: name, EnqueueOptions: task.EnqueueOptions{Delay: delay}})
			require.NoError(b, err)
			require.NoError(b, store.Await(b.Context(), id))
			attempts, err := store.Attempts(b.Context(), id)
			require.NoError(b, err)
			waits[name] = append(waits[name], attempts[len(attempts)-1].QueueWait)
		}
	}
	for name, all := range waits {
		slices.Sort(all)
		for _, p := range []int{50, 99, 100} {
			at := all[min(len(all)*p/100, len(all)-1)]
			b.ReportMetric(at.Seconds()*1000, fmt.Sprintf("%s-p%d-ms", name, p))
		}
	}
	require.NoError(b, store.Stop(b.Context()))
}
