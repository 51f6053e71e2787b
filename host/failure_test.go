package host_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host"
)

// lineOf finds the line of the Go guest's source that a comment is on.
func lineOf(t *testing.T, comment string) string {
	t.Helper()
	source, err := os.ReadFile("testdata/guest/main.go")
	require.NoError(t, err)
	before, _, found := strings.Cut(string(source), "// "+comment+"\n")
	require.True(t, found)
	return fmt.Sprintf("testdata/guest/main.go:%d", strings.Count(before, "\n")+1)
}

func TestReportedFailures(t *testing.T) {
	failure := fail(t, host.KindError, goAttempt(t, "fail", "no such user\nline two\tand a tab: ü"))
	require.Equal(t, &host.Failure{Kind: host.KindError, Message: "no such user\nline two\tand a tab: ü"}, failure)

	failure = fail(t, host.KindError, goAttempt(t, "fail.permanent", "gone"))
	require.Equal(t, &host.Failure{Kind: host.KindError, Message: "wrapped: gone", Permanent: true}, failure)

	failure = fail(t, host.KindError, goAttempt(t, "typed", `{"item":7}`))
	require.Contains(t, failure.Message, "the arguments cannot be decoded: ")
	require.True(t, failure.Permanent)

	attempt := goAttempt(t, "typed", "")
	attempt.Index = 1000
	failure = fail(t, host.KindError, attempt)
	require.Contains(t, failure.Message, "there is no definition 1000")
}

// The Go guest's own panics are told by the SDK, and others by the runtime.
func TestPanics(t *testing.T) {
	failure := fail(t, host.KindError, goAttempt(t, "panic", "went wrong: ü"))
	require.Equal(t, "panic: went wrong: ü", failure.Message)
	require.Contains(t, failure.Trace, lineOf(t, "the panic"))
	require.False(t, failure.Permanent)

	failure = fail(t, host.KindError, goAttempt(t, "panic.nil", ""))
	require.Contains(t, failure.Message, "nil pointer dereference")
	require.Contains(t, failure.Trace, lineOf(t, "the nil pointer"))

	failure = fail(t, host.KindTrap, goAttempt(t, "panic.goroutine", "elsewhere"))
	require.Equal(t, "panic: elsewhere", failure.Message)
	require.Contains(t, failure.Trace, "main.go:")
	require.False(t, failure.Permanent)
}

func TestExits(t *testing.T) {
	for _, code := range []int{3, 0, 1} {
		failure := fail(t, host.KindTrap, goAttempt(t, "exit", fmt.Sprint(code)))
		require.Equal(t, fmt.Sprintf("the guest exited with code %d", code), failure.Message)
		require.Contains(t, failure.Trace, "about to exit")
		require.False(t, failure.Permanent)
	}
}

func TestDeadlock(t *testing.T) {
	failure := fail(t, host.KindTrap, goAttempt(t, "deadlock", "0"))
	require.Equal(t, "fatal error: all goroutines are asleep - deadlock!", failure.Message)
	require.Contains(t, failure.Trace, "main.go:")
}

// The reason is the first line of what the runtime writes, and is found also
// where so much follows that it is not kept.
func TestReasonBeforeLongTrace(t *testing.T) {
	failure := fail(t, host.KindTrap, goAttempt(t, "deadlock", "500"))
	require.Equal(t, "fatal error: all goroutines are asleep - deadlock!", failure.Message)
	require.Greater(t, len(failure.Trace), 8<<10)
}

func TestMemoryExhausted(t *testing.T) {
	attempt := goAttempt(t, "exhaust", "")
	attempt.Limits.Memory = 48 << 20
	out, log := execute(t, attempt)
	requireFailure(t, host.KindLimit, out)
	require.Regexp(t, `^limit memory: the guest went over 48 MiB \(.*\): give the definition more memory \(at most 1024 MiB\), or have it use less$`, out.Failure.Message)
	require.Contains(t, out.Failure.Trace, "main.go:")
	require.Contains(t, strings.Join(log.messages(), "\n"), "out of memory")
	require.Greater(t, out.Usage.PeakMemory, int64(24<<20))
	require.LessOrEqual(t, out.Usage.PeakMemory, int64(48<<20))
}

func TestEndlessRecursion(t *testing.T) {
	out, _ := execute(t, goAttempt(t, "recurse", ""))
	requireFailure(t, host.KindLimit, out)
	require.Regexp(t, `^limit (depth|memory): the guest went over `, out.Failure.Message)
	require.Contains(t, out.Failure.Trace, "main.recurse")
}

func TestTraps(t *testing.T) {
	m := newModule()
	for says, code := range map[string][]byte{
		"unreachable":                 unreachable,
		"out of bounds memory access": join(load(0x10000), unreachable),
		"integer divide by zero":      join(constant(1), constant(0), []byte{0x6d}),
		"invalid table access":        join(constant(9), []byte{0x11, byte(len(m.imports)), 0}, done),
	} {
		t.Run(says, func(t *testing.T) {
			m.table = []byte{0}
			failure := fail(t, host.KindTrap, m.run(m.output("dropped"), code).attempt(t))
			require.Contains(t, failure.Message, says)
			require.NotContains(t, failure.Message+failure.Trace, "host/")
			require.NotEmpty(t, failure.Trace)
			require.False(t, failure.Permanent)
		})
	}
}

// What a trapping guest wrote to standard error explains the trap.
func TestTrapExplainedByStandardError(t *testing.T) {
	m := newModule()
	m.run(m.write(2, "note\npanic: index 7 is out of range\n\tat guest.rs:12\n"), drop, unreachable)
	failure := fail(t, host.KindTrap, m.attempt(t))
	require.Equal(t, "panic: index 7 is out of range", failure.Message)
	require.Contains(t, failure.Trace, "at guest.rs:12")
	require.Contains(t, failure.Trace, "wasm stack:\n")
}

// write writes a text to a standard stream. The list of one buffer is where
// nothing else is.
func (m *module) write(fd uint32, s string) []byte {
	const list = 60_000
	text := m.text(s)
	return join(store(list, constant(text[0])), store(list+4, constant(text[1])), m.call("fd_write", fd, list, 1, list+8))
}

// What taskhost_run returns is what counts.
func TestReturnValues(t *testing.T) {
	m := newModule()
	out, _ := succeed(t, m.run(m.output("kept"), m.fail(abi.Permanent, "dropped", ""), done).attempt(t))
	require.Equal(t, "kept", string(out.Output))
	out, _ = succeed(t, m.run(m.output("first"), m.output("second"), done).attempt(t))
	require.Equal(t, "second", string(out.Output))
	out, _ = succeed(t, m.run(m.output("dropped"), m.output(""), done).attempt(t))
	require.Empty(t, out.Output)

	for _, status := range []uint32{abi.RunFailed, 2, 0xffffffff} {
		failure := fail(t, host.KindError, m.run(m.output("dropped"), constant(status)).attempt(t))
		require.Equal(t, "the task failed and gave no reason", failure.Message)
		require.False(t, failure.Permanent)
		failure = fail(t, host.KindError, m.run(m.fail(abi.Permanent, "first", "one"), m.fail(9, "second", "two"), constant(status)).attempt(t))
		require.Equal(t, &host.Failure{Kind: host.KindError, Message: "second", Trace: "two"}, failure)
	}
}

// A failure whose message is empty has a reason all the same.
func TestEmptyMessage(t *testing.T) {
	failure := fail(t, host.KindError, goAttempt(t, "fail", ""))
	require.Equal(t, "the task failed and gave no reason", failure.Message)
	m := newModule()
	failure = fail(t, host.KindError, m.run(m.fail(abi.Permanent, "", "a trace"), failed).attempt(t))
	require.Equal(t, &host.Failure{Kind: host.KindError, Message: "the task failed and gave no reason", Trace: "a trace", Permanent: true}, failure)
}
