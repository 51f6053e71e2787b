package host_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host"
)

// prepare prepares a module in an engine, and gives an attempt at its definition.
func (m *module) prepare(t testing.TB, e *host.Engine) host.Attempt {
	t.Helper()
	wasm := m.bytes()
	require.NoError(t, e.Prepare(context.Background(), digestOf(wasm), wasm))
	return host.Attempt{Digest: digestOf(wasm), Name: "raw", MaxAttempts: 1, Deadline: time.Now().Add(time.Minute)}
}

// echoing answers its input, and leaves it in memory.
func echoing(salt string) *module {
	m := newModule()
	m.text(salt)
	read := join(constant(abi.ValueInput), constant(1024), constant(1000), m.call("value_read"), []byte{0x21, 0})
	return m.run(read, constant(1024), []byte{0x20, 0}, constant(0), constant(0), m.call("output"), done)
}

// An instance is used again, one at a time, and what it was used for is counted.
func TestInstancesAreUsedAgain(t *testing.T) {
	e := newEngine(t, host.Config{})
	attempt := echoing("").prepare(t, e)
	require.Equal(t, host.Stats{Modules: 1, CodeBytes: e.Stats().CodeBytes, IdleInstances: 1, Compiled: 1}, e.Stats())
	require.Positive(t, e.Stats().CodeBytes)
	for n := range 10 {
		out := e.Execute(context.Background(), with(attempt, fmt.Sprint(n)), &logged{})
		require.Equal(t, fmt.Sprint(n), string(out.Output))
		require.True(t, out.Usage.Pooled)
	}
	fresh := attempt
	fresh.Fresh = true
	require.False(t, e.Execute(context.Background(), fresh, &logged{}).Usage.Pooled)
	stats := e.Stats()
	require.EqualValues(t, 10, stats.Pooled)
	require.EqualValues(t, 1, stats.Fresh)
	require.Equal(t, 1, stats.IdleInstances)
	require.Zero(t, stats.Discarded)

	// One that may not grow as far as an attempt may is of no use to it.
	large := attempt
	large.Limits.Memory = host.MaxMemory
	require.False(t, e.Execute(context.Background(), large, &logged{}).Usage.Pooled)
	require.True(t, e.Execute(context.Background(), large, &logged{}).Usage.Pooled)
	require.True(t, e.Execute(context.Background(), attempt, &logged{}).Usage.Pooled, "the other way it is")
	require.Equal(t, 1, e.Stats().IdleInstances)
}

// No more instances are kept than may be, also of those that modules are prepared
// with; the module that was used least recently loses its own.
func TestIdleInstancesAreBounded(t *testing.T) {
	e := newEngine(t, host.Config{IdleInstances: 4})
	var attempts []host.Attempt
	for n := range 10 {
		attempts = append(attempts, echoing(fmt.Sprint("module ", n)).prepare(t, e))
		require.LessOrEqual(t, e.Stats().IdleInstances, 4)
	}
	require.Equal(t, 4, e.Stats().IdleInstances)
	require.EqualValues(t, 6, e.Stats().EvictedInstances)
	for n, attempt := range attempts {
		require.Equal(t, n >= 6, host.IdleOf(e, attempt.Digest) == 1, n)
	}
	for _, attempt := range attempts {
		require.Nil(t, e.Execute(context.Background(), attempt, &logged{}).Failure)
		require.LessOrEqual(t, e.Stats().IdleInstances, 4)
		require.Equal(t, 1, host.IdleOf(e, attempt.Digest), "what was used last is kept")
	}
}

// A hundred at a time on one module: each has its own instance, and what is kept
// afterwards is bounded.
func TestManyOnOneModule(t *testing.T) {
	e := newEngine(t, host.Config{IdleInstances: 4})
	result := host.CheckResets(e)
	attempt := echoing("").prepare(t, e)
	const workers, each = 100, 20
	var wg sync.WaitGroup
	wrong := make(chan string, workers*each)
	for w := range workers {
		wg.Go(func() {
			for n := range each {
				text := fmt.Sprintf("%d of %d", n, w)
				out := e.Execute(context.Background(), with(attempt, text), &logged{})
				if out.Failure != nil || string(out.Output) != text {
					wrong <- fmt.Sprintf("%q: %q, %+v", text, out.Output, out.Failure)
				}
				if idle := e.Stats().IdleInstances; idle > 4 {
					wrong <- fmt.Sprint(idle, " idle")
				}
			}
		})
	}
	wg.Wait()
	require.Empty(t, wrong)
	checked, problems := result()
	require.Equal(t, workers*each, checked)
	require.Empty(t, problems)
	stats := e.Stats()
	require.LessOrEqual(t, stats.IdleInstances, 4)
	require.EqualValues(t, workers*each, stats.Fresh+stats.Pooled)
	// Instances come from nowhere else, and go nowhere else.
	require.EqualValues(t, stats.IdleInstances, 1+stats.Fresh-stats.EvictedInstances)
}

// Modules are prepared while others run, and instances go back and are let go: the
// pool of a module that is not ready is its own.
func TestPrepareWhileInstancesAreEvicted(t *testing.T) {
	e := newEngine(t, host.Config{IdleInstances: 2, CodeBytes: 20_000})
	keeps := echoing("keeps").prepare(t, e)
	var wg sync.WaitGroup
	wrong := make(chan error, 1000)
	for w := range 4 {
		wg.Go(func() {
			for n := range 15 {
				m := echoing(fmt.Sprint(w, n))
				wasm := m.bytes()
				digest := digestOf(wasm)
				if err := e.Prepare(context.Background(), digest, wasm); err != nil {
					wrong <- err
				}
				for _, attempt := range []host.Attempt{{Digest: digest, Input: []byte("x")}, keeps} {
					out := e.Execute(context.Background(), attempt, &logged{})
					if out.Failure != nil && !out.NotPrepared { // it may have been let go
						wrong <- errors.New(out.Failure.Message)
					}
				}
			}
		})
	}
	wg.Wait()
	require.Empty(t, wrong)
	require.LessOrEqual(t, e.Stats().IdleInstances, 2)
	require.Positive(t, e.Stats().EvictedModules)
}

// Modules are let go by their size, and not while they are in use. An execution of
// one that is gone fails by the host's fault, and says so.
func TestModulesAreEvicted(t *testing.T) {
	e := newEngine(t, host.Config{})
	size := func() int64 { return e.Stats().CodeBytes }
	echoing("1").prepare(t, e)
	one := size()
	require.Positive(t, one)

	e = newEngine(t, host.Config{CodeBytes: 3*one + one/2})
	var attempts []host.Attempt
	for n := range 3 {
		attempts = append(attempts, echoing(fmt.Sprint(n)).prepare(t, e))
	}
	require.Equal(t, 3, e.Stats().Modules)
	require.True(t, e.Prepared(attempts[0].Digest), "which counts as a use")
	attempts = append(attempts, echoing("3").prepare(t, e))
	require.Equal(t, 3, e.Stats().Modules)
	require.LessOrEqual(t, size(), 3*one+one/2)
	require.EqualValues(t, 1, e.Stats().EvictedModules)
	require.True(t, e.Prepared(attempts[0].Digest))
	require.False(t, e.Prepared(attempts[1].Digest))
	out := e.Execute(context.Background(), attempts[1], &logged{})
	requireFailure(t, host.KindHost, out)
	require.True(t, out.NotPrepared)
	require.Contains(t, out.Failure.Message, "has not been prepared")
	_, err := e.Describe(context.Background(), attempts[1].Digest)
	require.ErrorIs(t, err, host.ErrNotPrepared)
	_, err = e.MinMemory(context.Background(), attempts[1].Digest)
	require.ErrorIs(t, err, host.ErrNotPrepared)

	// While it runs it stays, however long ago that began.
	m := newModule()
	m.text("4")
	busy := m.run(m.log(0, "running"), forever, done).prepare(t, e)
	ctx, cancel := context.WithCancel(context.Background())
	running, ended := make(chan struct{}), make(chan host.Outcome)
	go func() { ended <- e.Execute(ctx, busy, &logged{first: func() { close(running) }}) }()
	<-running
	for n := range 8 {
		echoing(fmt.Sprint("more ", n)).prepare(t, e)
	}
	cancel()
	requireFailure(t, host.KindStopped, <-ended)
	require.True(t, e.Prepared(busy.Digest))

	// One that alone is more than may be kept is kept for as long as it is the last.
	e = newEngine(t, host.Config{CodeBytes: 1})
	for n := range 3 {
		attempt := echoing(fmt.Sprint(n)).prepare(t, e)
		require.Nil(t, e.Execute(context.Background(), attempt, &logged{}).Failure)
		require.Equal(t, 1, e.Stats().Modules)
	}
}

// Executions that are cancelled while they take or make an instance leave nothing
// behind, and the others alone.
func TestCancelWhileTaking(t *testing.T) {
	e := newEngine(t, host.Config{IdleInstances: 2})
	result := host.CheckResets(e)
	attempt := echoing("").prepare(t, e)
	var wg sync.WaitGroup
	wrong := make(chan string, 1000)
	for range 8 {
		wg.Go(func() {
			for n := range 50 {
				ctx, cancel := context.WithCancel(context.Background())
				go cancel()
				if n%2 == 0 {
					cancel()
				}
				out := e.Execute(ctx, with(attempt, "text"), &logged{})
				cancel()
				if out.Failure != nil && out.Failure.Kind != host.KindStopped {
					wrong <- out.Failure.Message
				}
			}
		})
	}
	wg.Wait()
	require.Empty(t, wrong)
	_, problems := result()
	require.Empty(t, problems)
	stats := e.Stats()
	require.EqualValues(t, stats.IdleInstances, 1+stats.Fresh-stats.EvictedInstances)
	out := e.Execute(context.Background(), with(attempt, "text"), &logged{})
	require.Equal(t, "text", string(out.Output))
}

// An engine with idle instances is closed, and they with it.
func TestCloseWhileIdle(t *testing.T) {
	e, err := host.New(context.Background(), host.Config{})
	require.NoError(t, err)
	attempt := echoing("").prepare(t, e)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { e.Execute(context.Background(), attempt, &logged{}) })
	}
	wg.Wait()
	require.Positive(t, e.Stats().IdleInstances)
	require.NoError(t, e.Close(context.Background()))
	require.Equal(t, 0, e.Stats().IdleInstances)
	require.False(t, e.Prepared(attempt.Digest))
	out := e.Execute(context.Background(), attempt, &logged{})
	require.True(t, out.NotPrepared)
}

// Calls within calls make the stack of an instance large, up to a hundred megabytes.
// An idle instance does not keep it.
func TestLargeStacksAreLetGo(t *testing.T) {
	e := newEngine(t, host.Config{})
	m := newModule()
	// The function has 400 numbers on its stack while it calls itself, as often as
	// the number at 8 says.
	const counter = 8
	self := byte(len(m.imports) + len(m.functions))
	code := join(load(counter), []byte{0x45, 0x04, 0x40, 0x0f, 0x0b}, // i32.eqz, if, return, end
		store(counter, join(load(counter), constant(1), []byte{0x6b})), constant(12))
	for n := range uint32(400) {
		code = append(code, load(16+4*n)...)
	}
	code = append(code, 0x10, self)
	for range 399 {
		code = append(code, 0x6a)
	}
	m.add("", code, []byte{0x36, 0, 0})
	attempt := m.run(store(counter, constant(9000)), []byte{0x10, self}, done).prepare(t, e)
	inUse := func() uint64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	before := inUse()
	for range 3 {
		require.Nil(t, e.Execute(context.Background(), attempt, &logged{}).Failure)
	}
	require.Equal(t, 1, e.Stats().IdleInstances, "it is kept")
	require.Less(t, int64(inUse()-before), int64(2<<20))
}

// A preparation whose context ends while the module is set up has failed: to keep the
// module would be to keep it without an image.
func TestPrepareStopsWhileSettingUp(t *testing.T) {
	wasm := newModule(done).add(abi.ExportInitialize, forever).bytes()
	e := newEngine(t, host.Config{})
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	err := e.Prepare(ctx, "d", wasm)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	requireModuleError(t, err, "limit compile time: ")
	require.False(t, e.Prepared("d"))

	ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	time.AfterFunc(100*time.Millisecond, cancel)
	err = e.Prepare(ctx, "d", wasm)
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, e.Prepared("d"))
}
