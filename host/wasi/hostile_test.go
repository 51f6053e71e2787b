package wasi_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/taskhost/taskhost/host/wasi"
)

// hostile are parameters that a guest has no good reason for.
var hostile = []uint64{
	0, 1, 2, 65_535, 65_536, 0x05555556, // ×48 is little more than 1<<32
	1 << 28, 1 << 31, 0xfffffff0, 0xffffffff,
}

// TestHostile calls every function with every kind of nonsense. Whatever comes
// of it, it comes at once, and as an errno and not a panic that wazero caught.
func TestHostile(t *testing.T) {
	r, input := newRuntime(t), make([]byte, 1<<20)
	for _, pages := range []int{0, 1} {
		for _, name := range names {
			params, results, _ := wasi.Signature(name)
			c := newCaller(t, r, pages)
			slowest := time.Duration(0)
			for _, args := range nonsense(params) {
				e := &wasi.Execution{Args: []string{"a"}, Env: []string{"b=c"}, Stdin: input, Random: zeros{}}
				start := time.Now()
				stack, err := c.ExportedFunction(name).Call(wasi.With(context.Background(), e), args...)
				slowest = max(slowest, time.Since(start))
				if name == "proc_exit" {
					var exit *sys.ExitError
					require.ErrorAs(t, err, &exit)
					c = newCaller(t, r, pages)
					continue
				}
				require.NoError(t, err, "%s%v", name, args)
				require.Len(t, stack, len(results))
				require.Less(t, stack[0], uint64(77), "%s%v is no errno", name, args)
				if pages == 0 && needsMemory(name, args) {
					require.NotZero(t, stack[0], "%s%v without memory", name, args)
				}
			}
			require.Less(t, slowest, time.Second, name)
		}
	}
}

// nonsense combines hostile parameters: in all ways where they are few, in
// many ways where they are many.
func nonsense(params []api.ValueType) [][]uint64 {
	if len(params) <= 3 {
		all := [][]uint64{nil}
		for range params {
			var longer [][]uint64
			for _, args := range all {
				for _, h := range hostile {
					longer = append(longer, append(args[:len(args):len(args)], h))
				}
			}
			all = longer
		}
		return all
	}
	random := rand.New(rand.NewPCG(1, 2))
	some := make([][]uint64, 1500)
	for i := range some {
		for _, p := range params {
			v := hostile[random.IntN(len(hostile))]
			if p == api.ValueTypeI64 && random.IntN(2) == 0 {
				v = random.Uint64()
			}
			some[i] = append(some[i], v)
		}
	}
	return some
}

// needsMemory tells whether a call cannot succeed without memory.
func needsMemory(name string, args []uint64) bool {
	switch name {
	case "fd_close", "fd_fdstat_set_flags", "sched_yield":
		return false
	case "random_get":
		return args[1] != 0
	default:
		return true
	}
}

// FuzzCalls calls any function with any parameters on any memory.
func FuzzCalls(f *testing.F) {
	r := newRuntime(f)
	for i := range names {
		f.Add(uint8(i), uint64(0), uint64(64), uint64(2), uint64(128), make([]byte, 256))
	}
	f.Fuzz(func(t *testing.T, function uint8, a, b, c, d uint64, memory []byte) {
		name := names[int(function)%len(names)]
		params, _, _ := wasi.Signature(name)
		args := append([]uint64{a, b, c, d}, make([]uint64, 5)...)[:len(params)]
		for i, p := range params {
			if p == api.ValueTypeI32 {
				args[i] = uint64(uint32(args[i]))
			}
		}
		guest := newCaller(t, r, 1)
		guest.Memory().Write(0, memory)
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		_, err := guest.ExportedFunction(name).Call(wasi.With(ctx, &wasi.Execution{Stdin: memory}), args...)
		if err != nil {
			var exit *sys.ExitError
			require.ErrorAs(t, err, &exit)
		}
	})
}
