package host_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host"
	"github.com/taskhost/taskhost/host/wasi"
)

// alsoImports adds functions of WASI to a module that has no code yet, so that its
// indexes hold.
func alsoImports(names ...string) *module {
	m := newModule()
	for _, name := range names {
		params, results, _ := wasi.Signature(name)
		m.imports = append(m.imports, importDecl{wasi.ModuleName, name, signature{params, results}})
	}
	return m.set(abi.ExportDescribe, m.output(manifest))
}

// both runs an attempt in an instance that was used, and in a new one, which have to
// end alike.
func both(t *testing.T, attempt host.Attempt) host.Outcome {
	t.Helper()
	execute(t, attempt)
	used, _ := execute(t, attempt)
	alone, _ := execute(t, fresh(attempt))
	require.False(t, alone.Usage.Pooled)
	require.Equal(t, ended(alone), ended(used))
	return used
}

// What a module may ask for at its start and still have an image is what is the same
// for each execution.
func TestWhatImagesMayHold(t *testing.T) {
	for name, test := range map[string]struct {
		start []byte // code of _initialize
		says  string // of why there is no image, "" where there is one
	}{
		"nothing":        {nil, ""},
		"a log line":     {newModule().log(0, "set up"), ""},
		"no arguments":   {join(alsoImports("args_sizes_get").call("args_sizes_get", 5000, 5004), drop), ""},
		"the clock":      {join(clockCall(1), drop), "it looks at the clock while it initialises"},
		"the day":        {join(clockCall(0), drop), "it looks at the clock while it initialises"},
		"no such clock":  {join(clockCall(9), drop), ""},
		"randomness":     {join(alsoImports("random_get").call("random_get", 5000, 8), drop), "it draws random numbers while it initialises"},
		"no randomness":  {join(alsoImports("random_get").call("random_get", 5000, 0), drop), "it draws random numbers while it initialises"},
		"its input":      {join(newModule().call("value_len", abi.ValueInput), drop), "it asks for its task before it has one"},
		"its task's id":  {join(newModule().call("value_read", abi.ValueTaskID, 5000, 10), drop), "it asks for its task before it has one"},
		"its attempt":    {join(newModule().call("number", abi.NumberAttempt), drop), "it asks for its task before it has one"},
		"much of memory": {join(grow(5000), trapIfFull), "it sets up more than 256 MiB of memory"},
	} {
		t.Run(name, func(t *testing.T) {
			imports := map[string][]string{"no arguments": {"args_sizes_get"}, "randomness": {"random_get"}, "no randomness": {"random_get"}}[name]
			if name == "the clock" || name == "the day" || name == "no such clock" {
				imports = []string{"clock_time_get"}
			}
			m := alsoImports(imports...)
			attempt := m.run(m.output("done"), done).add(abi.ExportInitialize, test.start).attempt(t)
			if name == "much of memory" {
				attempt.Limits.Memory = host.MaxMemory
			}
			origin := host.OriginOf(sharedEngine(), attempt.Digest)
			require.True(t, origin.Resets)
			require.Equal(t, test.says == "", origin.Initialized)
			require.Equal(t, test.says, origin.Why)
			note, err := sharedEngine().Note(context.Background(), attempt.Digest)
			require.NoError(t, err)
			require.Contains(t, note, test.says)
			require.Equal(t, test.says == "", note == "")
			require.Equal(t, "application/json done", ended(both(t, attempt)))
		})
	}
}

func clockCall(clock uint32) []byte {
	m := alsoImports("clock_time_get")
	return join(constant(clock), []byte{0x42, 0}, constant(5000), []byte{0x10}, leb(m.index("clock_time_get")))
}

// A module that draws when it declares itself is set up as far as before that.
func TestImageBeforeTheDraw(t *testing.T) {
	m := alsoImports("random_get")
	m.set(abi.ExportDescribe, m.output(manifest), store(5000, constant(7)), m.call("random_get", 6000, 8), drop)
	m.add(abi.ExportInitialize, store(5004, constant(8)))
	attempt := m.run(m.call("output", 5000, 8, 0, 0), done).attempt(t)
	require.True(t, host.OriginOf(sharedEngine(), attempt.Digest).Initialized)
	out := both(t, attempt)
	require.Equal(t, []byte{0, 0, 0, 0, 8, 0, 0, 0}, out.Output)
}

// What a module does before its task is not the task's: whether it is done in the
// execution or was done before cannot be told.
func TestInitialisationIsNotTheTask(t *testing.T) {
	m := newModule()
	many := func(n int) (code []byte) {
		for range n {
			code = append(code, m.log(0, "")...)
		}
		return code
	}
	m.add(abi.ExportInitialize, m.output("early"), m.fail(abi.Permanent, "early", "early"), many(6))
	for want, code := range map[string][]byte{
		" ": done, "error the task failed and gave no reason false": failed, "application/json late": join(m.output("late"), done),
	} {
		attempt := m.run(many(8), code).attempt(t)
		attempt.Limits.HostCalls = 10
		require.Equal(t, want, ended(both(t, attempt)))
	}
	// The start function of a file is as much a part of it, and has its place.
	m = newModule(load(5000), drop)
	m.start = true
	m.add(abi.ExportInitialize, store(5000, join(load(5000), constant(3), []byte{0x6c}))) // times 3
	m.run(m.call("output", 5000, 4, 0, 0), store(5000, constant(99)), done)
	attempt := m.add("", store(5000, join(load(5000), constant(2), []byte{0x6a}))).attempt(t) // and 2
	require.Equal(t, []byte{6, 0, 0, 0}, both(t, attempt).Output, "once, and in this order")
}

// A module that says that it is of our SDK is taken at its word, at its own risk: what
// it does when it is asked to run what it has not is in its image.
func TestForgedSDK(t *testing.T) {
	m := newModule()
	m.set(abi.ExportDescribe, m.output(`{"sdk":"go/1","definitions":[{"name":"raw"}]}`))
	count := store(5000, join(load(5000), constant(1), []byte{0x6a}))
	refuse := join([]byte{0x20, 0, 0x41, 0x7f, 0x46, 0x04, 0x40}, count, failed, []byte{0x0f, 0x0b}) // where it is told -1
	attempt := m.run(refuse, count, m.call("output", 5000, 4, 0, 0), done).attempt(t)
	for range 3 {
		out, _ := succeed(t, attempt)
		require.Equal(t, []byte{4, 0, 0, 0}, out.Output)
	}
	// One that takes that for a task, or breaks off, is not warmed up.
	for _, says := range [][]byte{done, unreachable} {
		attempt := m.run(count, m.call("output", 5000, 4, 0, 0), says).attempt(t)
		require.True(t, host.OriginOf(sharedEngine(), attempt.Digest).Initialized)
		both(t, attempt)
	}
	// So does one that breaks off while it declares itself: that leaves no mark.
	attempt = newModule().set(abi.ExportDescribe, count, unreachable).run(count, m.call("output", 5000, 4, 0, 0), done).attempt(t)
	require.Equal(t, "application/json \x01\x00\x00\x00", ended(both(t, attempt)))
}

// What is drawn in a stage that then fails is not in the image of the one before.
func TestDrawsOfAFailedStage(t *testing.T) {
	m := alsoImports("random_get")
	m.set(abi.ExportDescribe, m.output(`{"sdk":"go/1","definitions":[{"name":"raw"}]}`))
	keep := join(load(5000), []byte{0x45, 0x04, 0x40}, m.call("random_get", 5000, 4), drop, []byte{0x0b}) // where there is none
	attempt := m.run(keep, m.call("output", 5000, 4, 0, 0), done).attempt(t)
	seen := make(map[string]bool)
	for range 20 {
		out, _ := succeed(t, attempt)
		seen[string(out.Output)] = true
	}
	require.Len(t, seen, 20)
}

// Tables, and which segments were dropped, cannot be taken back: a module with an
// instruction that changes them has a new instance each time, and so nothing is left.
func TestWhatCannotBeReset(t *testing.T) {
	null, zero := []byte{0xd0, 0x70}, constant(0)
	three := join(zero, zero, zero)
	for name, code := range map[string][]byte{
		"table.set":  join(zero, null, []byte{0x26, 0}),
		"table.grow": join(null, constant(1), []byte{0xfc, 15, 0}, drop),
		"table.fill": join(zero, null, constant(1), []byte{0xfc, 17, 0}),
		"table.copy": join(three, []byte{0xfc, 14, 0, 0}),
		"table.init": join(three, []byte{0xfc, 12, 0, 0}),
		"elem.drop":  {0xfc, 13, 0},
		"data.drop":  {0xfc, 9, 1},
	} {
		t.Run(name, func(t *testing.T) {
			m := newModule()
			m.table = []byte{byte(m.index("number"))}
			m.segments = [][]byte{join([]byte{0, 0x41, 0, 0x0b}, str(string(m.data))), join([]byte{1}, str("segment"))}
			use := join(m.callIndirect("number", 0), drop, constant(5000), zero, constant(7), []byte{0xfc, 8, 1, 0}, []byte{0xfc, 16, 0}, drop)
			attempt := m.run(use, code, m.call("output", 5000, 7, 0, 0), done).attempt(t)
			require.False(t, host.OriginOf(sharedEngine(), attempt.Digest).Resets)
			note, err := sharedEngine().Note(context.Background(), attempt.Digest)
			require.NoError(t, err)
			require.Contains(t, note, "each execution has a new instance")
			for range 3 {
				out, _ := succeed(t, attempt)
				require.Equal(t, "segment", string(out.Output))
				require.False(t, out.Usage.Pooled)
			}
			// The same without that instruction is taken back.
			attempt = m.run(use, m.call("output", 5000, 7, 0, 0), done).attempt(t)
			require.True(t, host.OriginOf(sharedEngine(), attempt.Digest).Resets)
			require.Equal(t, "application/json segment", ended(both(t, attempt)))
		})
	}
	for name, entry := range map[string][]byte{
		"v128": join([]byte{0x7b, 1, 0xfd, 12}, make([]byte, 16), []byte{0x0b}), "funcref": {0x70, 1, 0xd0, 0x70, 0x0b},
	} {
		t.Run(name, func(t *testing.T) {
			m := newModule()
			m.globals = [][]byte{entry}
			attempt := m.run(m.output("done"), done).attempt(t)
			require.False(t, host.OriginOf(sharedEngine(), attempt.Digest).Resets)
			for range 2 {
				out, _ := succeed(t, attempt)
				require.False(t, out.Usage.Pooled)
			}
		})
	}
}

// A command has no image but its file, and is used again from there, whatever it has
// done: with other input, arguments and ends.
func TestCommandsAreUsedAgain(t *testing.T) {
	e := newEngine(t, host.Config{})
	result := host.CheckResets(e)
	m := newCommand()
	const counter, name = 40_000, 41_000
	// It tells its name and how often it has run, and then copies its input.
	m.program(
		store(counter, join(load(counter), constant(1), []byte{0x6a})),
		m.call("args_get", 40_100, name), drop, m.show(counter, 4), m.show(name, 4), grow(3), drop, m.copies(1000),
		store(70_000, constant(1)))
	attempt := m.prepare(t, e)
	for n := range 1000 {
		attempt.Name, attempt.Input = fmt.Sprintf("%04d", n), fmt.Appendf(nil, "the input %d", n)
		out := e.Execute(context.Background(), attempt, &logged{})
		require.Nil(t, out.Failure, "%+v", out.Failure)
		require.Equal(t, fmt.Sprintf("\x01\x00\x00\x00%04dthe input %d", n, n), string(out.Output))
		require.Equal(t, n > 0, out.Usage.Pooled)
	}
	checked, wrong := result()
	require.Equal(t, 1000, checked)
	require.Empty(t, wrong)
}

// A command in Go sets itself up each time, in one instance.
func TestGoCommandsAreUsedAgain(t *testing.T) {
	for n := range 50 {
		if n%5 == 4 {
			fail(t, host.KindError, commandAttempt(t, `{"do":"exit","code":3}`))
			continue
		}
		text := fmt.Sprint("the input ", n)
		out, _ := succeed(t, commandAttempt(t, `{"do":"copy"}`+"\n"+text))
		require.Equal(t, text, string(out.Output))
		require.True(t, n == 0 || out.Usage.Pooled)
	}
}
