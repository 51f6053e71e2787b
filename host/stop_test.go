package host_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host"
)

// tooLate is far more than stopping takes, so that a busy machine does not
// fail a test. Each test logs what it took.
const tooLate = time.Second

// endless are attempts that do not end by themselves. Each logs one line first.
func endless(t *testing.T) map[string]host.Attempt {
	t.Helper()
	m := newModule()
	running := m.log(abi.LevelInfo, "running")
	// loop, call, br 0, end
	calls := join([]byte{0x03, 0x40}, m.call("number", 0), drop, []byte{0x0c, 0, 0x0b})
	grows := join([]byte{0x03, 0x40}, grow(1), drop, []byte{0x0c, 0, 0x0b})
	attempts := map[string]host.Attempt{
		"a loop in Go":          goAttempt(t, "spin", ""),
		"a sleep in Go":         goAttempt(t, "sleep", ""),
		"a loop":                m.run(running, forever, done).attempt(t),
		"a loop of host calls":  m.run(running, calls, done).attempt(t),
		"a loop of memory.grow": m.run(running, grows, done).attempt(t),
	}
	host.Impatiently(sharedEngine(), func() {
		attempts["_initialize"] = m.run(done).add(abi.ExportInitialize, running, forever).attempt(t)
		m.start = true
		attempts["a start function"] = m.add("", running, forever).attempt(t)
	})
	for name, attempt := range attempts {
		attempt.Limits.HostCalls = 1 << 40
		attempts[name] = attempt
	}
	return attempts
}

func TestDeadlineStops(t *testing.T) {
	for name, attempt := range endless(t) {
		t.Run(name, func(t *testing.T) {
			// On a busy machine it can be over before the guest has begun.
			for wait := 50 * time.Millisecond; ; wait *= 2 {
				require.Less(t, wait, 20*time.Second, "the guest never got to run")
				ctx, cancel := context.WithTimeout(context.Background(), wait)
				log := &logged{}
				out := sharedEngine().Execute(ctx, attempt, log)
				deadline, _ := ctx.Deadline()
				late := time.Since(deadline)
				cancel()
				requireStopped(t, out, "context deadline exceeded", late)
				goleak.VerifyNone(t)
				if len(log.lines) > 0 {
					require.Equal(t, []string{"running"}, log.messages())
					return
				}
			}
		})
	}
	succeed(t, goAttempt(t, "echo", "and the engine goes on"))
}

func TestCancelStops(t *testing.T) {
	for name, attempt := range endless(t) {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(context.Background())
			running, at := make(chan struct{}), make(chan time.Time, 1)
			go func() {
				<-running
				at <- time.Now()
				cancel(errors.New("cancelled by ann"))
			}()
			log := &logged{first: func() { close(running) }}
			out := sharedEngine().Execute(ctx, attempt, log)
			requireStopped(t, out, "cancelled by ann", time.Since(<-at))
			require.Equal(t, []string{"running"}, log.messages())
			goleak.VerifyNone(t)
		})
	}
	succeed(t, goAttempt(t, "echo", "and the engine goes on"))
}

func requireStopped(t *testing.T, out host.Outcome, message string, late time.Duration) {
	t.Helper()
	t.Logf("stopped %v after", late)
	requireFailure(t, host.KindStopped, out)
	require.Equal(t, message, out.Failure.Message)
	require.False(t, out.Failure.Permanent)
	require.GreaterOrEqual(t, late, time.Duration(0), "not before")
	require.Less(t, late, tooLate)
	require.Positive(t, out.Usage.Sandbox)
}

// What a stopped guest wrote is kept, also a line without an end.
func TestStoppedGuestKeepsItsLog(t *testing.T) {
	m := newModule()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	log := &logged{first: cancel}
	attempt := m.run(m.write(2, "unfinished"), drop, m.write(1, "line\nrest"), drop, forever, done).attempt(t)
	out := sharedEngine().Execute(ctx, attempt, log)
	requireFailure(t, host.KindStopped, out)
	require.Equal(t, "context canceled", out.Failure.Message)
	require.Equal(t, []string{"line", "rest", "unfinished"}, log.messages())
	require.Contains(t, out.Failure.Trace, "unfinished")
	require.Equal(t, int64(64<<10), out.Usage.PeakMemory)
}

func TestEndedContextStartsNothing(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("too late"))
	log := &logged{}
	out := sharedEngine().Execute(ctx, goAttempt(t, "logs", "x"), log)
	requireFailure(t, host.KindStopped, out)
	require.Equal(t, "too late", out.Failure.Message)
	require.Empty(t, log.lines)
	require.Zero(t, out.Usage)
}

// A guest can exit with the codes that the runtime uses for a context that has
// ended. It is not believed.
func TestForgedStops(t *testing.T) {
	m := newModule()
	for code, says := range map[uint32]string{
		0xefffffff: "the guest exited with code 4026531839",
		0xffffffff: "the guest exited with code 4294967295",
	} {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		out := sharedEngine().Execute(ctx, m.run(m.call("proc_exit", code), done).attempt(t), &logged{})
		cancel()
		requireFailure(t, host.KindTrap, out)
		require.Equal(t, says, out.Failure.Message)
	}
	for _, text := range []string{"context deadline exceeded", "limit memory: the guest went over 1 MiB"} {
		failure := fail(t, host.KindError, m.run(m.fail(abi.Retryable, text, ""), failed).attempt(t))
		require.Equal(t, text, failure.Message)
		failure = fail(t, host.KindTrap, m.run(m.write(2, "panic: "+text+"\n"), drop, unreachable).attempt(t))
		require.Equal(t, "panic: "+text, failure.Message)
	}
}
