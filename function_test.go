package taskhost_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost"
	"github.com/taskhost/taskhost/task"
)

var errBroken = errors.New("it broke")

// fails registers a function and returns how a task of it ends.
func fails[Out any](t *testing.T, fn func(context.Context, int) (Out, error), options task.Options) *task.Task {
	t.Helper()
	h := newHost(t, taskhost.Config{})
	register(t, h, "fails", fn, options)
	start(t, h)
	got := await(t, h, enqueue(t, h, "fails", 1))
	require.Equal(t, task.Failed, got.Status)
	return got
}

func TestAnErrorIsTriedAgain(t *testing.T) {
	var runs atomic.Int64
	got := fails(t, func(context.Context, int) (int, error) {
		return 0, fmt.Errorf("run %d: %w", runs.Add(1), errBroken)
	}, task.Options{Retries: 2})
	require.EqualValues(t, 3, runs.Load())
	require.Equal(t, 3, got.Attempt)
	require.Equal(t, "run 3: it broke", got.Error)
	require.Equal(t, task.CauseError, got.Cause)
	require.Empty(t, got.Trace)
}

func TestAPermanentErrorIsNot(t *testing.T) {
	var runs atomic.Int64
	got := fails(t, func(context.Context, int) (int, error) {
		runs.Add(1)
		return 0, fmt.Errorf("wrapped: %w", task.Permanent(errBroken))
	}, task.Options{Retries: 5})
	require.EqualValues(t, 1, runs.Load())
	require.Equal(t, 1, got.Attempt)
	require.Equal(t, "wrapped: it broke", got.Error)
}

func TestAPanicHasATrace(t *testing.T) {
	for name, value := range map[string]any{"text": "ouch", "error": errors.New("ouch")} {
		for _, executor := range []task.Executor{task.Async, task.Thread} {
			t.Run(fmt.Sprintf("%s/%s", name, executor), func(t *testing.T) {
				got := fails(t, func(context.Context, int) (int, error) { panic(value) }, task.Options{Executor: executor})
				require.Equal(t, "panic: ouch", got.Error)
				require.Equal(t, task.CauseTrap, got.Cause)
				require.Contains(t, got.Trace, "function_test.go")
				require.NotContains(t, got.Trace, "goexit", "not the whole of it: where the function was")
			})
		}
	}
}

func TestARuntimeErrorIsAPanic(t *testing.T) {
	got := fails(t, func(_ context.Context, n int) (int, error) { return []int{}[n], nil }, task.Options{})
	require.Equal(t, "panic: runtime error: index out of range [1] with length 0", got.Error)
	require.Equal(t, task.CauseTrap, got.Cause)
}

// TestAPanicIsTriedAgain: what the next attempt meets may be another state.
func TestAPanicIsTriedAgain(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	var runs atomic.Int64
	register(t, h, "once", func(context.Context, int) (int64, error) {
		if runs.Add(1) == 1 {
			panic("ouch")
		}
		return runs.Load(), nil
	}, task.Options{Retries: 1})
	start(t, h)
	got := await(t, h, enqueue(t, h, "once", 1))
	require.Equal(t, task.Success, got.Status)
	require.Empty(t, got.Error)
	require.Empty(t, got.Trace)
}

// TestAFunctionThatEndsItsGoroutine: runtime.Goexit is what t.FailNow of a test
// that calls it from a task does. It must not take the slot with it: the host is
// not stopped by a cleanup here, since it then never stops.
func TestAFunctionThatEndsItsGoroutine(t *testing.T) {
	h, err := taskhost.New(t.Context(), taskhost.Config{Database: newFile(t), MaxConcurrentTasks: 1})
	require.NoError(t, err)
	register(t, h, "exits", func(context.Context, int) (int, error) { runtime.Goexit(); return 1, nil }, task.Options{})
	register(t, h, "greet", hello, task.Options{})
	start(t, h)
	id := enqueue(t, h, "exits", 1)
	next := enqueue(t, h, "greet", "you")
	require.Eventually(t, func() bool { return status(t, h, next) == task.Success }, 5*time.Second, tick, "the slot is gone")
	require.Eventually(t, func() bool { return status(t, h, id) == task.Failed }, 5*time.Second, tick, "the task has no end")
	stop(t, h)
}

func TestATimeout(t *testing.T) {
	started := make(chan struct{}, 2)
	got := fails(t, untilStopped(started), task.Options{Timeout: 20 * time.Millisecond, Retries: 1})
	require.Equal(t, task.CauseTimeout, got.Cause)
	require.Contains(t, got.Error, "timeout: the attempt ran longer than 20ms")
	require.Equal(t, 2, got.Attempt)
	require.Len(t, started, 2)
}

// TestAnErrorThatLooksLikeATimeoutIsNone: a function may have deadlines of its
// own.
func TestAnErrorThatLooksLikeATimeoutIsNone(t *testing.T) {
	got := fails(t, func(context.Context, int) (int, error) { return 0, context.DeadlineExceeded }, task.Options{})
	require.Equal(t, task.CauseError, got.Cause)
	require.Equal(t, context.DeadlineExceeded.Error(), got.Error)
}

func TestAResultThatIsTooLarge(t *testing.T) {
	got := fails(t, func(context.Context, int) (string, error) { return strings.Repeat("x", 1<<20), nil }, task.Options{Retries: 3})
	require.Equal(t, task.CauseLimit, got.Cause)
	require.Equal(t, 1, got.Attempt, "it would be as large the next time")
	require.Equal(t, "limit result: the function returned 1048578 bytes, at most 1048576 are kept: return a reference to large data instead of the data, or raise Options.ResultBytes (at most 16777216)", got.Error)
	require.Zero(t, got.ResultBytes)
}

func TestAResultAtTheLimit(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	large := register(t, h, "large", func(context.Context, int) (string, error) { return strings.Repeat("x", 1<<20-2), nil }, task.Options{})
	start(t, h)
	id := enqueue(t, h, "large", 1)
	got := await(t, h, id)
	require.Equal(t, task.Success, got.Status)
	require.EqualValues(t, 1<<20, got.ResultBytes)
	out, err := large.Result(t.Context(), id)
	require.NoError(t, err)
	require.Len(t, out, 1<<20-2)
}

func TestAResultThatIsNoJSON(t *testing.T) {
	got := fails(t, func(context.Context, int) (float64, error) { return math.NaN(), nil }, task.Options{Retries: 3})
	require.Contains(t, got.Error, "the result cannot be encoded as JSON: ")
	require.Equal(t, 1, got.Attempt)
}

// odd is a type whose schema says nothing of what it can be read from.
type odd int

func (n *odd) UnmarshalJSON(text []byte) error {
	even, err := strconv.Atoi(string(text))
	*n = odd(even + 1)
	return err
}

func TestArgumentsThatDoNotFit(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	register(t, h, "count", func(_ context.Context, n odd) (odd, error) { return n, nil }, task.Options{Retries: 3})
	start(t, h)
	got := await(t, h, enqueue(t, h, "count", "many"))
	require.Equal(t, task.Failed, got.Status)
	require.Contains(t, got.Error, "the arguments do not fit: ")
	require.Equal(t, 1, got.Attempt)
}

func TestThreads(t *testing.T) {
	h := newHost(t, taskhost.Config{MaxSyncThreads: 2})
	var now, most atomic.Int64
	twice := register(t, h, "twice", func(_ context.Context, n int) (int, error) {
		running := now.Add(1)
		defer now.Add(-1)
		for {
			before := most.Load()
			if running <= before || most.CompareAndSwap(before, running) {
				break
			}
		}
		runtime.Gosched()
		return 2 * n, nil
	}, task.Options{Executor: task.Thread})
	start(t, h)
	ids := make([]task.ID, 30)
	for i := range ids {
		ids[i] = enqueue(t, h, "twice", i)
	}
	for i, id := range ids {
		got := await(t, h, id)
		require.Equal(t, task.Success, got.Status)
		require.Equal(t, task.Thread, got.Executor)
		out, err := twice.Result(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, 2*i, out)
	}
	require.LessOrEqual(t, most.Load(), int64(2))
}

// TestSlots: with one slot nothing overlaps, and the higher priority is first.
func TestSlots(t *testing.T) {
	h := newHost(t, taskhost.Config{MaxConcurrentTasks: 1})
	started, release := make(chan int), make(chan struct{})
	slow := register(t, h, "slow", func(_ context.Context, n int) (int, error) {
		started <- n
		<-release
		return n, nil
	}, task.Options{})
	start(t, h)
	enqueue(t, h, "slow", 0)
	require.Zero(t, receive(t, started))
	for _, priority := range []int{1, 10, 5} {
		_, err := slow.Enqueue(t.Context(), priority, taskhost.EnqueueOptions{Priority: priority})
		require.NoError(t, err)
	}
	for _, want := range []int{10, 5, 1} {
		require.Empty(t, started)
		release <- struct{}{}
		require.Equal(t, want, receive(t, started))
	}
	release <- struct{}{}
}
