package host

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/taskhost/taskhost/host/snapshot"
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

// Impatiently runs f while modules that take long to set up are given up on soon, which
// takes seconds otherwise.
func Impatiently(e *Engine, f func()) {
	e.patience = 50 * time.Millisecond
	defer func() { e.patience = captureTimeout }()
	f()
}

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

// OtherDay is by how much the time of day is off in one rehearsal.
const OtherDay = otherDay

// NewByMethod gives an engine that resets memories in one way.
func NewByMethod(ctx context.Context, config Config, method string) (*Engine, error) {
	return newEngine(ctx, config, snapshot.Method(method))
}

// Origin is what executions of a module begin from.
type Origin struct {
	Resets, Initialized bool
	Why                 string
	Generators, Times   int
	Clock               time.Duration
}

// OriginOf tells what executions of a prepared module begin from.
func OriginOf(e *Engine, digest string) Origin {
	m, err := e.acquire(context.Background(), digest)
	if err != nil {
		panic(err)
	}
	defer e.release(m)
	out := Origin{Resets: m.resets, Initialized: m.start.initialized, Why: m.start.why, Clock: time.Duration(m.start.clock)}
	if m.start.random != nil {
		out.Generators = m.start.random.Found()
	}
	if m.start.times != nil {
		out.Times = m.start.times.Found()
	}
	return out
}

// CheckResets has each instance compared with its image after each reset, byte for
// byte, as the guest would see it. It returns how many were, and what was wrong.
func CheckResets(e *Engine) func() (checked int, wrong []string) {
	var mu sync.Mutex
	var wrong []string
	checked, models := 0, make(map[*module]*model)
	e.onReset = func(m *module, i *instance) {
		mu.Lock()
		if models[m] == nil {
			models[m] = newModel(m)
		}
		want := models[m]
		mu.Unlock()
		problem := want.compare(i)
		mu.Lock()
		defer mu.Unlock()
		if checked++; problem != "" && len(wrong) < 10 {
			wrong = append(wrong, m.digest+": "+problem)
		}
	}
	return func() (int, []string) {
		mu.Lock()
		defer mu.Unlock()
		return checked, wrong
	}
}

// model is what an instance has to be.
type model struct {
	memory  []byte
	globals []uint64
}

// newModel takes it from an instance in which nothing has run.
func newModel(m *module) *model {
	i, err := m.instantiate(context.Background(), m.start.image, MaxMemory)
	if err != nil {
		panic(err)
	}
	defer i.close(context.Background())
	view, _ := i.guest.Memory().Read(0, i.guest.Memory().Size())
	out := &model{memory: bytes.Clone(view)}
	for _, global := range i.globals {
		out.globals = append(out.globals, global.Get())
	}
	return out
}

func (want *model) compare(i *instance) string {
	view, _ := i.guest.Memory().Read(0, i.guest.Memory().Size())
	if len(view) != len(want.memory) {
		return fmt.Sprintf("%d bytes of memory and not %d", len(view), len(want.memory))
	}
	if !bytes.Equal(view, want.memory) {
		for at := range view {
			if view[at] != want.memory[at] {
				return fmt.Sprintf("the byte at %#x is %#x and not %#x", at, view[at], want.memory[at])
			}
		}
	}
	for n, global := range i.globals {
		if global.Get() != want.globals[n] {
			return fmt.Sprintf("global %d is %#x and not %#x", n, global.Get(), want.globals[n])
		}
	}
	return ""
}

// IdleOf is how many instances of a module are idle.
func IdleOf(e *Engine, digest string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	if m := e.modules[digest]; m != nil && m.isReady() {
		return len(m.idle)
	}
	return 0
}
