package riverstore

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	waitAtMost = 10 * time.Second
	tick       = time.Millisecond
)

func (g *group[T]) size() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.waiting)
}

func TestGroupGathersWhileOneIsUnderWay(t *testing.T) {
	release := make(chan struct{})
	batches := make(chan []int)
	g := newGroup(3, func(batch []int) {
		batches <- slices.Clone(batch)
		<-release
	})
	g.add(0)
	require.Equal(t, []int{0}, <-batches, "the first is not kept waiting")
	for i := 1; i <= 7; i++ {
		g.add(i)
	}
	for _, want := range [][]int{{1, 2, 3}, {4, 5, 6}, {7}} {
		release <- struct{}{}
		require.Equal(t, want, <-batches)
	}
	close(release)
	require.NoError(t, g.wait(t.Context()))
	require.False(t, g.busy)
}

func TestGroupWait(t *testing.T) {
	release := make(chan struct{})
	g := newGroup(10, func([]int) { <-release })
	require.NoError(t, g.wait(t.Context()), "nothing was ever added")

	g.add(1)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, g.wait(ended), context.Canceled)
	close(release)
	require.NoError(t, g.wait(t.Context()))
	require.NoError(t, g.wait(ended), "an idle group needs no time")
}

func TestGroupWaitsForWhatIsAddedByAFlush(t *testing.T) {
	var flushed atomic.Int64
	var g *group[int]
	g = newGroup(10, func(batch []int) {
		flushed.Add(int64(len(batch)))
		if batch[0] > 0 {
			g.add(batch[0] - 1)
		}
	})
	g.add(5)
	require.NoError(t, g.wait(t.Context()))
	require.EqualValues(t, 6, flushed.Load())
}

// TestGroupConcurrently is a hammer: many callers, each of whom waits for its
// item as the enqueuer's do.
func TestGroupConcurrently(t *testing.T) {
	const callers, each, most = 16, 200, 7
	type item struct {
		caller, n int
		done      chan struct{}
	}
	var flushing atomic.Bool
	var largest int
	seen := make([]int, callers)
	var g *group[*item]
	g = newGroup(most, func(batch []*item) {
		if flushing.Swap(true) {
			t.Error("two flushes at once")
		}
		for largest == 0 && g.size() == 0 {
			runtime.Gosched() // the first waits until there is something to share
		}
		largest = max(largest, len(batch))
		for _, it := range batch {
			if seen[it.caller] != it.n {
				t.Errorf("caller %d: item %d came, want %d", it.caller, it.n, seen[it.caller])
			}
			seen[it.caller]++
			close(it.done)
		}
		flushing.Store(false)
	})
	var group sync.WaitGroup
	for caller := range callers {
		group.Go(func() {
			for n := range each {
				it := &item{caller, n, make(chan struct{})}
				g.add(it)
				<-it.done
			}
		})
	}
	group.Wait()
	require.NoError(t, g.wait(t.Context()))
	for _, n := range seen {
		require.Equal(t, each, n)
	}
	require.Greater(t, largest, 1, "callers share flushes")
	require.LessOrEqual(t, largest, most)
	require.Zero(t, g.size())
}
