package wasi

import (
	"context"
	"math"
	"time"

	"github.com/tetratelabs/wazero/api"
)

// Clocks. WASI has two more, of processor time, which a task does not get.
const (
	clockRealtime  = 0
	clockMonotonic = 1
)

// now reads a clock, and tells whether there is one of that number.
func (e *Execution) now(clock uint32) (nanoseconds uint64, ok bool) {
	switch clock {
	case clockRealtime:
		return e.wall(), true
	case clockMonotonic:
		return e.monotonic(), true
	default:
		return 0, false
	}
}

// until gives how long it is until a clock shows at.
func (e *Execution) until(clock uint32, at uint64) (time.Duration, bool) {
	now, ok := e.now(clock)
	if !ok || at <= now {
		return 0, ok
	}
	return duration(at - now), true
}

// duration is ns nanoseconds, or the longest duration if that is less.
func duration(ns uint64) time.Duration {
	return time.Duration(min(ns, math.MaxInt64))
}

func clockResGet(_ context.Context, mod api.Module, stack []uint64) errno {
	if clock := uint32(stack[0]); clock != clockRealtime && clock != clockMonotonic {
		return inval
	}
	if !memoryOf(mod).putUint64(uint32(stack[1]), 1) {
		return fault
	}
	return success
}

// clockTimeGet ignores the precision that a guest would be content with.
func clockTimeGet(ctx context.Context, mod api.Module, stack []uint64) errno {
	now, ok := executionOf(ctx).now(uint32(stack[0]))
	if !ok {
		return inval
	}
	if !memoryOf(mod).putUint64(uint32(stack[2]), now) {
		return fault
	}
	return success
}
