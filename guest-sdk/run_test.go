package guest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/guest-sdk/internal/fakehost"
)

func TestUnknownIndexFailsForGood(t *testing.T) {
	alone(t)
	HandleRaw("only", echo, Options{})
	for _, index := range []uint32{1, 1<<32 - 1} {
		outcome := fakehost.Run(index, nil, nil)
		require.EqualValues(t, abi.RunFailed, outcome.Status)
		require.EqualValues(t, abi.Permanent, outcome.Failure.Kind)
		require.Contains(t, outcome.Failure.Message, "the module has 1")
	}
}

// A host of a later version answers all of these; one of an earlier version may
// not know some.
func TestHostThatKnowsNothing(t *testing.T) {
	alone(t)
	HandleRaw("ask", func(ctx Context, in []byte) ([]byte, error) {
		require.Empty(t, in)
		require.Empty(t, ctx.TaskID())
		require.Equal(t, 0, ctx.Attempt())
		require.Equal(t, 1, ctx.MaxAttempts())
		require.Equal(t, time.Time{}, ctx.Deadline())
		require.Nil(t, ctx.Tags())
		require.Equal(t, "application/json", ctx.InputType())
		require.Equal(t, "ask", ctx.Name())
		return []byte("asked"), nil
	}, Options{})
	require.Equal(t, "asked", string(fakehost.Run(0, nil, nil).Output))
}

func TestHandlerOwnsItsInput(t *testing.T) {
	alone(t)
	HandleRaw("spoil", func(_ Context, in []byte) ([]byte, error) {
		clear(in)
		return append(in[:1], "spoilt"...), nil
	}, Options{})
	given := []byte("given")
	fakehost.Run(0, map[uint32][]byte{abi.ValueInput: given}, nil)
	require.Equal(t, "given", string(given))
}

func TestLongTraceIsCut(t *testing.T) {
	alone(t)
	var deep func(n int) int
	deep = func(n int) int {
		if n == 0 {
			panic("deep")
		}
		return deep(n-1) + 1
	}
	HandleRaw("deep", func(Context, []byte) ([]byte, error) { deep(1000); return nil, nil }, Options{})
	trace := fakehost.Run(0, nil, nil).Failure.Trace
	require.LessOrEqual(t, len(trace), maxTraceBytes)
	require.Contains(t, trace, "run_test.go:")
}

func BenchmarkRaw(b *testing.B) {
	kept := definitions
	defer func() { definitions = kept }()
	definitions = nil
	HandleRaw("echo", echo, Options{})
	values := map[uint32][]byte{abi.ValueInput: []byte(`{"small":true}`)}
	b.ReportAllocs()
	for b.Loop() {
		fakehost.Run(0, values, nil)
	}
}

func TestOnExecution(t *testing.T) {
	alone(t)
	var calls []string
	OnExecution(func() { calls = append(calls, "first") })
	OnExecution(func() { calls = append(calls, "second") })
	HandleRaw("only", func(_ Context, in []byte) ([]byte, error) {
		calls = append(calls, "handler")
		return in, nil
	}, Options{})
	require.EqualValues(t, abi.RunFailed, fakehost.Run(7, nil, nil).Status)
	require.Empty(t, calls, "nothing was executed")
	for range 2 {
		require.EqualValues(t, abi.RunDone, fakehost.Run(0, nil, nil).Status)
	}
	require.Equal(t, []string{"first", "second", "handler", "first", "second", "handler"}, calls)

	OnExecution(func() { panic("not today") })
	outcome := fakehost.Run(0, nil, nil)
	require.EqualValues(t, abi.RunFailed, outcome.Status)
	require.Equal(t, "panic: not today", outcome.Failure.Message)
	require.PanicsWithValue(t, "guest: OnExecution: the function is nil", func() { OnExecution(nil) })
}
