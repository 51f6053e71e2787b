package host_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host"
)

// What the contract lists is what is implemented.
func TestContractIsImplemented(t *testing.T) {
	var listed []string
	for _, f := range abi.Imports() {
		listed = append(listed, f.Name)
	}
	slices.Sort(listed)
	require.Equal(t, listed, host.Implemented())

	for _, name := range listed {
		host.WithoutHostFunc(name, func() {
			_, err := host.New(context.Background(), host.Config{})
			require.ErrorContains(t, err, "set up the host functions: ", "without %s", name)
		})
	}
}

// A module that imports all functions links, and can call each of them, also
// through a table, as compilers do for pointers to functions.
func TestAllImportsLink(t *testing.T) {
	for _, indirect := range []bool{false, true} {
		m := newModule()
		var code []byte
		for i := range m.imports {
			m.table = append(m.table, byte(i))
		}
		text := m.text("text")
		args := map[string][]uint32{
			"value_len":  {abi.ValueInput},
			"value_read": {abi.ValueInput, 1024, 100},
			"number":     {abi.NumberMaxAttempts},
			"output":     slices.Concat(text, text),
			"fail":       slices.Concat([]uint32{abi.Permanent}, text, text),
			"log":        slices.Concat([]uint32{abi.LevelError}, text, text),
		}
		require.Len(t, args, len(abi.Imports()))
		for _, f := range abi.Imports() {
			require.Len(t, args[f.Name], len(f.Params), f.Name)
			if indirect {
				code = append(code, m.callIndirect(f.Name, args[f.Name]...)...)
			} else {
				code = append(code, m.call(f.Name, args[f.Name]...)...)
			}
			for range f.Results {
				code = append(code, drop...)
			}
		}
		out, log := succeed(t, m.run(code, done).attempt(t))
		require.Equal(t, "text", string(out.Output))
		require.Equal(t, "text", out.OutputType)
		require.Equal(t, []host.LogLine{{Level: abi.LevelError, Message: "text"}}, log.lines)

		failure := fail(t, host.KindError, m.run(code, failed).attempt(t))
		require.Equal(t, &host.Failure{Kind: host.KindError, Message: "text", Trace: "text", Permanent: true}, failure)
	}
}

// A host function that panics fails the attempt, and shows nothing of the host.
func TestHostFunctionPanics(t *testing.T) {
	m := newModule()
	var none map[string]int
	log := &logged{first: func() { none["x"] = 1 }}
	out := sharedEngine().Execute(context.Background(), m.run(m.log(0, "text"), done).attempt(t), log)
	require.NotNil(t, out.Failure)
	require.Contains(t, out.Failure.Message, "assignment to entry in nil map")
	require.NotContains(t, out.Failure.Message+out.Failure.Trace, ".go:")
	require.NotContains(t, out.Failure.Message+out.Failure.Trace, "goroutine")
	succeed(t, m.attempt(t))
}
