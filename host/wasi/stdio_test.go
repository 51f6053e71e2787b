package wasi_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host/wasi"
)

func TestWrite(t *testing.T) {
	o := newOutput()
	c := newCaller(t, newRuntime(t), 1).with(context.Background(), &o.Execution)
	require.True(t, c.Memory().Write(1000, []byte("hello, world")))
	c.put(0, 1000, 5, 0xffffffff, 0, 1005, 7) // the address of nothing is not looked at
	require.Equal(t, success, c.call("fd_write", 1, 0, 3, 64))
	require.Equal(t, uint32(12), c.uint32(64))
	require.Equal(t, success, c.call("fd_write", 2, 0, 1, 64))
	require.Equal(t, uint32(5), c.uint32(64))
	require.Equal(t, "hello, world", o.stdout.String())
	require.Equal(t, "hello", o.stderr.String())

	require.Equal(t, success, c.call("fd_write", 1, 0xffffffff, 0, 64), "nothing")
	require.Zero(t, c.uint32(64))
	for _, fd := range []uint64{0, 3, math.MaxUint32} {
		require.Equal(t, badf, c.call("fd_write", fd, 0, 3, 64))
	}
	require.Equal(t, "hello, world", o.stdout.String())
}

// TestWriteIsShort passes more than one call takes.
func TestWriteIsShort(t *testing.T) {
	o := newOutput()
	c := newCaller(t, newRuntime(t), 4).with(context.Background(), &o.Execution)
	c.put(0, 0, 60_000, 0, 60_000, 0, 60_000)
	require.Equal(t, success, c.call("fd_write", 1, 0, 3, 64))
	require.Equal(t, uint32(65_536), c.uint32(64))
	require.Equal(t, 65_536, o.stdout.Len())

	// More buffers than are looked at: the list goes on beyond memory.
	list := uint32(4*65536 - 8*1024)
	for i := range uint32(1024) {
		c.put(list+i*8, 0, 3)
	}
	require.Equal(t, success, c.call("fd_write", 1, uint64(list), 0x20000001, 64))
	require.Equal(t, uint32(3*1024), c.uint32(64))
	require.Equal(t, fault, c.call("fd_write", 1, uint64(list+1), 0x20000001, 64))
}

// TestWriteFlood is one call that would have the host handle 7 GB.
func TestWriteFlood(t *testing.T) {
	wrote := 0
	e := &wasi.Execution{Stdout: writerFunc(func(p []byte) (int, error) {
		wrote += len(p)
		return len(p), nil
	})}
	c := newCaller(t, newRuntime(t), 40).with(context.Background(), e)
	for i := range uint32(7000) {
		c.put(1<<20+i*8, 0, 1<<20)
	}
	start := time.Now()
	require.Equal(t, success, c.call("fd_write", 1, 1<<20, 7000, 64))
	require.Less(t, time.Since(start), 500*time.Millisecond)
	require.Equal(t, uint32(65_536), c.uint32(64))
	require.Equal(t, 65_536, wrote)
}

func TestWriteFails(t *testing.T) {
	instance := newCaller(t, newRuntime(t), 1)
	instance.put(0, 100, 10, 100, 10)
	tests := map[string]struct {
		n   int
		err error
	}{
		"error":          {0, errors.New("full")},
		"error at last":  {10, errors.New("full")},
		"short":          {9, nil},
		"more than all":  {11, nil},
		"less than none": {-1, nil},
	}
	for name, test := range tests {
		e := &wasi.Execution{Stderr: writerFunc(func([]byte) (int, error) { return test.n, test.err })}
		c := instance.with(context.Background(), e)
		require.Equal(t, ioError, c.call("fd_write", 2, 0, 2, 64), name)
		require.Equal(t, success, c.call("fd_write", 1, 0, 2, 64), "the other stream")
	}
}

// TestWriteFault holds that a bad address costs no more than what is at it.
func TestWriteFault(t *testing.T) {
	o := newOutput()
	c := newCaller(t, newRuntime(t), 1).with(context.Background(), &o.Execution)
	c.put(0, 100, 10, 65_530, 7, 100, 10)
	require.Equal(t, success, c.call("fd_write", 1, 0, 3, 64))
	require.Equal(t, uint32(10), c.uint32(64), "as much as came before")
	require.Equal(t, fault, c.call("fd_write", 1, 8, 2, 64))
	require.Equal(t, fault, c.call("fd_write", 1, 0, 3, 65_533), "nowhere to put the count")
	require.Equal(t, fault, c.call("fd_write", 1, 65_529, 1, 64))
	require.Equal(t, 10, o.stdout.Len())
}

func TestRead(t *testing.T) {
	e := &wasi.Execution{Stdin: []byte("hello, world")}
	c := newCaller(t, newRuntime(t), 1).with(context.Background(), e)
	c.put(0, 1000, 3, 0xffffffff, 0, 2000, 4)
	require.Equal(t, success, c.call("fd_read", 0, 0, 3, 64))
	require.Equal(t, uint32(7), c.uint32(64))
	require.Equal(t, "hel", string(c.bytes(1000, 3)))
	require.Equal(t, "lo, ", string(c.bytes(2000, 4)))

	require.Equal(t, fault, c.call("fd_read", 0, 0, 3, 65_533), "and nothing is lost")
	c.put(0, 65_530, 7)
	require.Equal(t, fault, c.call("fd_read", 0, 0, 1, 64), "nor here")
	c.put(0, 3000, 2, 65_530, 7)
	require.Equal(t, success, c.call("fd_read", 0, 0, 2, 64))
	require.Equal(t, uint32(2), c.uint32(64))

	c.put(0, 3000, 100)
	require.Equal(t, success, c.call("fd_read", 0, 0, 1, 64))
	require.Equal(t, uint32(3), c.uint32(64))
	require.Equal(t, "rld", string(c.bytes(3000, 3)))
	require.Equal(t, success, c.call("fd_read", 0, 0, 1, 64))
	require.Zero(t, c.uint32(64), "the end")

	for _, fd := range []uint64{1, 2, 3, math.MaxUint32} {
		require.Equal(t, badf, c.call("fd_read", fd, 0, 1, 64))
	}
}

func TestReadIsShort(t *testing.T) {
	input := bytes.Repeat([]byte("0123456789"), 10_000)
	c := newCaller(t, newRuntime(t), 4).with(context.Background(), &wasi.Execution{Stdin: input})
	c.put(0, 1024, 200_000)
	require.Equal(t, success, c.call("fd_read", 0, 0, 1, 64))
	require.Equal(t, uint32(65_536), c.uint32(64))
	require.Equal(t, success, c.call("fd_read", 0, 0, 1, 64))
	require.Equal(t, uint32(100_000-65_536), c.uint32(64))
}

// TestExecutionsAreApart uses one instance for one execution after another.
func TestExecutionsAreApart(t *testing.T) {
	instance := newCaller(t, newRuntime(t), 1)
	instance.put(0, 100, 4)
	for _, word := range []string{"one.", "two."} {
		o := newOutput()
		o.Stdin = []byte(word)
		c := instance.with(context.Background(), &o.Execution)
		require.Equal(t, success, c.call("fd_read", 0, 0, 1, 64))
		require.Equal(t, success, c.call("fd_close", 1))
		require.Equal(t, success, c.call("fd_write", 1, 0, 1, 64))
		require.Equal(t, word, o.stdout.String())
	}
	require.Equal(t, success, instance.call("fd_read", 0, 0, 1, 64))
	require.Zero(t, instance.uint32(64), "without an execution there is no input")
	require.Equal(t, success, instance.call("fd_write", 1, 0, 1, 64))
	require.Equal(t, uint32(4), instance.uint32(64), "and output is discarded")
}

// TestStreamTypes: a stream is a terminal or a pipe, as the execution says.
func TestStreamTypes(t *testing.T) {
	instance := newCaller(t, newRuntime(t), 1)
	for _, test := range []struct {
		execution *wasi.Execution
		want      byte
	}{{nil, 2}, {&wasi.Execution{}, 2}, {&wasi.Execution{Pipes: true}, 0}} {
		c := instance
		if test.execution != nil {
			c = instance.with(context.Background(), test.execution)
		}
		for fd := range uint64(3) {
			require.Equal(t, success, c.call("fd_fdstat_get", fd, 100))
			require.Equal(t, test.want, c.bytes(100, 1)[0])
			require.Equal(t, success, c.call("fd_filestat_get", fd, 200))
			require.Equal(t, test.want, c.bytes(216, 1)[0])
		}
	}
}
