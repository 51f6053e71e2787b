package host_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host/fuel"
	"github.com/taskhost/taskhost/host/wasi"
	"github.com/taskhost/taskhost/host/wasmfile"
)

// How a guest can be made to stop.
const (
	stopNever = iota // what the others are compared with
	stopFuel
	stopCloseOnDone // wazero's own
	stopWays
)

// BenchmarkInterrupt is what it costs that a guest can be stopped, as a multiple of
// what its work takes when nothing can. The ways take turns, so that what else the
// machine does weighs on all alike; the ratios are of the fastest turns.
func BenchmarkInterrupt(b *testing.B) {
	file := filepath.Join(workDir(), "work.wasm")
	require.NoError(b, runGo([]string{"GOOS=wasip1", "GOARCH=wasm"}, "build", "-buildmode=c-shared", "-o", file, "./testdata/work"))
	work, err := os.ReadFile(file)
	require.NoError(b, err)
	small := tightModule()
	for _, bench := range []struct {
		name, function string
		wasm           []byte
		n              uint64
	}{
		{"go sieve", "sieve", work, 300_000},
		{"go sha256", "sha", work, 500},
		{"go sort", "sorted", work, 50_000},
		{"go json", "documents", work, 300},
		{"go fibonacci", "fibonacci", work, 23},
		{"tight loop", "tight", small, 3_000_000},
		{"loop-free fibonacci", "fib", small, 27},
	} {
		b.Run(bench.name, func(b *testing.B) {
			var best [stopWays]time.Duration
			var calls [stopWays]api.Function
			var meter *fuel.Meter
			for way := range stopWays {
				instance, m := stoppable(b, bench.wasm, way)
				if calls[way] = instance.ExportedFunction(bench.function); m != nil {
					meter = m
				}
			}
			ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
			defer cancel()
			before, turns := meter.Used(), int64(0)
			for b.Loop() {
				turns++
				var results []uint64
				for way, call := range calls {
					start := time.Now()
					got, err := call.Call(ctx, bench.n)
					took := time.Since(start)
					require.NoError(b, err)
					if best[way] == 0 || took < best[way] {
						best[way] = took
					}
					if results = append(results, got[0]); results[0] != got[0] {
						b.Fatalf("%d and %d", results[0], got[0])
					}
				}
			}
			b.ReportMetric(float64(best[stopNever].Microseconds())/1000, "ms/none")
			b.ReportMetric(float64(best[stopFuel])/float64(best[stopNever]), "fuel/none")
			b.ReportMetric(float64(best[stopCloseOnDone])/float64(best[stopNever]), "done/none")
			b.ReportMetric(float64(meter.Used()-before)/float64(turns)/1e6, "Munits")
		})
	}
}

// stoppable gives an instance that can be stopped in a way.
func stoppable(b *testing.B, wasm []byte, way int) (api.Module, *fuel.Meter) {
	ctx := context.Background()
	config := wazero.NewRuntimeConfigCompiler().WithDebugInfoEnabled(false).WithCloseOnContextDone(way == stopCloseOnDone)
	r := wazero.NewRuntimeWithConfig(ctx, config)
	b.Cleanup(func() { require.NoError(b, r.Close(ctx)) })
	_, err := wasi.Instantiate(ctx, r)
	require.NoError(b, err)
	if way == stopFuel {
		file, err := wasmfile.Read(wasm)
		require.NoError(b, err)
		wasm, err = fuel.Rewrite(file, wasm)
		require.NoError(b, err)
	}
	instance, err := r.InstantiateWithConfig(ctx, wasm, wazero.NewModuleConfig().WithStartFunctions())
	require.NoError(b, err)
	var meter *fuel.Meter
	if way == stopFuel {
		meter, err = fuel.Attach(instance)
		require.NoError(b, err)
		meter.Arm(0, 100_000)
	}
	if initialize := instance.ExportedFunction(abi.ExportInitialize); initialize != nil {
		_, err = initialize.Call(ctx)
		require.NoError(b, err)
	}
	return instance, meter
}

// tightModule has a loop of a few instructions, and a recursion without any loop.
func tightModule() []byte {
	m := &module{memory: limits(1), memoryAs: abi.ExportMemory}
	sig := signature{params: []byte{i32}, results: []byte{i64}}
	m.functions = []function{
		{export: "tight", signature: sig, code: slices.Concat(
			[]byte{0x03, 0x7e}, // loop (result i64)
			[]byte{0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x41, 0, 0x4a}, // n = n-1, n > 0
			[]byte{0x0d, 0, 0x20, 0, 0xac, 0x0b},                   // br_if 0, n as i64, end
		)},
		{export: "fib", signature: sig, code: slices.Concat(
			[]byte{0x20, 0, 0x41, 2, 0x48, 0x04, 0x7e, 0x20, 0, 0xac, 0x05}, // if n < 2: n, else
			[]byte{0x20, 0, 0x41, 1, 0x6b, 0x10, 1, 0x20, 0, 0x41, 2, 0x6b, 0x10, 1, 0x7c, 0x0b},
		)},
	}
	return m.bytes()
}
