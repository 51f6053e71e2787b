package host_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host"
	"github.com/taskhost/taskhost/host/wasi"
)

// newCommand gives a WASI command that runs the code. It imports nothing of the
// contract.
func newCommand(code ...[]byte) *module {
	m := &module{memory: limits(4), memoryAs: abi.ExportMemory}
	for _, name := range []string{
		"proc_exit", "fd_write", "fd_read", "fd_close", "fd_fdstat_get", "fd_filestat_get",
		"args_sizes_get", "args_get", "environ_sizes_get", "poll_oneoff",
	} {
		params, results, _ := wasi.Signature(name)
		m.imports = append(m.imports, importDecl{wasi.ModuleName, name, signature{params, results}})
	}
	return m.add("_start", code...)
}

// program sets the code of a command.
func (m *module) program(code ...[]byte) *module { return m.set("_start", code...) }

// errno calls a function of WASI, which must answer this.
func (m *module) errno(want uint32, name string, args ...uint32) []byte {
	return join(m.call(name, args...), constant(want), []byte{0x47, 0x04, 0x40}, unreachable, []byte{0x0b}) // i32.ne, if
}

// print writes a text to a stream.
func (m *module) print(fd uint32, s string) []byte { return join(m.write(fd, s), drop) }

// list is where a list of one buffer is, and count where WASI puts a number.
const (
	list  = 50_000
	count = 50_008
)

// show writes what is in memory to standard output.
func (m *module) show(at, length uint32) []byte {
	return join(store(list, constant(at)), store(list+4, constant(length)), m.call("fd_write", 1, list, 1, count), drop)
}

// copies copies standard input to standard output, in pieces of at most so many
// bytes, and then looks whether the end stays the end.
func (m *module) copies(piece uint32) []byte {
	const buffer = 64 << 10
	read := join(store(list, constant(buffer)), store(list+4, constant(piece)), m.errno(0, "fd_read", 0, list, 1, count))
	return join(
		[]byte{0x02, 0x40, 0x03, 0x40},           // block, loop
		read, load(count), []byte{0x45, 0x0d, 1}, // i32.eqz, br_if 1
		store(list+4, load(count)), m.errno(0, "fd_write", 1, list, 1, count),
		[]byte{0x0c, 0, 0x0b, 0x0b},                                      // br 0, end, end
		read, load(count), []byte{0x04, 0x40}, unreachable, []byte{0x0b}, // if
	)
}

func TestCommandReadsAndWrites(t *testing.T) {
	m := newCommand()
	for _, size := range []int{0, 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 1 << 20} {
		for _, piece := range []uint32{1, 1000, 64 << 10} {
			if piece == 1 && size > 64<<10 {
				continue // two million calls
			}
			attempt := m.program(m.copies(piece)).attempt(t)
			attempt.Input = bytes.Repeat([]byte{0, 'a', 0xff, '\n'}, size/4+1)[:size]
			out, log := succeed(t, attempt)
			require.True(t, bytes.Equal(attempt.Input, out.Output), "%d bytes in pieces of %d came back as %d", size, piece, len(out.Output))
			require.Empty(t, log.lines)
		}
	}
	// The bytes are the caller's, down to the spaces.
	out, _ := succeed(t, with(m.program(m.copies(7)).attempt(t), " {\"a\" : 1}\n"))
	require.Equal(t, " {\"a\" : 1}\n", string(out.Output))
}

// A program cannot name the type of what it writes, so it goes by the bytes.
func TestCommandContentTypes(t *testing.T) {
	for output, want := range map[string]string{
		"":                       "",
		`{"a":1}`:                "application/json",
		"{\"a\":1}\n":            "application/json",
		"42\n":                   "application/json",
		" \n":                    "text/plain; charset=utf-8",
		"{\"a\":1}\n{\"a\":2}\n": "text/plain; charset=utf-8",
		"no line end":            "text/plain; charset=utf-8",
		"grüße\r\n":              "text/plain; charset=utf-8",
		"\x89PNG\r\n":            "application/octet-stream",
		"{\"a\":\"\xff\"}":       "application/octet-stream", // which encoding/json would take
	} {
		m := newCommand()
		out, log := succeed(t, m.program(m.print(1, output)).attempt(t))
		require.Equal(t, output, string(out.Output))
		require.Equal(t, want, out.OutputType, "%q", output)
		require.Empty(t, log.lines, "standard output is no log")
	}
}

// Nothing but its name and its input reaches a command.
func TestCommandSeesItsTask(t *testing.T) {
	m := newCommand()
	const sizes, pointers, text = 1024, 2048, 3000
	attempt := m.program(
		m.errno(0, "args_sizes_get", sizes, sizes+4), m.errno(0, "args_get", pointers, text),
		m.errno(0, "environ_sizes_get", sizes+8, sizes+12), m.show(sizes, 16), m.show(text, 10),
	).attempt(t)
	attempt.Name, attempt.TaskID, attempt.Number = "text.count", "an id", 3
	attempt.Tags = map[string]string{"a": "b"}
	out, _ := succeed(t, attempt)
	require.Equal(t, "\x01\x00\x00\x00\x0b\x00\x00\x00"+strings.Repeat("\x00", 8)+"text.count", string(out.Output))
}

// A program that looks at its streams finds pipes, and one that closes them or
// waits for them goes on. A guest's streams stay what they were.
func TestCommandStreams(t *testing.T) {
	const stat, subscription, events = 1024, 2048, 3072
	m := newCommand()
	var code []byte
	for fd := range uint32(3) {
		code = join(code, m.errno(0, "fd_fdstat_get", fd, stat), m.show(stat, 1), m.errno(0, "fd_filestat_get", fd, stat), m.show(stat+16, 1))
	}
	poll := join(store(subscription, constant(7)), store(subscription+8, constant(1)), store(subscription+16, constant(0)), // fd_read, of 0
		m.errno(0, "poll_oneoff", subscription, events, 1, count), m.show(count, 4), m.show(events, 24))
	out, _ := succeed(t, with(m.program(code, poll, m.errno(0, "fd_close", 0), m.errno(0, "fd_close", 2)).attempt(t), "abc"))
	require.Equal(t, "\x00\x00\x00\x00\x00\x00"+"\x01\x00\x00\x00"+
		"\x07\x00\x00\x00\x00\x00\x00\x00"+"\x00\x00\x01\x00\x00\x00\x00\x00"+"\x03\x00\x00\x00\x00\x00\x00\x00", string(out.Output))

	g := newModule()
	g.imports = append(g.imports, importDecl{wasi.ModuleName, "fd_fdstat_get", signature{[]byte{i32, i32}, []byte{i32}}})
	g.run(g.call("fd_fdstat_get", 1, stat), drop, g.call("output", stat, 1, 0, 0), done)
	out, _ = succeed(t, g.attempt(t))
	require.Equal(t, "\x02", string(out.Output))
}

func TestCommandStateIsFreshEachTime(t *testing.T) {
	m := newCommand()
	attempt := m.program(store(1024, join(load(1024), constant('1'), []byte{0x6a})), m.show(1024, 1)).attempt(t) // i32.add
	for range 3 {
		out, _ := succeed(t, attempt)
		require.Equal(t, "1", string(out.Output))
	}
}

func TestCommandLogs(t *testing.T) {
	m := newCommand()
	out, log := succeed(t, m.program(m.print(2, "one\ntw"), m.print(1, "result"), m.print(2, "o\nrest")).attempt(t))
	require.Equal(t, "result", string(out.Output))
	require.Equal(t, []host.LogLine{
		{Level: abi.LevelWarn, Message: "one"}, {Level: abi.LevelWarn, Message: "two"}, {Level: abi.LevelWarn, Message: "rest"},
	}, log.lines)
}

func TestCommandLimitResult(t *testing.T) {
	const mib = 1 << 20
	m := newCommand()
	flood := join([]byte{0x03, 0x40}, m.show(0, 64<<10), []byte{0x0c, 0, 0x0b}) // loop, br 0, end
	failure := fail(t, host.KindLimit, m.program(flood).attempt(t))
	require.Equal(t, "limit result: the guest went over 1 MiB: return a reference to large data instead of the data, or build it as a guest, whose definition can ask for more (result_bytes, at most 16 MiB)", failure.Message)
	require.False(t, failure.Permanent)

	attempt := m.program(m.copies(64<<10), m.print(1, "!")).attempt(t)
	fail(t, host.KindLimit, with(attempt, strings.Repeat("x", mib)))
	out, _ := succeed(t, with(attempt, strings.Repeat("x", mib-1)))
	require.Len(t, out.Output, mib)

	attempt.Limits.Output = 10
	fail(t, host.KindLimit, with(attempt, "0123456789"))
	out, _ = succeed(t, with(attempt, "012345678"))
	require.Equal(t, "012345678!", string(out.Output))
}

func TestCommandLimitLogs(t *testing.T) {
	m := newCommand()
	lines := strings.Repeat(strings.Repeat("x", 99)+"\n", 300)
	loop := join([]byte{0x03, 0x40}, m.print(2, lines), store(1<<17, join(load(1<<17), constant(1), []byte{0x6a})), // i32.add
		load(1<<17), constant(30), []byte{0x49, 0x0d, 0, 0x0b}) // i32.lt_u, br_if 0, end
	out, log := succeed(t, m.program(loop, m.print(1, "done")).attempt(t))
	require.Equal(t, "done", string(out.Output))
	require.Less(t, len(log.lines), 7000)
	last := log.lines[len(log.lines)-1].Message
	require.Contains(t, last, "truncated: limit logs: ")
	require.Contains(t, last, ": log less, or build it as a guest, whose definition can ask for more (log_bytes)")
}

// A command cannot be given more, and says what it can be turned into.
func TestCommandLimitsOfWork(t *testing.T) {
	m := newCommand()
	attempt := m.program([]byte{0x03, 0x40, 0x0c, 0, 0x0b}).attempt(t) // loop, br 0, end
	attempt.Limits.Fuel = 1_000_000
	failure := fail(t, host.KindLimit, attempt)
	require.Equal(t, "limit fuel: the guest went over 1000000 units of work: have it do less, or split the task, or build it as a guest, whose definition can ask for more (fuel)", failure.Message)
}

func TestCommandLimitMemory(t *testing.T) {
	m := newCommand()
	refused := join(grow(5), constant(0xffffffff), []byte{0x47, 0x04, 0x40}, unreachable, []byte{0x0b}) // i32.ne, if
	attempt := m.program(refused, m.print(2, "out of memory\n"), m.call("proc_exit", 1)).attempt(t)
	attempt.Limits.Memory = 8 << 16
	failure := fail(t, host.KindLimit, attempt)
	require.Equal(t, "limit memory: the guest went over 512 KiB (it was refused more, and ended with: exit code 1: out of memory): "+
		"have it use less, or build it as a guest, whose definition can ask for more", failure.Message)

	attempt = m.program(refused, m.print(1, "made do")).attempt(t)
	attempt.Limits.Memory = 8 << 16
	out, _ := succeed(t, attempt)
	require.Equal(t, "made do", string(out.Output))
	attempt.Limits.Memory = 3 << 16
	require.Contains(t, fail(t, host.KindLimit, attempt).Message, "it starts with 256 KiB")
}

func TestCommandStops(t *testing.T) {
	m := newCommand()
	for name, code := range map[string][]byte{
		"a loop":  forever,
		"a sleep": join(store(1024+16, constant(1)), store(1024+28, constant(1<<16)), m.call("poll_oneoff", 1024, 2048, 1, count), drop),
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(context.Background())
			defer cancel(nil)
			log := &logged{first: func() { cancel(errors.New("cancelled by ann")) }}
			start := time.Now()
			out := sharedEngine().Execute(ctx, m.program(m.print(1, "dropped"), m.print(2, "running\n"), code).attempt(t), log)
			requireStopped(t, out, "cancelled by ann", time.Since(start))
			require.Equal(t, []string{"running"}, log.messages())
		})
	}
}

// A command that has ended has ended, whatever has become of its context.
func TestCommandEndsAsItIsStopped(t *testing.T) {
	m := newCommand()
	for code, want := range map[uint32]string{0: "", 3: "exit code 3: the last word"} {
		ctx, cancel := context.WithCancel(context.Background())
		attempt := m.program(m.print(1, "result"), m.print(2, "the last word\n"), m.call("proc_exit", code)).attempt(t)
		out := sharedEngine().Execute(ctx, attempt, &logged{first: cancel})
		require.Error(t, ctx.Err())
		if want == "" {
			require.Nil(t, out.Failure, "%+v", out.Failure)
			require.Equal(t, "result", string(out.Output))
			continue
		}
		requireFailure(t, host.KindError, out)
		require.Equal(t, want, out.Failure.Message)
	}
}

func TestCommandIsNoGuest(t *testing.T) {
	ctx := context.Background()
	command, guest := newCommand().attempt(t).Digest, newModule(done).attempt(t).Digest
	for digest, want := range map[string]bool{command: true, guest: false} {
		is, err := sharedEngine().IsCommand(ctx, digest)
		require.NoError(t, err)
		require.Equal(t, want, is)
	}
	_, err := sharedEngine().IsCommand(ctx, "unknown")
	require.ErrorContains(t, err, "module unknown has not been prepared")
	_, err = sharedEngine().Describe(ctx, command)
	require.EqualError(t, err, fmt.Sprintf("module %s is a command, which declares nothing", command))
}
