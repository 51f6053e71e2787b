package riverstore

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

// fakeFleet takes signs of life while up.
type fakeFleet struct {
	Fleet

	mu    sync.Mutex
	down  bool
	beats []time.Time
}

func (f *fakeFleet) Beat(context.Context, *task.Node) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.beats = append(f.beats, time.Now())
	if f.down {
		return errDown
	}
	return nil
}

func (f *fakeFleet) set(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
	f.beats = nil
}

func (f *fakeFleet) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.beats)
}

func beating(t *testing.T) (*pulse, *fakeFleet) {
	t.Helper()
	fleet := new(fakeFleet)
	p := newPulse(fleet, task.Node{ID: "me"}, slog.New(slog.DiscardHandler))
	stop := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() { p.run(stop) })
	t.Cleanup(func() {
		close(stop)
		running.Wait()
	})
	return p, fleet
}

func TestPulseBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, fleet := beating(t)
		require.False(t, p.mayJudge(), "all may have started at once")
		waitFor(t.Context(), graceAtStart+time.Millisecond)
		require.True(t, p.mayJudge())
		waitFor(t.Context(), 20*time.Second)
		require.InDelta(t, 11, fleet.count(), 1)
	})
}

// TestPulseAfterAnOutage: signs of life are tried again soon, and nobody is judged
// until all had time to give one.
func TestPulseAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, fleet := beating(t)
		waitFor(t.Context(), 10*time.Second)
		fleet.set(true)
		waitFor(t.Context(), 10*time.Second)
		require.Greater(t, fleet.count(), 35, "every %v", beatRetry)
		require.False(t, p.mayJudge(), "the database is away")
		fleet.set(false)
		waitFor(t.Context(), beatRetry+time.Millisecond)
		require.Equal(t, 1, fleet.count())
		waitFor(t.Context(), DeadAfter-2*beatRetry)
		require.False(t, p.mayJudge(), "the others' signs of life may be old")
		waitFor(t.Context(), 2*beatRetry)
		require.True(t, p.mayJudge())
	})
}
