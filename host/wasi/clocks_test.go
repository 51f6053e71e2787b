package wasi_test

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host/wasi"
)

const realtime, monotonic = 0, 1

func TestClocks(t *testing.T) {
	c := newCaller(t, newRuntime(t), 1)
	before := uint64(time.Now().UnixNano())
	require.Equal(t, success, c.call("clock_time_get", realtime, 0, 8))
	require.GreaterOrEqual(t, c.uint64(8), before)
	require.LessOrEqual(t, c.uint64(8), uint64(time.Now().UnixNano()))

	last := uint64(0)
	for range 1000 {
		require.Equal(t, success, c.call("clock_time_get", monotonic, 0, 8))
		now := c.uint64(8)
		require.NotZero(t, now, "Go's runtime does not start at zero")
		require.GreaterOrEqual(t, now, last)
		last = now
	}

	for clock := range uint64(2) {
		require.Equal(t, success, c.call("clock_res_get", clock, 16))
		require.Equal(t, uint64(1), c.uint64(16))
		require.Equal(t, fault, c.call("clock_res_get", clock, 65536-7))
		require.Equal(t, fault, c.call("clock_time_get", clock, 0, 65536-7))
		require.Equal(t, success, c.call("clock_time_get", clock, 0, 65536-8))
	}
	for _, clock := range []uint64{2, 3, 4, math.MaxUint32} {
		require.Equal(t, inval, c.call("clock_res_get", clock, 16))
		require.Equal(t, inval, c.call("clock_time_get", clock, 0, 16))
	}
}

func TestClocksOfExecution(t *testing.T) {
	instance := newCaller(t, newRuntime(t), 1)
	for at, want := range map[time.Time]uint64{
		time.Unix(0, 1):             1,
		time.Unix(-1, 999_999_999):  0,
		{}:                          0,
		time.Unix(1<<33, 7):         1<<33*1_000_000_000 + 7, // the year 2242
		time.Unix(1<<34, 7):         1<<34*1_000_000_000 + 7, // 2514: more than an int64
		time.Unix(math.MaxInt64, 0): math.MaxUint64,
	} {
		c := instance.with(context.Background(), &wasi.Execution{WallClock: func() time.Time { return at }})
		require.Equal(t, success, c.call("clock_time_get", realtime, 0, 8))
		require.Equal(t, want, c.uint64(8), at)
	}
	for now, want := range map[int64]uint64{42: 42, -1: 0, math.MaxInt64: math.MaxInt64} {
		c := instance.with(context.Background(), &wasi.Execution{Monotonic: func() int64 { return now }})
		require.Equal(t, success, c.call("clock_time_get", monotonic, 0, 8))
		require.Equal(t, want, c.uint64(8))
	}
}
