package host_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host"
)

// newEngineBy gives an engine that resets memories in one way, and takes the code that
// was compiled for the tests.
func newEngineBy(t testing.TB, method string) *host.Engine {
	t.Helper()
	e, err := host.NewByMethod(context.Background(), host.Config{CacheDir: compiledDir()}, method)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close(context.Background())) })
	return e
}

// misbehaving does what the first byte of its input says, after it has written down
// what it found in its memory and globals, and has left its mark there.
func misbehaving() *module {
	m := newModule()
	m.memory = limits(3, 64)
	m.globals = [][]byte{
		{i32, 1, 0x41, 5, 0x0b},
		{i64, 1, 0x42, 6, 0x0b},
		{0x7d, 1, 0x43, 0, 0, 0x80, 0x3f, 0x0b},
		{0x7c, 1, 0x44, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x0b},
	}
	const input, found, counter, far = 4096, 8192, 12_000, 3<<16 - 8
	read := join(constant(abi.ValueInput), constant(input), constant(1000), m.call("value_read"), []byte{0x21, 0})
	// What it found: a counter, the size, the globals and the last byte of memory.
	look := join(
		store(found, load(counter)), store(found+4, []byte{0x3f, 0}), store(found+8, []byte{0x23, 0}),
		store64(found+16, []byte{0x23, 1}), join(constant(found+24), []byte{0x23, 2, 0x38, 0, 0}), join(constant(found+32), []byte{0x23, 3, 0x39, 0, 0}),
		store(found+40, load(far)),
	)
	mark := join(
		store(counter, join(load(counter), constant(1), []byte{0x6a})), store(far, constant(0x1234567)), store(5, constant(9)),
		[]byte{0x23, 0, 0x41, 1, 0x6a, 0x24, 0}, []byte{0x23, 1, 0x42, 1, 0x7c, 0x24, 1},
		[]byte{0x43, 0, 0, 0xc0, 0x7f, 0x24, 2}, []byte{0x44, 1, 0, 0, 0, 0, 0, 0xf4, 0x7f, 0x24, 3},
	)
	is := func(op byte, code ...[]byte) []byte {
		return join(constant(input), []byte{0x2d, 0, 0}, constant(uint32(op)), []byte{0x46, 0x04, 0x40}, join(code...), []byte{0x0b})
	}
	self := leb(len(m.imports) + len(m.functions))
	answer := m.call("output", found, 44, 0, 0)
	scribble := join([]byte{0x03, 0x40}, // each of many pages of the system, as often as it takes
		[]byte{0x23, 0, 0x41}, constant(4099)[1:], []byte{0x6a, 0x24, 0},
		[]byte{0x23, 0, 0x3f, 0, 0x41, 16, 0x74, 0x41, 4, 0x6b, 0x70}, // modulo the size less 4
		constant(0xabcdef), []byte{0x36, 0, 0},
		[]byte{0x23, 0}, constant(4099*300), []byte{0x48, 0x0d, 0, 0x0b})
	m.add("", []byte{0x10}, self)
	return m.run(read, look, mark,
		is('n', answer, done, []byte{0x0f}),
		is('t', unreachable),
		is('f', forever),
		is('d', []byte{0x10}, self),
		is('l', m.log(0, "running"), forever),
		is('x', m.call("proc_exit", 3)),
		is('o', m.call("output", 0, 3<<16, 0, 0)),
		is('b', m.log(0, "bug")),
		is('v', m.call("output", 0xfffffff0, 16, 0, 0)),
		is('g', constant(20), []byte{0x40, 0, 0x1a}, scribble, store(found+40, load(20<<16)), answer, done, []byte{0x0f}),
		is('G', constant(61), []byte{0x40, 0, 0x1a}, scribble, answer, done, []byte{0x0f}), // all that it may ever have
		is('m', constant(40), []byte{0x40, 0}, trapIfFull),
		is('s', scribble, unreachable),
		is('z', m.fail(abi.Permanent, "reported", "here"), failed, []byte{0x0f}),
		is('w', m.output("then"), forever),
		answer, done)
}

// step is one kind of execution.
type step struct {
	name    string
	attempt host.Attempt
	// kind is how it has to end, "" for success. Where the output is to be compared
	// with that of a new instance, compare says so.
	kind    host.Kind
	compare bool
	timeout time.Duration
	// onLog is called at the first line, with what cancels the execution.
	onLog func(cancel func())
}

func (s step) run(e *host.Engine) host.Outcome {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if s.timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, s.timeout)
		defer cancel()
	}
	log := &logged{}
	if s.onLog != nil {
		log.first = func() { s.onLog(cancel) }
	}
	return e.Execute(ctx, s.attempt, log)
}

// text is how it ended, as far as that has to be the same each time.
func ended(out host.Outcome) string {
	if out.Failure != nil {
		return fmt.Sprintf("%s %s %v", out.Failure.Kind, out.Failure.Message, out.Failure.Permanent)
	}
	return fmt.Sprintf("%s %s", out.OutputType, out.Output)
}

// bug is one of the host's.
func bug(func()) {
	none := make([]int, 0, soakWorkers)
	none[soakWorkers]++
}

// steps are the executions of a soak: quick ones, and ones that take long.
func steps(t *testing.T, e *host.Engine) (quick, slow []step) {
	t.Helper()
	raw := misbehaving().prepare(t, e)
	raw.Limits = host.Limits{Output: 100_000, Fuel: 1_000_000, Memory: 8 << 20, Depth: 300}
	one := func(op, kind host.Kind, change ...func(*step)) step {
		s := step{name: string(op), attempt: with(raw, string(op)), kind: kind, compare: true}
		for _, c := range change {
			c(&s)
		}
		return s
	}
	unlimited := func(s *step) { s.attempt.Limits.Fuel, s.compare = 0, false }
	quick = []step{
		one("n", ""), one("n", ""), one("t", host.KindTrap), one("f", host.KindLimit), one("d", host.KindLimit),
		one("l", host.KindStopped, unlimited, func(s *step) { s.onLog = func(cancel func()) { cancel() } }),
		one("x", host.KindTrap), one("o", host.KindLimit), one("b", host.KindTrap, func(s *step) { s.onLog = bug; s.compare = false }),
		one("v", host.KindTrap), one("g", ""), one("G", ""), one("m", host.KindLimit, func(s *step) { s.attempt.Limits.Memory = 2 << 20 }), one("s", host.KindTrap), one("z", host.KindError),
		one("w", host.KindStopped, unlimited, func(s *step) { s.timeout = time.Millisecond }),
		one("else", ""),
	}

	names, err := declared()
	require.NoError(t, err)
	wasm, err := buildGuest()
	require.NoError(t, err)
	require.NoError(t, e.Prepare(context.Background(), goDigest, wasm))
	gone := func(name, input string, kind host.Kind, change ...func(*step)) step {
		require.Contains(t, names, name)
		s := step{name: "Go " + name, kind: kind, compare: true, attempt: host.Attempt{
			Digest: goDigest, Index: names[name], Name: name, Input: []byte(input), MaxAttempts: 1, Deadline: time.Now().Add(time.Hour),
		}}
		for _, c := range change {
			c(&s)
		}
		return s
	}
	quick = append(quick,
		gone("echo", "text", ""), gone("counter", "", ""), gone("dirty", "3", ""), gone("dirty", "30", ""), gone("fail", "reported", host.KindError),
		gone("typed", `{"item":"x","count":3}`, ""), gone("panic", "went wrong", host.KindError), gone("draws", "", "", func(s *step) { s.compare = false }),
		gone("exit", "3", host.KindTrap), gone("logs", "text", ""), gone("large", "100000", ""), gone("asks", "50", ""), gone("prints", "", ""),
		gone("spin", "", host.KindStopped, func(s *step) { s.compare = false; s.onLog = func(cancel func()) { cancel() } }),
		gone("sleep", "", host.KindStopped, func(s *step) { s.compare = false; s.onLog = func(cancel func()) { cancel() } }),
		gone("echo", strings.Repeat("long ", 10_000), ""),
	)
	slow = []step{
		gone("dirty", "3000", ""), gone("panic.goroutine", "elsewhere", host.KindTrap), gone("deadlock", "3", host.KindTrap),
		gone("spin", "", host.KindLimit, func(s *step) { s.attempt.Limits.Fuel = 3_000_000 }),
		gone("exhaust", "", host.KindLimit, func(s *step) { s.attempt.Limits.Memory = 16 << 20; s.compare = false }),
		gone("recurse", "", host.KindLimit, func(s *step) { s.attempt.Limits.Memory = 16 << 20; s.compare = false }),
		gone("spin", "", host.KindStopped, func(s *step) { s.compare = false; s.timeout = 5 * time.Millisecond }),
	}
	return quick, slow
}

// TestSoak runs thousands of executions of all kinds that end in all ways, by several
// at a time and by each method. After each that leaves its instance to the next,
// memory and globals are compared with the image, byte for byte. What an execution
// answers is what it answers in a new instance.
func TestSoak(t *testing.T) {
	var total, checked, pooled atomic.Int64
	for _, method := range methods() {
		t.Run(method, func(t *testing.T) {
			e := newEngineBy(t, method)
			result := host.CheckResets(e)
			quick, slow := steps(t, e)
			want := make(map[string]string)
			for _, s := range append(quick[:len(quick):len(quick)], slow...) {
				s.attempt.Fresh = true
				out := s.run(e)
				if s.compare {
					want[s.name+string(s.attempt.Input)] = ended(out)
				}
			}
			var wg sync.WaitGroup
			wrong := make(chan string, soakEach*soakWorkers)
			for w := range soakWorkers {
				wg.Go(func() {
					random := rand.New(rand.NewPCG(uint64(w), 9))
					for range soakEach {
						s := quick[random.IntN(len(quick))]
						if random.IntN(100) == 0 {
							s = slow[random.IntN(len(slow))]
						}
						out := s.run(e)
						kind := host.Kind("")
						if out.Failure != nil {
							kind = out.Failure.Kind
						}
						if kind != s.kind && !(kind == host.KindStopped && s.timeout > 0) {
							wrong <- fmt.Sprintf("%s: %q and not %q: %+v", s.name, kind, s.kind, out.Failure)
						}
						if have := ended(out); s.compare && have != want[s.name+string(s.attempt.Input)] {
							wrong <- fmt.Sprintf("%s: %.300q and not %.300q", s.name, have, want[s.name+string(s.attempt.Input)])
						}
						if total.Add(1); out.Usage.Pooled {
							pooled.Add(1)
						}
					}
				})
			}
			wg.Wait()
			close(wrong)
			for problem := range wrong {
				require.Fail(t, problem)
			}
			n, problems := result()
			require.Empty(t, problems)
			require.Greater(t, n, soakEach*soakWorkers/2, "most instances are used again")
			checked.Add(int64(n))
		})
	}
	t.Logf("%d executions, %d of them in used instances, and %d resets compared", total.Load(), pooled.Load(), checked.Load())
}

const soakWorkers = 3
