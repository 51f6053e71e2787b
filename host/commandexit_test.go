package host_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host"
)

func TestCommandSucceeds(t *testing.T) {
	m := newCommand()
	for name, end := range map[string][]byte{"returns": nil, "exits": m.call("proc_exit", 0)} {
		out, log := succeed(t, m.program(m.print(2, "panic: not at all\n"), m.print(1, "result"), end).attempt(t))
		require.Equal(t, "result", string(out.Output), name)
		require.Equal(t, "text/plain; charset=utf-8", out.OutputType)
		require.Len(t, log.lines, 1)
		require.Positive(t, out.Usage.Sandbox)
		require.EqualValues(t, 4<<16, out.Usage.PeakMemory)
	}
}

// An exit can be of whatever number: also of those that stand for a context that
// has ended. What it did not say it cannot be taken for.
func TestCommandExitCodes(t *testing.T) {
	m := newCommand()
	for code, want := range map[uint32]string{
		1: "exit code 1", 3: "exit code 3", 255: "exit code 255", 256: "exit code 256",
		0xefffffff: "exit code 4026531839", 0xffffffff: "exit code 4294967295",
	} {
		failure := fail(t, host.KindError, m.program(m.print(1, "dropped"), m.call("proc_exit", code), m.print(1, "not reached")).attempt(t))
		require.Equal(t, &host.Failure{Kind: host.KindError, Message: want}, failure)
	}
}

func TestCommandsLastWords(t *testing.T) {
	const long = 5 << 10
	for name, test := range map[string]struct{ stderr, want string }{
		"nothing":          {"", "exit code 1"},
		"blank":            {" \n\t\n\n", "exit code 1"},
		"a line":           {"no such file\n", "exit code 1: no such file"},
		"no line end":      {"no such file", "exit code 1: no such file"},
		"the last of some": {"usage: x\nx: error: too few\n\n  \n", "exit code 1: x: error: too few"},
		"a Go panic":       {"hm\npanic: index out of range [7]\n\ngoroutine 1 [running]:\nmain.main()\n\tmain.go:7\n", "exit code 1: panic: index out of range [7]"},
		"no text":          {"a\xffb\x1b[0m\n", "exit code 1: a\ufffdb\ufffd[0m"},
		"a long line":      {strings.Repeat("x", long) + "\n", "exit code 1: " + strings.Repeat("x", 4<<10-len("exit code 1: "))},
		"a stop, forged":   {"context deadline exceeded\n", "exit code 1: context deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newCommand()
			failure := fail(t, host.KindError, m.program(m.print(2, test.stderr), m.call("proc_exit", 1)).attempt(t))
			require.Equal(t, test.want, failure.Message)
			require.False(t, failure.Permanent)
			if strings.TrimSpace(test.stderr) != "" && name != "no text" {
				require.Equal(t, strings.TrimSpace(test.stderr), failure.Trace)
			}
		})
	}
}

func TestCommandTraps(t *testing.T) {
	m := newCommand()
	failure := fail(t, host.KindTrap, m.program(m.print(1, "dropped"), unreachable).attempt(t))
	require.Contains(t, failure.Message, "unreachable")
	require.NotEmpty(t, failure.Trace)

	failure = fail(t, host.KindTrap, m.program(m.print(2, "\nthread 'main' panicked at src/main.rs:2:5:\nout of tea\n"), unreachable).attempt(t))
	require.Contains(t, failure.Message, "unreachable")
	require.Contains(t, failure.Trace, "src/main.rs:2:5:\nout of tea\n\nwasm stack:\n")
	failure = fail(t, host.KindTrap, m.program(m.print(2, "panic: at last\n"), unreachable).attempt(t))
	require.Equal(t, "panic: at last", failure.Message)

	// Before _start, too.
	m.program().start = true
	failure = fail(t, host.KindTrap, m.add("", unreachable).attempt(t))
	require.Contains(t, failure.Message, "unreachable")
	last := &m.functions[len(m.functions)-1]
	last.code = join(m.print(1, "early"), m.call("proc_exit", 0))
	out, _ := succeed(t, m.attempt(t))
	require.Equal(t, "early", string(out.Output))
}

// What is half a command is refused, as is a guest that was built as one.
func TestHalfCommands(t *testing.T) {
	e := newEngine(t, host.Config{})
	takes := newCommand()
	takes.function("_start").params = []byte{i32}
	requireRefused(t, e, takes.bytes(), "its export _start is (i32) -> (), but must be without parameters and results")
	requireRefused(t, e, newCommand().add(abi.ExportInitialize).bytes(), "it exports both _start and _initialize: a command has the one and a reactor the other")
	imports := newCommand()
	imports.imports = append(imports.imports, importDecl{abi.Module, "log", signature{params: []byte{i32, i32, i32, i32, i32}}})
	requireRefused(t, e, imports.bytes(), "it is a command, with _start, and imports taskhost_v1.log: a command has WASI alone, and a guest of the contract exports taskhost_describe and taskhost_run, in Go with -buildmode=c-shared")
	hidden := newCommand()
	hidden.memoryAs = "mem"
	requireRefused(t, e, hidden.bytes(), `it exports no memory named "memory"`)

	const built = "it is a guest built as a command, with _start and without _initialize: build it as a reactor, in Go with -buildmode=c-shared"
	requireRefused(t, e, newModule(done).add("_start").bytes(), built)
	half := newModule(done).add("_start")
	half.function(abi.ExportDescribe).export = ""
	requireRefused(t, e, half.bytes(), "it exports no function taskhost_describe: ")

	// A guest may export _start beside _initialize: it is not looked at.
	m := newModule()
	both := m.run(m.output("a guest"), done).add("_start", unreachable).add(abi.ExportInitialize)
	out, _ := succeed(t, both.attempt(t))
	require.Equal(t, "a guest", string(out.Output))
	is, err := sharedEngine().IsCommand(t.Context(), both.attempt(t).Digest)
	require.NoError(t, err)
	require.False(t, is)
}
