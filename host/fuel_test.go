package host_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host"
)

// Instructions that do not end by themselves, or take long.
var (
	// block, loop, i32.const 0, br_table 1 (0: the loop, 1: out) with the default 0
	byTable = []byte{0x02, 0x40, 0x03, 0x40, 0x41, 1, 0x0e, 1, 1, 0, 0x0b, 0x0b}
	// a gigabyte, filled and copied on to itself by one byte, again and again
	fills  = join([]byte{0x03, 0x40}, constant(0), constant(7), constant(1<<30-1), []byte{0xfc, 11, 0, 0x0c, 0, 0x0b})
	copies = join([]byte{0x03, 0x40}, constant(1), constant(0), constant(1<<30-1), []byte{0xfc, 10, 0, 0, 0x0c, 0, 0x0b})
)

// calls is a function that calls itself twice, without a loop.
func (m *module) recursion() *module {
	m.add("recurse")
	self := leb(len(m.imports) + len(m.functions) - 1)
	return m.set("recurse", slices.Concat([]byte{0x10}, self, []byte{0x10}, self))
}

// branching is a recursion that would take 2^40 calls, and is at most 40 deep.
func (m *module) branching() []byte {
	m.functions = append(m.functions, function{export: "branch", signature: signature{params: []byte{i32}}})
	self := leb(len(m.imports) + len(m.functions) - 1)
	once := slices.Concat([]byte{0x20, 0, 0x41, 1, 0x6b, 0x10}, self)
	m.set("branch", []byte{0x20, 0, 0x04, 0x40}, once, once, []byte{0x0b})
	return slices.Concat(constant(40), []byte{0x10}, self)
}

func hostile(t *testing.T) map[string]host.Attempt {
	t.Helper()
	m := newModule()
	running := m.log(abi.LevelInfo, "running")
	branch := m.branching()
	large := newModule()
	large.memory = limits(1 << 14)
	largeRunning := large.log(abi.LevelInfo, "running")
	tables := newModule()
	tables.table = make([]byte, 4)
	tablesRunning := tables.log(abi.LevelInfo, "running")
	// table.grow to the limit, and then fill all of it again and again
	fillTable := join([]byte{0xd0, 0x70}, constant(999_996), []byte{0xfc, 15, 0}, drop,
		[]byte{0x03, 0x40}, constant(0), []byte{0xd0, 0x70}, constant(1_000_000), []byte{0xfc, 17, 0, 0x0c, 0, 0x0b})
	grows := join([]byte{0x03, 0x40}, grow(0), drop, []byte{0x0c, 0, 0x0b})
	writes := join([]byte{0x03, 0x40}, m.call("fd_write", 1, 0, 0, 0), drop, []byte{0x0c, 0, 0x0b})
	attempts := map[string]host.Attempt{
		"br_table":                  m.run(running, byTable, done).attempt(t),
		"a recursion without loops": m.run(running, branch, done).attempt(t),
		"memory.grow of nothing":    m.run(running, grows, done).attempt(t),
		"calls of WASI":             m.run(running, writes, done).attempt(t),
		"memory.fill":               large.run(largeRunning, fills, done).attempt(t),
		"memory.copy":               large.run(largeRunning, copies, done).attempt(t),
		"table.fill":                tables.run(tablesRunning, fillTable, done).attempt(t),
	}
	for name, attempt := range attempts {
		attempt.Limits.Memory = host.MaxMemory
		attempts[name] = attempt
	}
	return attempts
}

// What no check at loops alone would see is stopped just as soon.
func TestHostileGuestsStop(t *testing.T) {
	for name, attempt := range hostile(t) {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(context.Background())
			at := make(chan time.Time, 1)
			log := &logged{first: func() {
				time.AfterFunc(20*time.Millisecond, func() {
					at <- time.Now()
					cancel(errors.New("enough"))
				})
			}}
			out := sharedEngine().Execute(ctx, attempt, log)
			requireStopped(t, out, "enough", time.Since(<-at))
			require.Positive(t, out.Usage.Fuel)
		})
	}
}

// While a guest spins, the garbage collector of the host runs.
func TestCollectionWhileGuestSpins(t *testing.T) {
	m := newModule()
	for name, code := range map[string][]byte{"a loop": forever, "a recursion without loops": m.branching()} {
		t.Run(name, func(t *testing.T) {
			attempt := m.run(m.log(abi.LevelInfo, "running"), code, done).attempt(t)
			ctx, cancel := context.WithCancelCause(context.Background())
			running, ended := make(chan struct{}), make(chan host.Outcome)
			go func() {
				ended <- sharedEngine().Execute(ctx, attempt, &logged{first: func() { close(running) }})
			}()
			<-running
			for range 3 {
				start := time.Now()
				runtime.GC()
				took := time.Since(start)
				t.Logf("a collection took %v", took)
				require.Less(t, took, tooLate)
			}
			at := time.Now()
			cancel(errors.New("enough"))
			requireStopped(t, <-ended, "enough", time.Since(at))
		})
	}
}

// Many more guests than processors are all stopped.
func TestManySpinningGuestsStop(t *testing.T) {
	const guests = 25
	m := newModule()
	attempt := m.run(m.log(abi.LevelInfo, "running"), forever, done).attempt(t)
	ctx, cancel := context.WithCancelCause(context.Background())
	var running, ended sync.WaitGroup
	outcomes := make([]host.Outcome, guests)
	running.Add(guests)
	for i := range guests {
		ended.Go(func() {
			outcomes[i] = sharedEngine().Execute(ctx, attempt, &logged{first: running.Done})
		})
	}
	running.Wait()
	at := time.Now()
	cancel(errors.New("enough"))
	ended.Wait()
	late := time.Since(at)
	for _, out := range outcomes {
		requireStopped(t, out, "enough", late)
	}
}

func TestLimitFuel(t *testing.T) {
	m := newModule()
	attempt := m.run(forever, done).attempt(t)
	attempt.Limits.Fuel = 1_000_000
	out, _ := execute(t, attempt)
	requireFailure(t, host.KindLimit, out)
	require.Equal(t, "limit fuel: the guest went over 1000000 units of work: have it do less, or split the task, or give the definition more (fuel)", out.Failure.Message)
	require.InDelta(t, 1_000_000, out.Usage.Fuel, 10)

	// To the unit: what one run uses is enough for the next.
	attempt = goAttempt(t, "echo", "input")
	out, _ = succeed(t, attempt)
	attempt.Limits.Fuel = out.Usage.Fuel + 10_000_000 // the Go guest's own schedule varies
	succeed(t, attempt)
	attempt.Limits.Fuel = out.Usage.Fuel / 2
	require.Contains(t, fail(t, host.KindLimit, attempt).Message, "limit fuel: ")

	attempt = m.run(m.output("x"), done).attempt(t)
	out, _ = succeed(t, attempt)
	attempt.Limits.Fuel = out.Usage.Fuel
	succeed(t, attempt)
	attempt.Limits.Fuel--
	require.Contains(t, fail(t, host.KindLimit, attempt).Message, "limit fuel: ")
}

func TestLimitDepth(t *testing.T) {
	m := newModule().recursion()
	attempt := m.run(join([]byte{0x10}, leb(len(m.imports)+len(m.functions)-1)), done).attempt(t)
	failure := fail(t, host.KindLimit, attempt)
	require.Equal(t, "limit depth: the guest went over 10000 calls within calls: have it recurse less deeply, or use a loop, or give the definition more (depth, at most 100000)", failure.Message)
	require.NotEmpty(t, failure.Trace)

	m = newModule()
	branch := m.branching()
	attempt = m.run(join(constant(10), branch[len(constant(40)):]), done).attempt(t) // 10 deep
	attempt.Limits.Depth = 12                                                        // and taskhost_run
	succeed(t, attempt)
	attempt.Limits.Depth = 11
	require.Contains(t, fail(t, host.KindLimit, attempt).Message, "limit depth: the guest went over 11 calls")
}

// A guest can't make its end look like that of a limit, nor reach what counts.
func TestForgedLimits(t *testing.T) {
	m := newModule()
	failure := fail(t, host.KindTrap, m.run(m.write(2, "limit fuel: the guest went over 1 units"), drop, unreachable).attempt(t))
	require.NotContains(t, failure.Message, "went over")
	for name, code := range map[string][]byte{
		"a global":   join([]byte{0x23}, leb(0), drop, done),
		"a function": join([]byte{0x42, 0, 0x10}, leb(len(m.imports)+2), drop, done),
		"a local":    join([]byte{0x20, 1}, drop, done),
	} {
		t.Run(name, func(t *testing.T) {
			requireRefused(t, sharedEngine(), newModule(code).bytes(), "code section at byte ", "function ", "the file is damaged")
		})
	}
	m = newModule(done)
	m.add("taskhost:left")
	requireRefused(t, sharedEngine(), m.bytes(), `it exports taskhost:left: names that begin with "taskhost:" are the host's own`)
}

// The count is the same on each run of the same work.
func TestFuelIsDeterministic(t *testing.T) {
	m := newModule()
	branch := m.branching()
	branch = join(constant(14), branch[len(constant(40)):])
	kinds := map[string]host.Attempt{
		"success": m.run(branch, m.output("x"), done).attempt(t),
		"trap":    m.run(branch, unreachable).attempt(t),
		"bulk":    m.run(constant(0), constant(1), constant(60_000), []byte{0xfc, 11, 0}, done).attempt(t),
	}
	deep := newModule().recursion()
	kinds["depth"] = deep.run(join([]byte{0x10}, leb(len(deep.imports)+len(deep.functions)-1)), done).attempt(t)
	for name, attempt := range kinds {
		t.Run(name, func(t *testing.T) {
			first, _ := execute(t, attempt)
			require.Greater(t, first.Usage.Fuel, int64(1000))
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					out, _ := execute(t, attempt)
					if out.Usage.Fuel != first.Usage.Fuel {
						t.Errorf("%d units, and %d before", out.Usage.Fuel, first.Usage.Fuel)
					}
				})
			}
			wg.Wait()
		})
	}
}

// A Go guest's count is the same too, where what it is given is.
func TestFuelOfGoIsDeterministic(t *testing.T) {
	first, err := host.FuelWithFixedClock(sharedEngine(), goAttempt(t, "logs", "input"))
	require.NoError(t, err)
	require.Greater(t, first, int64(10_000))
	for range 3 {
		again, err := host.FuelWithFixedClock(sharedEngine(), goAttempt(t, "logs", "input"))
		require.NoError(t, err)
		require.Equal(t, first, again)
	}
}
