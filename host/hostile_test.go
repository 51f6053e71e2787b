package host_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host"
)

// Bytes that a guest passes and does not have are its own fault, in whatever
// place they are passed, and the error says in which function.
func TestBadPointers(t *testing.T) {
	const beyond, all, page = 0xfffffff0, 0xffffffff, 64 << 10
	m := newModule()
	for _, test := range []struct {
		function string
		args     []uint32
	}{
		{"value_read", []uint32{abi.ValueInput, beyond, all}},
		{"value_read", []uint32{abi.ValueInput, beyond, 1}},
		{"value_read", []uint32{abi.ValueInput, page - 1, 2}},
		{"value_read", []uint32{abi.ValueInput, page, 2}},
		{"output", []uint32{beyond, 16, 0, 0}},
		{"output", []uint32{beyond, all, 0, 0}},
		{"output", []uint32{page - 1, 2, 0, 0}},
		{"output", []uint32{0, 1, beyond, 16}},
		{"output", []uint32{0, 1, beyond, all}},
		{"output", []uint32{0, 1, 0, all}},
		{"fail", []uint32{0, beyond, 16, 0, 0}},
		{"fail", []uint32{0, beyond, all, 0, 0}},
		{"fail", []uint32{0, 0, all, 0, 0}},
		{"fail", []uint32{0, 0, 1, beyond, all}},
		{"fail", []uint32{0, 0, 1, 0, all}},
		{"log", []uint32{1, beyond, 16, 0, 0}},
		{"log", []uint32{1, beyond, all, 0, 0}},
		{"log", []uint32{1, 0, all, 0, 0}},
		{"log", []uint32{1, 0, 1, beyond, 16}},
		{"log", []uint32{1, 0, 1, beyond, all}},
		{"log", []uint32{1, 0, 1, 0, all}},
	} {
		t.Run(fmt.Sprintf("%s%x", test.function, test.args), func(t *testing.T) {
			code := m.call(test.function, test.args...)
			if test.function == "value_read" {
				code = append(code, drop...)
			}
			attempt := m.run(m.output("dropped"), code, m.log(abi.LevelError, "not reached"), done).attempt(t)
			attempt.Input = []byte("input")
			out, log := execute(t, attempt)
			requireFailure(t, host.KindTrap, out)
			require.Contains(t, out.Failure.Message, "taskhost_v1."+test.function+" was passed ")
			require.Contains(t, out.Failure.Message, "outside of the guest's memory")
			require.Contains(t, out.Failure.Trace, test.function)
			require.NotContains(t, out.Failure.Trace, "calls.go")
			require.Empty(t, log.lines)
		})
	}
	out, _ := succeed(t, m.run(m.output("the host goes on"), done).attempt(t))
	require.Equal(t, "the host goes on", string(out.Output))
}

// A pointer whose length is zero is not looked at.
func TestPointersOfNothing(t *testing.T) {
	const beyond = 0xfffffff0
	m := newModule()
	attempt := m.run(
		store(1024, m.call("value_read", abi.ValueInput, beyond, 0)),
		store(1028, m.call("value_read", abi.ValueTaskID, beyond, 10)), // an empty value
		m.call("log", abi.LevelInfo, beyond, 0, beyond, 0),
		m.call("fail", 0, beyond, 0, beyond, 0),
		m.call("output", beyond, 0, beyond, 0),
		m.call("output", 1024, 8, beyond, 0),
		done).attempt(t)
	attempt.Input = []byte("input")
	out, log := succeed(t, attempt)
	require.Equal(t, make([]byte, 8), out.Output)
	require.Equal(t, []host.LogLine{{Level: abi.LevelInfo}}, log.lines)
}

func TestUnknownKeys(t *testing.T) {
	m := newModule()
	var code []byte
	at := uint32(1024)
	for _, key := range []uint32{abi.ValueTags + 1, 99, 0xffffffff} {
		code = join(code, store(at, m.call("value_len", key)), store(at+4, m.call("value_read", key, 2048, 100)), store64(at+8, m.call("number", key)))
		at += 16
	}
	out, _ := succeed(t, m.run(code, m.call("output", 1024, at-1024, 0, 0), done).attempt(t))
	require.Equal(t, strings.Repeat("\xff", 48), string(out.Output))
}

const (
	dirty   = "bad \xff\xfe\x00\x07 \x1b[31m \u0085\u009b \xed\xa0\x80 end\r\n\tü"
	cleaned = "bad \ufffd\ufffd\ufffd \ufffd[31m \ufffd\ufffd \ufffd end\ufffd\n\tü"
)

func TestFailuresAreCleaned(t *testing.T) {
	m := newModule()
	failure := fail(t, host.KindError, m.run(m.fail(abi.Permanent, dirty, dirty), failed).attempt(t))
	require.Equal(t, &host.Failure{Kind: host.KindError, Message: cleaned, Trace: cleaned, Permanent: true}, failure)
	failure = fail(t, host.KindError, goAttempt(t, "fail", dirty))
	require.Equal(t, cleaned, failure.Message)
	failure = fail(t, host.KindTrap, m.run(m.write(2, "panic: \x1b[31m"+dirty), drop, unreachable).attempt(t))
	require.Contains(t, failure.Trace, cleaned)
	require.Equal(t, "panic: \ufffd[31mbad \ufffd\ufffd\ufffd \ufffd[31m \ufffd\ufffd \ufffd end", failure.Message)
}

func TestLogsAreCleaned(t *testing.T) {
	m := newModule()
	_, log := succeed(t, m.run(m.write(1, dirty), drop, done).attempt(t))
	require.Equal(t, strings.Split(cleaned, "\n"), log.messages())
	_, log = succeed(t, m.run(m.log(abi.LevelInfo, dirty), done).attempt(t))
	require.Equal(t, []string{cleaned}, log.messages())
}

// Fields are kept as they are, but text that is not UTF-8 has no place in them.
func TestFieldsAreText(t *testing.T) {
	m := newModule()
	args := append(append([]uint32{abi.LevelInfo}, m.text("message")...), m.text("{\"a\xff\":\"b\xc3\"}")...)
	_, log := succeed(t, m.run(m.call("log", args...), done).attempt(t))
	require.Len(t, log.lines, 1)
	require.True(t, utf8.Valid(log.lines[0].Fields), "%q", log.lines[0].Fields)
	require.True(t, json.Valid(log.lines[0].Fields), "%q", log.lines[0].Fields)
	require.Equal(t, "{\"a\ufffd\":\"b\ufffd\"}", string(log.lines[0].Fields))
}

func TestContentTypeIsCleaned(t *testing.T) {
	m := newModule()
	typed := func(contentType string) host.Attempt {
		return m.run(m.call("output", append(m.text("x"), m.text(contentType)...)...), done).attempt(t)
	}
	out, _ := succeed(t, typed("text/plain\x00\xff; \x1b"))
	require.Equal(t, "text/plain\ufffd\ufffd; \ufffd", out.OutputType)
	for _, text := range []string{strings.Repeat("x", 300), strings.Repeat("\x00", 300), "x" + strings.Repeat("é", 200)} {
		out, _ = succeed(t, typed(text))
		requireText(t, 256, out.OutputType)
		require.Greater(t, len(out.OutputType), 250)
	}
}

// A failure of any size, and of whatever bytes, comes to a few kilobytes.
func TestFailuresAreCapped(t *testing.T) {
	const size = 1 << 20
	for name, char := range map[string]string{"text": "x", "NUL": "\x00", "no text": "\xff ", "long characters": "🙂"} {
		t.Run(name, func(t *testing.T) {
			text := strings.Repeat(char, size/len(char))
			m := newModule()
			m.memory = limits(64)
			failure := fail(t, host.KindError, m.run(m.fail(abi.Retryable, text, text), failed).attempt(t))
			require.Greater(t, len(failure.Message), 4<<10-4)
			require.Greater(t, len(failure.Trace), 16<<10-4)
			failure = fail(t, host.KindTrap, m.run(m.write(2, "panic: "+text[:60<<10]), drop, unreachable).attempt(t))
			require.NotEmpty(t, failure.Trace)
			require.Greater(t, len(fail(t, host.KindError, goAttempt(t, "fail", text)).Message), 4<<10-4)
			require.Greater(t, len(fail(t, host.KindError, goAttempt(t, "panic", text)).Message), 4<<10-4)
		})
	}
}

// Lines of standard output are capped however they are written: here without
// any line end, in pieces.
func TestEndlessLineIsCapped(t *testing.T) {
	m := newModule()
	piece := join(m.write(1, strings.Repeat("\x01", 1000)), drop)
	var code []byte
	for range 100 {
		code = append(code, piece...)
	}
	_, log := succeed(t, m.run(code, done).attempt(t))
	require.Len(t, log.lines, 1)
	requireText(t, 8<<10, log.lines[0].Message)
	require.Contains(t, log.lines[0].Message, "… (cut)")
}
