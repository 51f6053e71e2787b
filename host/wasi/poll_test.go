package wasi_test

import (
	"context"
	"encoding/binary"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host/wasi"
)

const absolute = 1

// clockSub is a subscription to a clock, fdSub one to a descriptor.
func clockSub(userdata uint64, clock uint32, timeout uint64, flags uint16) []byte {
	b := make([]byte, 48)
	binary.LittleEndian.PutUint64(b, userdata)
	binary.LittleEndian.PutUint32(b[16:], clock)
	binary.LittleEndian.PutUint64(b[24:], timeout)
	binary.LittleEndian.PutUint16(b[40:], flags)
	return b
}

func fdSub(userdata uint64, kind byte, fd uint32) []byte {
	b := make([]byte, 48)
	binary.LittleEndian.PutUint64(b, userdata)
	b[8] = kind
	binary.LittleEndian.PutUint32(b[16:], fd)
	return b
}

type event struct {
	userdata uint64
	err      errno
	kind     byte
	bytes    uint64
}

// poll subscribes, and gives the events there were and how long that took.
func (c *caller) poll(subscriptions ...[]byte) ([]event, time.Duration) {
	c.t.Helper()
	for i, s := range subscriptions {
		require.True(c.t, c.Memory().Write(1024+uint32(i)*48, s))
	}
	start := time.Now()
	require.Equal(c.t, success, c.call("poll_oneoff", 1024, 8192, uint64(len(subscriptions)), 0))
	took := time.Since(start)
	var events []event
	for i := range c.uint32(0) {
		b := c.bytes(8192+i*32, 32)
		events = append(events, event{
			userdata: binary.LittleEndian.Uint64(b),
			err:      errno(binary.LittleEndian.Uint16(b[8:])),
			kind:     b[10],
			bytes:    binary.LittleEndian.Uint64(b[16:]),
		})
	}
	return events, took
}

// TestSleep is in a bubble of its own time, in which hours pass at once and
// exactly.
func TestSleep(t *testing.T) {
	instance := newCaller(t, newRuntime(t), 1)
	at := func(now time.Time, d time.Duration) uint64 { return uint64(now.Add(d).UnixNano()) }
	now := uint64(time.Hour)
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // of every bubble
	clock := func() int64 { return int64(now) + int64(time.Since(start)) }
	tests := []struct {
		name string
		subs [][]byte
		want []uint64 // userdata of the events
		took time.Duration
	}{
		{"relative", [][]byte{clockSub(7, monotonic, 3e9, 0)}, []uint64{7}, 3 * time.Second},
		{"time of day", [][]byte{clockSub(7, realtime, 3e9, 0)}, []uint64{7}, 3 * time.Second},
		{"none", [][]byte{clockSub(7, monotonic, 0, 0)}, []uint64{7}, 0},
		{"until", [][]byte{clockSub(7, monotonic, now+5e9, absolute)}, []uint64{7}, 5 * time.Second},
		{"until in the past", [][]byte{clockSub(7, monotonic, now-1, absolute)}, []uint64{7}, 0},
		{"until a date", [][]byte{clockSub(7, realtime, at(start, time.Minute), absolute)}, []uint64{7}, time.Minute},
		{"until a date in the past", [][]byte{clockSub(7, realtime, 5, absolute)}, []uint64{7}, 0},
		{
			"the first of several",
			[][]byte{clockSub(1, monotonic, 9e9, 0), clockSub(2, monotonic, 2e9, 0), clockSub(3, realtime, 2e9, 0)},
			[]uint64{2, 3},
			2 * time.Second,
		},
		{
			"not at all where a stream is ready",
			[][]byte{clockSub(1, monotonic, 9e9, 0), fdSub(2, 2, 1), clockSub(3, monotonic, 0, 0)},
			[]uint64{2, 3},
			0,
		},
		{"unknown clock", [][]byte{clockSub(1, 2, 9e9, 0), clockSub(2, monotonic, 9e9, 0)}, []uint64{1}, 0},
		{"unknown flag", [][]byte{clockSub(1, monotonic, 9e9, 2)}, []uint64{1}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				require.True(t, time.Now().Equal(start))
				events, took := instance.with(t.Context(), &wasi.Execution{Monotonic: clock}).poll(test.subs...)
				var got []uint64
				for _, e := range events {
					got = append(got, e.userdata)
					require.Equal(t, test.name == "unknown clock" || test.name == "unknown flag", e.err == inval)
				}
				require.Equal(t, test.want, got)
				require.Equal(t, test.took, took)
			})
		})
	}
}

// TestSleepIsStopped holds that a context ends a sleep, and the guest with it.
func TestSleepIsStopped(t *testing.T) {
	r := newRuntime(t)
	for _, timeout := range []uint64{10e9, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64} {
		for _, flags := range []uint16{0, absolute} {
			c := newCaller(t, r, 1)
			require.True(t, c.Memory().Write(0, clockSub(0, monotonic, timeout, flags)))
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
				defer cancel()
				start := time.Now()
				_, err := c.ExportedFunction("poll_oneoff").Call(ctx, 0, 64, 1, 128)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, 4*time.Second, time.Since(start))
			})
			require.False(t, c.IsClosed())
			require.Zero(t, c.bytes(128, 1)[0], "nothing is written to a guest that has ended")
		}
	}
}

func TestPollWhenDone(t *testing.T) {
	c := newCaller(t, newRuntime(t), 1)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := c.ExportedFunction("poll_oneoff").Call(ctx, 0, 64, 1, 128)
	require.ErrorIs(t, err, context.Canceled, "even without a sleep, so that no loop of polls goes on")
}

// TestClockSetBack sets the time of day back while a guest waits for a date.
func TestClockSetBack(t *testing.T) {
	times := []time.Time{time.Unix(100, 0), time.Unix(50, 0)}
	e := &wasi.Execution{WallClock: func() time.Time {
		now := times[0]
		times = times[1:]
		return now
	}}
	c := newCaller(t, newRuntime(t), 1).with(context.Background(), e)
	events, _ := c.poll(clockSub(7, realtime, 100e9+1, absolute))
	require.Equal(t, []event{{userdata: 7}}, events, "a poll that waited has something to show for it")
}

func TestPollStreams(t *testing.T) {
	e := &wasi.Execution{Stdin: []byte("abc")}
	c := newCaller(t, newRuntime(t), 1).with(context.Background(), e)
	events, _ := c.poll(
		fdSub(1, 1, 0), fdSub(2, 2, 1), fdSub(3, 2, 2),
		fdSub(4, 1, 1), fdSub(5, 2, 0), fdSub(6, 1, 3), fdSub(7, 2, math.MaxUint32),
	)
	require.Equal(t, []event{
		{1, success, 1, 3},
		{2, success, 2, 64 << 10},
		{3, success, 2, 64 << 10},
		{4, badf, 1, 0},
		{5, badf, 2, 0},
		{6, badf, 1, 0},
		{7, badf, 2, 0},
	}, events)
}

func TestPollInvalid(t *testing.T) {
	c := newCaller(t, newRuntime(t), 2)
	const in, out, count = 0, 65536, 130_000
	require.Equal(t, inval, c.call("poll_oneoff", in, out, 0, count))
	require.Equal(t, success, c.call("poll_oneoff", in, out, 1024, count))
	require.Equal(t, uint32(1024), c.uint32(count))
	for _, n := range []uint64{1025, 1 << 16, 0x05555556, 0x08000000, 0x10000000, math.MaxUint32} {
		require.Equal(t, inval, c.call("poll_oneoff", in, out, n, count), n)
	}
	end := uint64(2 * 65536)
	require.Equal(t, fault, c.call("poll_oneoff", end-47, out, 1, count))
	require.Equal(t, fault, c.call("poll_oneoff", in, end-31, 1, count))
	require.Equal(t, fault, c.call("poll_oneoff", in, out, 1, end-3))
	require.Equal(t, success, c.call("poll_oneoff", end-48, end-32, 1, end-4))

	require.True(t, c.Memory().Write(0, fdSub(0, 3, 0)))
	require.Equal(t, inval, c.call("poll_oneoff", in, out, 1, count), "there is no such event")
}

// TestPollInPlace lets the events overwrite the subscriptions.
func TestPollInPlace(t *testing.T) {
	c := newCaller(t, newRuntime(t), 1)
	for i := range uint32(4) {
		require.True(t, c.Memory().Write(i*48, fdSub(uint64(i)+1, 2, 1)))
	}
	require.Equal(t, success, c.call("poll_oneoff", 0, 0, 4, 1024))
	require.Equal(t, uint32(4), c.uint32(1024))
	for i := range uint32(4) {
		require.Equal(t, uint64(i)+1, c.uint64(i*32))
	}
}
