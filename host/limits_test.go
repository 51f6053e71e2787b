package host_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host"
)

func TestLimitMemoryAtStart(t *testing.T) {
	m := newModule(done)
	m.memory = limits(1025)
	out, log := execute(t, m.attempt(t))
	requireFailure(t, host.KindLimit, out)
	require.Equal(t, "limit memory: the guest went over 64 MiB (it starts with 65600 KiB): give the definition more memory (at most 1024 MiB), or have it use less", out.Failure.Message)
	require.Empty(t, log.lines)

	attempt := m.attempt(t)
	attempt.Limits.Memory = 1025 * 64 << 10
	out, _ = succeed(t, attempt)
	require.Equal(t, attempt.Limits.Memory, out.Usage.PeakMemory)

	attempt = goAttempt(t, "echo", "")
	attempt.Limits.Memory = 64 << 10
	require.Contains(t, fail(t, host.KindLimit, attempt).Message, "limit memory: the guest went over 64 KiB (it starts with ")
}

func TestLimitMemoryGrowth(t *testing.T) {
	m := newModule()
	attempt := m.run(grow(16), trapIfFull, done).attempt(t)
	attempt.Limits.Memory = 1 << 20
	failure := fail(t, host.KindLimit, attempt)
	require.Equal(t, "limit memory: the guest went over 1 MiB (it was refused more, and ended with: wasm error: unreachable): give the definition more memory (at most 1024 MiB), or have it use less", failure.Message)

	attempt = m.run(grow(15), trapIfFull, done).attempt(t)
	attempt.Limits.Memory = 1 << 20
	out, _ := succeed(t, attempt)
	require.Equal(t, int64(1<<20), out.Usage.PeakMemory)

	// A guest that makes do without has not failed.
	attempt = m.run(grow(16), drop, grow(65_535), drop, m.output("made do"), done).attempt(t)
	attempt.Limits.Memory = 1 << 20
	out, _ = succeed(t, attempt)
	require.Equal(t, "made do", string(out.Output))
	require.Equal(t, int64(64<<10), out.Usage.PeakMemory)
}

// Memory keeps what is in it as it grows, and what is new is zero.
func TestMemoryGrows(t *testing.T) {
	m := newModule(store(65_532, constant(0x64636261)))
	const last = 700*64<<10 - 4
	for range 7 {
		m.run(m.function(abi.ExportRun).code, grow(100), drop)
	}
	m.run(m.function(abi.ExportRun).code, store(65_524, load(last)), store(65_528, load(65_536)), m.call("output", 65_524, 12, 0, 0), done)
	out, _ := succeed(t, m.attempt(t))
	require.Equal(t, "\x00\x00\x00\x00\x00\x00\x00\x00abcd", string(out.Output))
	require.Equal(t, int64(701*64<<10), out.Usage.PeakMemory)
}

func TestLimitResult(t *testing.T) {
	attempt := goAttempt(t, "large", "1025")
	attempt.Limits.Output = 1 << 10
	failure := fail(t, host.KindLimit, attempt)
	require.Equal(t, "limit result: the guest went over 1 KiB: return a reference to large data instead of the data, or give the definition more (result_bytes, at most 16 MiB)", failure.Message)

	attempt = goAttempt(t, "large", "1024")
	attempt.Limits.Output = 1 << 10
	out, _ := succeed(t, attempt)
	require.Len(t, out.Output, 1<<10)

	require.Contains(t, fail(t, host.KindLimit, goAttempt(t, "large", fmt.Sprint(1<<20+1))).Message, "over 1 MiB")
}

func TestLimitLogLine(t *testing.T) {
	const most = 8 << 10
	for _, length := range []int{1, most - 1, most} {
		text := strings.Repeat("x", length)
		_, log := succeed(t, goAttempt(t, "logs", text))
		require.Equal(t, []string{text, text, text, text}, log.messages(), length)
	}
	for _, length := range []int{most + 1, most + 2, 3 * most} {
		_, log := succeed(t, goAttempt(t, "logs", strings.Repeat("x", length)))
		want := strings.Repeat("x", most-len("… (cut)")) + "… (cut)"
		require.Equal(t, []string{want, want, want, want}, log.messages(), length)
		require.JSONEq(t, `{"n":1}`, string(log.lines[0].Fields))
	}

	m := newModule()
	attempt := m.run(m.write(1, strings.Repeat("y", 100)+"\n"+strings.Repeat("z", 64)+"\n"), drop, done).attempt(t)
	attempt.Limits.LogLine = 64
	_, log := succeed(t, attempt)
	require.Equal(t, []string{strings.Repeat("y", 64-len("… (cut)")) + "… (cut)", strings.Repeat("z", 64)}, log.messages())
}

// A line is cut between characters, wherever the limit falls.
func TestLogLineIsCutBetweenCharacters(t *testing.T) {
	for shift := range 4 {
		text := strings.Repeat("x", shift) + strings.Repeat("🙂", 100)
		m := newModule()
		attempt := m.run(m.log(abi.LevelInfo, text), m.write(1, text+"\n"), drop, done).attempt(t)
		attempt.Limits.LogLine = 64
		_, log := succeed(t, attempt)
		require.Len(t, log.lines, 2)
		for _, message := range log.messages() {
			requireText(t, 64, message)
			require.Greater(t, len(message), 60-len("… (cut)"))
			require.Regexp(t, `^x*(🙂)+… \(cut\)$`, message)
		}
	}
}

func TestLimitFields(t *testing.T) {
	m := newModule()
	withFields := func(fields string) []byte {
		return m.call("log", append(append([]uint32{abi.LevelInfo}, m.text("kept")...), m.text(fields)...)...)
	}
	exact := `{"k":"` + strings.Repeat("v", 64-8) + `"}`
	attempt := m.run(withFields(exact), withFields(" "+exact), withFields("[1]"), withFields(`{"k":`), withFields(`{}`), done).attempt(t)
	attempt.Limits.LogLine = 64
	_, log := succeed(t, attempt)
	require.Equal(t, []host.LogLine{
		{Level: abi.LevelInfo, Message: "kept", Fields: []byte(exact)},
		{Level: abi.LevelInfo, Message: "kept", Fields: []byte(`{"dropped":"fields of 65 bytes, at most 64 are kept"}`)},
		{Level: abi.LevelInfo, Message: "kept"},
		{Level: abi.LevelInfo, Message: "kept"},
		{Level: abi.LevelInfo, Message: "kept", Fields: []byte(`{}`)},
	}, log.lines)
}

func TestLimitLogs(t *testing.T) {
	attempt := goAttempt(t, "chats", "200")
	attempt.Limits.LogTotal = 100 * (100 + 64)
	_, log := succeed(t, attempt)
	require.Len(t, log.lines, 101)
	for i, line := range log.lines[:100] {
		require.Equal(t, host.LogLine{Level: abi.LevelInfo, Message: fmt.Sprintf("%0100d", i)}, line)
	}
	require.Equal(t, host.LogLine{
		Level:   abi.LevelWarn,
		Message: "truncated: limit logs: the attempt logged more than 16400 bytes, the rest is dropped: log less, or give the definition more (log_bytes)",
	}, log.lines[100])

	attempt = goAttempt(t, "chats", "100")
	attempt.Limits.LogTotal = 100 * (100 + 64)
	_, log = succeed(t, attempt)
	require.Len(t, log.lines, 101)
	require.Contains(t, log.lines[100].Message, "truncated: ", "what is written to standard output counts")
}

func TestLimitHostCalls(t *testing.T) {
	m := newModule()
	loop := func(times uint32) *module { // the parameter counts down from it
		return m.run(constant(times), []byte{0x21, 0, 0x03, 0x40}, m.call("number", 0), drop,
			[]byte{0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b}, done)
	}
	attempt := loop(1000).attempt(t)
	attempt.Limits.HostCalls = 1000
	succeed(t, attempt)
	attempt.Limits.HostCalls = 999
	failure := fail(t, host.KindLimit, attempt)
	require.Equal(t, "limit host calls: the guest went over 999 calls, the last of number: log less, or split the task", failure.Message)

	require.Contains(t, fail(t, host.KindLimit, goAttempt(t, "asks", "100000")).Message, "limit host calls: the guest went over 100000 calls")
	attempt = goAttempt(t, "chats", "1000")
	attempt.Limits.HostCalls = 500
	out, log := execute(t, attempt)
	requireFailure(t, host.KindLimit, out)
	require.Contains(t, out.Failure.Message, "over 500 calls, the last of log")
	require.Len(t, log.lines, 498, "two calls were for the input")
}
