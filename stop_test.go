package taskhost_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost"
	"github.com/taskhost/taskhost/task"
)

func TestRunDrains(t *testing.T) {
	path := newFile(t)
	h := newHost(t, taskhost.Config{Database: path})
	started, release := make(chan struct{}), make(chan struct{})
	register(t, h, "slow", func(context.Context, int) (int, error) {
		close(started)
		<-release
		return 7, nil
	}, task.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error)
	go func() { ran <- h.Run(ctx) }()
	id := enqueue(t, h, "slow", 1)
	receive(t, started)
	cancel()
	awaitStopping(t, h)
	close(release)
	require.NoError(t, receive(t, ran))

	require.Equal(t, task.Success, get(t, newHost(t, taskhost.Config{Database: path}), id).Status, "it was given time to finish")
}

func TestRunInterruptsAfterItsTimeout(t *testing.T) {
	path := newFile(t)
	h := newHost(t, taskhost.Config{Database: path, ShutdownTimeout: 20 * time.Millisecond})
	started := make(chan struct{})
	register(t, h, "slow", untilStopped(started), task.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error)
	go func() { ran <- h.Run(ctx) }()
	id := enqueue(t, h, "slow", 1)
	receive(t, started)
	cancel()
	require.NoError(t, receive(t, ran))
	require.Equal(t, task.Interrupted, get(t, newHost(t, taskhost.Config{Database: path}), id).Status)
}

func TestRunThatCannotStartStops(t *testing.T) {
	path := newFile(t)
	start(t, newHost(t, taskhost.Config{Database: path}))
	h := newHost(t, taskhost.Config{Database: path})
	require.ErrorContains(t, h.Run(t.Context()), " is being worked by ")
	require.ErrorIs(t, h.Start(t.Context()), task.ErrStopped)
}

// TestStopInterrupts: the context has ended before the stop, so attempts get
// no time to finish.
func TestStopInterrupts(t *testing.T) {
	path := newFile(t)
	h := newHost(t, taskhost.Config{Database: path})
	started := make(chan struct{})
	register(t, h, "ends", untilStopped(started), task.Options{Retries: 3})
	register(t, h, "again", untilStopped(started), task.Options{Retries: 3, RequeueOnInterrupt: true})
	register(t, h, "threaded", untilStopped(started), task.Options{Executor: task.Thread})
	start(t, h)
	ends, again, threaded := enqueue(t, h, "ends", 1), enqueue(t, h, "again", 1), enqueue(t, h, "threaded", 1)
	for range 3 {
		receive(t, started)
	}
	stopNow(t, h)

	h = newHost(t, taskhost.Config{Database: path})
	for _, id := range []task.ID{ends, threaded} {
		got := get(t, h, id)
		require.Equal(t, task.Interrupted, got.Status)
		require.Equal(t, task.CauseInterrupted, got.Cause)
		require.Equal(t, 1, got.Attempt)
		require.NotNil(t, got.EndedAt)
	}
	got := get(t, h, again)
	require.Equal(t, task.Pending, got.Status)
	require.Zero(t, got.Attempt, "the attempt was given back")
	require.Zero(t, got.Crashes)

	register(t, h, "again", func(context.Context, int) (int, error) { return 1, nil }, task.Options{})
	start(t, h)
	got = await(t, h, again)
	require.Equal(t, task.Success, got.Status)
	require.Equal(t, 1, got.Attempt)
	require.Equal(t, task.Interrupted, get(t, h, ends).Status, "what ended is not begun twice")
}

// TestStopWaitsForAFunctionThatDoesNotHeed: a goroutine cannot be killed.
func TestStopWaitsForAFunctionThatDoesNotHeed(t *testing.T) {
	path := newFile(t)
	h := newHost(t, taskhost.Config{Database: path})
	interrupted, release := make(chan struct{}), make(chan struct{})
	register(t, h, "deaf", func(ctx context.Context, _ int) (int, error) {
		<-ctx.Done()
		close(interrupted)
		<-release
		return 7, nil
	}, task.Options{})
	start(t, h)
	id := enqueue(t, h, "deaf", 1)
	require.Eventually(t, func() bool { return status(t, h, id) == task.Running }, waitAtMost, tick)
	stopped := make(chan error, 1)
	go func() { stopped <- h.Stop(ended(t)) }()
	receive(t, interrupted)
	require.Empty(t, stopped)
	close(release)
	require.NoError(t, receive(t, stopped))
	require.Equal(t, task.Success, get(t, newHost(t, taskhost.Config{Database: path}), id).Status,
		"it did finish, and a finished task is not run again")
}

func TestStopStartsNothingMore(t *testing.T) {
	path := newFile(t)
	h := newHost(t, taskhost.Config{Database: path, MaxConcurrentTasks: 1})
	started, release := make(chan struct{}, 2), make(chan struct{})
	var runs atomic.Int64
	register(t, h, "slow", func(context.Context, int) (int, error) {
		runs.Add(1)
		started <- struct{}{}
		<-release
		return 1, nil
	}, task.Options{})
	start(t, h)
	first := enqueue(t, h, "slow", 1)
	receive(t, started)
	second := enqueue(t, h, "slow", 2)
	stopped := make(chan error)
	go func() { stopped <- h.Stop(context.WithoutCancel(t.Context())) }()
	awaitStopping(t, h)
	close(release)
	require.NoError(t, receive(t, stopped))
	require.EqualValues(t, 1, runs.Load())

	h = newHost(t, taskhost.Config{Database: path})
	require.Equal(t, task.Success, get(t, h, first).Status)
	got := get(t, h, second)
	require.Equal(t, task.Pending, got.Status)
	require.Zero(t, got.Attempt)
}

func TestRestartRunsWhatWaits(t *testing.T) {
	path := newFile(t)
	h := newHost(t, taskhost.Config{Database: path})
	register(t, h, "greet", hello, task.Options{})
	var ids []task.ID
	for range 5 {
		ids = append(ids, enqueue(t, h, "greet", "later"))
	}
	stop(t, h)

	h = newHost(t, taskhost.Config{Database: path})
	greet := register(t, h, "greet", hello, task.Options{})
	start(t, h)
	for _, id := range ids {
		require.Equal(t, task.Success, await(t, h, id).Status)
		out, err := greet.Result(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, "hello later", out)
	}
}

// TestATaskWhoseFunctionIsGoneWaits: the next build of the program may have it
// again.
func TestATaskWhoseFunctionIsGoneWaits(t *testing.T) {
	path := newFile(t)
	h := newHost(t, taskhost.Config{Database: path})
	register(t, h, "old", hello, task.Options{})
	orphan := enqueue(t, h, "old", "you")
	stop(t, h)

	h = newHost(t, taskhost.Config{Database: path})
	register(t, h, "new", hello, task.Options{})
	start(t, h)
	for range 3 { // the queue is looked at meanwhile
		require.Equal(t, task.Success, await(t, h, enqueue(t, h, "new", "you")).Status)
	}
	got := get(t, h, orphan)
	require.Equal(t, task.Pending, got.Status)
	require.Zero(t, got.Attempt)
	require.Empty(t, got.Error)
	_, err := h.Enqueue(t.Context(), "old", "you", taskhost.EnqueueOptions{})
	require.ErrorIs(t, err, task.ErrNotFound, "but no more of it can be enqueued")
	stop(t, h)

	h = newHost(t, taskhost.Config{Database: path})
	register(t, h, "old", hello, task.Options{})
	start(t, h)
	require.Equal(t, task.Success, await(t, h, orphan).Status)
}
