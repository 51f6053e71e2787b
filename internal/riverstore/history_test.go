package riverstore

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

// fakeArchive has so many tasks that have ended, one a second.
type fakeArchive struct {
	mu sync.Mutex
	Keeper

	left     map[task.Status]int
	takes    time.Duration // a batch, for each task in it
	sizes    []int
	collects int
	busy     time.Duration
}

func (a *fakeArchive) Now(context.Context) (time.Time, error) { return time.Now(), nil }

func (a *fakeArchive) Prune(_ context.Context, which *Ended, limit int) (Pruned, error) {
	n := min(limit, a.has(which.Status))
	took := time.Duration(n) * a.takes
	<-time.After(took)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.busy += took
	a.left[which.Status] -= n
	a.sizes = append(a.sizes, n)
	return Pruned{Tasks: n, More: n == limit, Last: which.From.Add(time.Duration(n) * time.Second)}, nil
}

func (a *fakeArchive) has(status task.Status) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.left[status]
}

func (a *fakeArchive) CountEnded(_ context.Context, which *Ended) (int64, error) {
	return int64(a.has(which.Status)), nil
}

func (a *fakeArchive) PruneKeys(context.Context, int) (int, error) { return 0, nil }

func (a *fakeArchive) Alone(ctx context.Context, f func(context.Context) error) error { return f(ctx) }

func (a *fakeArchive) CollectModules(context.Context, int, time.Duration) ([]task.ModuleRef, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.collects++
	return nil, nil
}

func TestClearHistoryInShortBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &fakeArchive{left: map[task.Status]int{task.Success: 100_000}, takes: 50 * time.Microsecond}
		begun := time.Now()
		count, err := ClearHistory(t.Context(), db, task.HistoryFilter{}, false)
		require.NoError(t, err)
		require.EqualValues(t, 100_000, count.Tasks)
		require.Equal(t, map[task.Status]int64{task.Success: 100_000, task.Failed: 0, task.Interrupted: 0, task.Cancelled: 0}, count.ByStatus)
		for _, size := range db.sizes {
			require.LessOrEqual(t, time.Duration(size)*db.takes, 2*paceTarget)
		}
		require.GreaterOrEqual(t, time.Since(begun), 2*db.busy-paceTarget, "it rests for as long as it works")
	})
}

// What takes long for each task comes in small batches, and what takes long for every
// transaction does not.
func TestPaceFindsTheSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			each, fixed time.Duration
			size        int
		}{
			{0, time.Millisecond, paceMost},
			{20 * time.Microsecond, 5 * time.Millisecond, 500},
			{0, 100 * time.Millisecond, paceFair},
			{50 * time.Millisecond, 0, 3},
			{time.Second, 0, 1},
		} {
			p := paceClearing()
			for range 50 {
				require.NoError(t, p.rest(t.Context(), test.fixed+time.Duration(p.size)*test.each))
			}
			require.Equal(t, test.size, p.size)
		}
		p := pacePruning()
		require.NoError(t, p.rest(t.Context(), time.Second))
		require.Equal(t, 4, p.rests)
		<-time.After(paceBehind)
		require.NoError(t, p.rest(t.Context(), time.Second))
		require.Equal(t, 1, p.rests, "it has fallen behind")
	})
}

func TestClearHistoryEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &fakeArchive{left: map[task.Status]int{task.Failed: 1_000_000}, takes: 50 * time.Microsecond}
		enough := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, enough)
		defer cancel()
		count, err := ClearHistory(ctx, db, task.HistoryFilter{}, false)
		require.ErrorIs(t, err, enough)
		require.Positive(t, count.Tasks)
		require.EqualValues(t, 1_000_000-db.left[task.Failed], count.Tasks, "what was deleted is counted")
	})
}

func TestKeepHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &fakeArchive{
			left:  map[task.Status]int{task.Success: 50_000, task.Failed: 10, task.Interrupted: 10, task.Cancelled: 10},
			takes: 20 * time.Microsecond,
		}
		r := &Runner{stop: make(chan struct{}), config: RunnerConfig{
			ServeConfig: ServeConfig{Retention: task.Retention{Success: 30 * 24 * time.Hour, Cancelled: time.Hour}, ModuleVersionsKept: 3},
			Keeper:      db, Logger: slog.New(slog.DiscardHandler),
		}}
		require.Equal(t, time.Minute, r.config.retentionInterval())
		r.background.Go(r.keepHistory)
		<-time.After(time.Minute + time.Second)
		synctest.Wait()
		require.Positive(t, db.has(task.Success), "it takes its time")
		db.mu.Lock()
		require.GreaterOrEqual(t, time.Second, 4*db.busy)
		db.mu.Unlock()
		<-time.After(time.Minute)
		synctest.Wait()
		db.mu.Lock()
		require.Equal(t, map[task.Status]int{task.Success: 0, task.Failed: 10, task.Interrupted: 10, task.Cancelled: 0}, db.left)
		require.Equal(t, 1, db.collects)
		db.mu.Unlock()
		<-time.After(time.Hour)
		synctest.Wait()
		db.mu.Lock()
		require.Equal(t, 2, db.collects)
		db.mu.Unlock()
		close(r.stop)
		r.background.Wait()
	})
}

func TestRetentionInterval(t *testing.T) {
	for keep, want := range map[time.Duration]time.Duration{
		0: time.Minute, time.Millisecond: 100 * time.Millisecond, 10 * time.Second: time.Second, time.Hour: time.Minute,
	} {
		config := ServeConfig{Retention: task.Retention{Interrupted: keep}}
		require.Equal(t, want, config.retentionInterval(), keep)
	}
}
