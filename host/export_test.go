package host

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// Implemented are the names of the host functions that have a body.
func Implemented() []string { return slices.Sorted(maps.Keys(hostFuncs)) }

// WithoutHostFunc runs f while a host function has no body.
func WithoutHostFunc(name string, f func()) {
	body := hostFuncs[name]
	delete(hostFuncs, name)
	defer func() { hostFuncs[name] = body }()
	f()
}

// OnCompile has f called before each module that the engine compiles.
func OnCompile(e *Engine, f func()) { e.onCompile = f }

// CompileUnchecked has the runtime compile what nothing has looked at.
func CompileUnchecked(e *Engine, wasm []byte) error {
	m := &module{engine: e}
	defer m.close(context.Background())
	if err := m.newRuntime(context.Background()); err != nil {
		return err
	}
	return m.compile(context.Background(), wasm)
}

// FuelWithFixedClock is what an attempt uses that is given the same clocks and
// randomness each time.
func FuelWithFixedClock(e *Engine, attempt Attempt) (int64, error) {
	attempt.Limits = attempt.Limits.WithDefaults()
	x := newExecution(&attempt, discardCalls{})
	x.wasi.Random = rand.NewChaCha8([32]byte{})
	x.wasi.WallClock = func() time.Time { return time.Unix(1e9, 0) }
	ticks := int64(0)
	x.wasi.Monotonic = func() int64 { ticks += 1000; return ticks }
	err := e.run(context.Background(), x, x.call)
	return x.usage.Fuel, err
}
