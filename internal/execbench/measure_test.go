package execbench

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host"
)

func newBench(t *testing.T) *bench {
	t.Helper()
	engine, err := host.New(t.Context(), host.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, engine.Close(context.Background())) })
	return &bench{dir: t.TempDir(), engine: engine}
}

func TestHistogram(t *testing.T) {
	t.Parallel()
	var empty histogram
	require.Zero(t, empty.percentile(50))
	for d := time.Duration(1); d < time.Hour/2; d += d/3 + 1 {
		var one histogram
		one.add(d)
		require.InEpsilon(t, int64(d), int64(one.percentile(50)), 0.005, d)
		require.Equal(t, d, one.least)
	}
	var odd, even histogram
	for i := 1; i <= 100; i += 2 {
		odd.add(time.Duration(i) * time.Microsecond)
		even.add(time.Duration(i+1) * time.Microsecond)
	}
	even.merge(&odd)
	require.Equal(t, uint64(100), even.total)
	require.Equal(t, time.Microsecond, even.least)
	require.InEpsilon(t, 50_000, int64(even.percentile(50)), 0.005)
	require.InEpsilon(t, 99_000, int64(even.percentile(99)), 0.005)
	even.add(-1)
	even.add(100 * time.Hour) // in the last bucket, with all that is too long
	require.Equal(t, uint64(102), even.total)
}

func TestRepeat(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	found, err := repeat(t.Context(), 0, 4, func(context.Context) error { calls.Add(1); return nil })
	require.NoError(t, err)
	require.Equal(t, int64(4), calls.Load(), "once in each")
	require.Equal(t, uint64(4), found.times.total)
	require.Positive(t, found.rate())

	broken := errors.New("broken")
	_, err = repeat(t.Context(), time.Hour, 4, func(ctx context.Context) error {
		if calls.Add(1) == 8 {
			return broken
		}
		<-ctx.Done() // the others end with it
		return ctx.Err()
	})
	require.ErrorIs(t, err, broken)

	ctx, cancel := context.WithCancel(t.Context())
	_, err = repeat(ctx, time.Hour, 2, func(ctx context.Context) error {
		cancel()
		<-ctx.Done()
		return broken // which is only what that has broken
	})
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, broken)
}

// TestComputing: the ways give the same, and what is compared is the fastest.
func TestComputing(t *testing.T) {
	t.Parallel()
	b := &bench{config: Config{Duration: time.Millisecond}}
	for _, m := range cpuModules() {
		if m.source != "" {
			continue // they take long to compile under the race detector
		}
		b.cpu = append(b.cpu, m)
		require.NoError(t, m.open(t.Context()))
		for _, c := range m.cases {
			require.NoError(t, m.measure(t.Context(), c, time.Millisecond))
		}
		require.NoError(t, m.close(t.Context()))
	}
	require.Positive(t, *b.geomean(1))
	report := b.report()
	require.Len(t, report.Results, 6)
	for i, r := range report.Results {
		require.Equal(t, cpuWays[i%3].name, r.Mode)
		require.Positive(t, *r.Ratio)
	}
	require.Equal(t, 1.0, *report.Results[0].Ratio)
	require.Equal(t, "cpu-small-tight", report.Results[0].Guest)

	one, two := &cpuCase{}, &cpuCase{}
	for i, c := range []*cpuCase{one, two} {
		for way := range c.times {
			c.times[way].add(time.Duration(1+way*(i+1)) * time.Microsecond) // 1 2 3 and 1 3 5
			c.times[way].add(time.Second)
		}
	}
	b.cpu = []*cpuModule{{cases: []*cpuCase{one, two}}}
	require.Equal(t, 2.45, *b.geomean(1), "the root of 2 times 3")
}
