package host

import (
	"sync/atomic"
	"time"
)

// stopwatch measures the processor time of executions of one module. Asking the
// system takes longer than a small execution does, so it is asked only where the
// last one was not small.
type stopwatch struct{ long atomic.Bool }

// small is up to how long an execution counts as such: all of it is then taken for
// processor time.
const small = 200 * time.Microsecond

// start begins to measure, on this goroutine, until the function that it returns is
// called.
func (s *stopwatch) start() func() (wall, processor time.Duration) {
	started := time.Now()
	stop := func() time.Duration { return -1 }
	if s.long.Load() {
		stop = threadTime()
	}
	return func() (wall, processor time.Duration) {
		processor, wall = stop(), time.Since(started)
		s.long.Store(wall > small)
		if processor < 0 {
			processor = wall
		}
		return wall, processor
	}
}
