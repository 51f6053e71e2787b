package wasi_test

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host/wasi"
)

// hotCalls are those that a guest makes many of. They are small.
var hotCalls = map[string][]uint64{
	"clock_time_get": {monotonic, 0, 64},
	"random_get":     {64, 16},
	"fd_write":       {1, 0, 1, 64},
	"fd_read":        {0, 0, 1, 64},
	"sched_yield":    {},
	"path_open":      {3, 0, 0, 0, 0, 0, 0, 0, 0},
}

// repeat makes a call n times within one call into the guest.
func (c *caller) repeat(name string, n int) error {
	stack := append(append([]uint64{}, hotCalls[name]...), uint64(n))
	return c.ExportedFunction("repeat_"+name).CallWithStack(c.ctx, stack)
}

func newHotCaller(t testing.TB) *caller {
	c := newCaller(t, newRuntime(t), 1)
	c.put(0, 100, 32)
	return c.with(context.Background(), &wasi.Execution{Stdout: io.Discard, Random: zeros{}})
}

// TestAllocations holds that calls leave the host no garbage. What entering
// the guest costs is the same for one call and for a thousand.
func TestAllocations(t *testing.T) {
	c := newHotCaller(t)
	for name := range hotCalls {
		allocations := func(n int) float64 {
			return testing.AllocsPerRun(10, func() { require.NoError(t, c.repeat(name, n)) })
		}
		require.Less(t, allocations(1000), allocations(1)+50, name)
	}
}

func BenchmarkCalls(b *testing.B) {
	c := newHotCaller(b)
	for name := range hotCalls {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			if err := c.repeat(name, b.N); err != nil {
				b.Fatal(err)
			}
		})
	}
	b.Run("random_get/crypto", func(b *testing.B) {
		b.ReportAllocs()
		// Without an execution, randomness is the real one and not limited.
		plain := &caller{b, c.Module, context.Background()}
		if err := plain.repeat("random_get", b.N); err != nil {
			b.Fatal(err)
		}
	})
}
