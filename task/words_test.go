package task_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

func TestTerminal(t *testing.T) {
	for status, want := range map[task.Status]bool{
		task.Pending: false, task.Running: false, "": false, "unheard-of": false,
		task.Success: true, task.Failed: true, task.Interrupted: true, task.Cancelled: true,
	} {
		require.Equal(t, want, status.Terminal(), status)
	}
}

// TestWordsAreTheReferences: the words are in databases and in other people's
// programs.
func TestWordsAreTheReferences(t *testing.T) {
	require.Equal(t,
		[]task.Status{"pending", "running", "success", "failed", "interrupted", "cancelled"},
		[]task.Status{task.Pending, task.Running, task.Success, task.Failed, task.Interrupted, task.Cancelled})
	require.Equal(t, []task.Executor{"wasm", "async", "thread"}, []task.Executor{task.Wasm, task.Async, task.Thread})
	require.Equal(t, []task.Source{"manual", "scheduled", "retry", "task"}, []task.Source{task.Manual, task.Scheduled, task.Retried, task.Child})
	require.Equal(t, []task.Level{"debug", "info", "warn", "error"}, []task.Level{task.Debug, task.Info, task.Warn, task.Error})
	require.Equal(t, []task.Reset{"pooled", "fresh"}, []task.Reset{task.Pooled, task.Fresh})
	require.Equal(t,
		[]task.Cause{"error", "trap", "limit", "timeout", "expired", "interrupted", "crashed", "cancelled", "host"},
		[]task.Cause{task.CauseError, task.CauseTrap, task.CauseLimit, task.CauseTimeout, task.CauseExpired, task.CauseInterrupted, task.CauseCrashed, task.CauseCancelled, task.CauseHost})
}

func TestPermanent(t *testing.T) {
	require.NoError(t, task.Permanent(nil))

	cause := fmt.Errorf("read: %w", context.Canceled)
	err := task.Permanent(cause)
	require.EqualError(t, err, cause.Error(), "the mark does not show")
	require.ErrorIs(t, err, context.Canceled)
	require.True(t, task.IsPermanent(err))
	require.True(t, task.IsPermanent(fmt.Errorf("wrapped: %w", err)))
	require.True(t, task.IsPermanent(errors.Join(errors.New("beside"), err)))
	require.False(t, task.IsPermanent(cause))
	require.False(t, task.IsPermanent(nil))
}

func TestUnknownNameError(t *testing.T) {
	err := &task.UnknownNameError{Name: "greeet"}
	require.EqualError(t, err, `there is no task named "greeet": push a module that declares it, or register it`)
	require.ErrorIs(t, err, task.ErrNotFound)
	require.NotErrorIs(t, err, task.ErrStopped)

	err.Near = []string{"greet", "great"}
	require.EqualError(t, err, `there is no task named "greeet"; did you mean greet or great?`)
}

func TestArgumentErrorNamesEachPlace(t *testing.T) {
	err := &task.ArgumentError{Name: "greet", Problems: []task.ArgumentProblem{
		{Problem: "missing property 'name'"},
		{Path: "/age", Problem: "got string, want number"},
	}}
	require.EqualError(t, err, "arguments of greet are not valid: missing property 'name'; /age: got string, want number")
}

func TestErrorTexts(t *testing.T) {
	require.EqualError(t, &task.InvalidError{Field: "delay", Problem: "must not be negative"}, "delay must not be negative")
	require.EqualError(t, &task.ConflictError{Problem: "taken"}, "taken")
	require.EqualError(t, &task.Failure{Cause: task.CauseError, Message: "it broke", Trace: "here"}, "it broke")
}
