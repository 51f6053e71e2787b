package wasi_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host/wasi"
)

func TestStrings(t *testing.T) {
	instance := newCaller(t, newRuntime(t), 1)
	list := []string{"a", "", "bcd"}
	tests := map[string]*wasi.Execution{
		"args":    {Args: list, Env: []string{"other"}},
		"environ": {Env: list, Args: []string{"other"}},
	}
	for name, e := range tests {
		c := instance.with(context.Background(), e)
		require.Equal(t, success, c.call(name+"_sizes_get", 16, 24), name)
		require.Equal(t, uint32(3), c.uint32(16), name)
		require.Equal(t, uint32(7), c.uint32(24), name)

		require.Equal(t, success, c.call(name+"_get", 32, 64), name)
		require.Equal(t, []uint32{64, 66, 67}, []uint32{c.uint32(32), c.uint32(36), c.uint32(40)}, name)
		require.Equal(t, "a\x00\x00bcd\x00", string(c.bytes(64, 7)), name)

		// To the last byte of memory, and one beyond.
		require.Equal(t, success, c.call(name+"_get", 65536-12, 0), name)
		require.Equal(t, fault, c.call(name+"_get", 65536-11, 0), name)
		require.Equal(t, success, c.call(name+"_get", 0, 65536-7), name)
		require.Equal(t, fault, c.call(name+"_get", 0, 65536-6), name)
		require.Equal(t, fault, c.call(name+"_sizes_get", 65536-3, 0), name)
		require.Equal(t, fault, c.call(name+"_sizes_get", 0, 65536-3), name)
	}

	// Where there are none, addresses are not looked at.
	for name := range tests {
		require.Equal(t, success, instance.call(name+"_sizes_get", 16, 24))
		require.Zero(t, instance.uint64(16))
		require.Zero(t, instance.uint64(24))
		require.Equal(t, success, instance.call(name+"_get", 0xffffffff, 0xffffffff))
	}
}

// TestStringsTooLong needs 4 GiB of arguments, which are one string many times
// over.
func TestStringsTooLong(t *testing.T) {
	args := make([]string, 1<<12)
	for i, long := 0, string(make([]byte, 1<<20)); i < len(args); i++ {
		args[i] = long
	}
	c := newCaller(t, newRuntime(t), 1).with(context.Background(), &wasi.Execution{Args: args})
	require.Equal(t, overflow, c.call("args_sizes_get", 0, 8))
	require.Equal(t, overflow, c.call("args_get", 0, 8))
}
