package taskhost_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost"
	"github.com/taskhost/taskhost/task"
)

func TestStopBeforeStart(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	stop(t, h)
	require.ErrorIs(t, h.Start(t.Context()), task.ErrStopped)
}

func TestStartTwiceIsOnce(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	register(t, h, "greet", hello, task.Options{})
	start(t, h)
	start(t, h)
	require.Equal(t, task.Success, await(t, h, enqueue(t, h, "greet", "you")).Status)
}

func TestStartConcurrently(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	register(t, h, "greet", hello, task.Options{})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if err := h.Start(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	require.Equal(t, task.Success, await(t, h, enqueue(t, h, "greet", "you")).Status)
}

func TestStopAgain(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	start(t, h)
	stop(t, h)
	stop(t, h)
	stopNow(t, h)
	require.ErrorIs(t, h.Start(t.Context()), task.ErrStopped)
	require.ErrorIs(t, h.Run(t.Context()), task.ErrStopped)
}

func TestStopConcurrently(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	started, release := make(chan struct{}), make(chan struct{})
	register(t, h, "slow", func(context.Context, int) (int, error) {
		close(started)
		<-release
		return 1, nil
	}, task.Options{})
	start(t, h)
	enqueue(t, h, "slow", 1)
	receive(t, started)

	const callers = 8
	stopped := make(chan error, callers)
	for range callers {
		go func() { stopped <- h.Stop(context.WithoutCancel(t.Context())) }()
	}
	awaitStopping(t, h)
	require.Empty(t, stopped, "nobody returns before the host has stopped")
	close(release)
	for range callers {
		require.NoError(t, receive(t, stopped))
	}
}

// awaitStopping waits until a stop has begun.
func awaitStopping(t *testing.T, h *taskhost.Host) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := h.EnqueueMany(context.WithoutCancel(t.Context()), nil)
		return errors.Is(err, task.ErrStopped)
	}, waitAtMost, tick)
}

// TestTheContextThatEndsFirstCounts: a second caller who is in a hurry is not
// kept waiting by the first, who is not.
func TestTheContextThatEndsFirstCounts(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	started := make(chan struct{})
	register(t, h, "slow", untilStopped(started), task.Options{})
	start(t, h)
	enqueue(t, h, "slow", 1)
	receive(t, started)
	patient := make(chan error)
	go func() { patient <- h.Stop(context.WithoutCancel(t.Context())) }()
	awaitStopping(t, h)
	stopNow(t, h)
	require.NoError(t, receive(t, patient))
}

// TestStartAndStopAtOnce is a hammer for every order of the two.
func TestStartAndStopAtOnce(t *testing.T) {
	path := newFile(t)
	for range 20 {
		h, err := taskhost.New(t.Context(), taskhost.Config{Database: path})
		require.NoError(t, err)
		register(t, h, "greet", hello, task.Options{})
		var group sync.WaitGroup
		for range 2 {
			group.Go(func() {
				if err := h.Start(t.Context()); err != nil && !errors.Is(err, task.ErrStopped) {
					t.Error(err)
				}
			})
			group.Go(func() {
				if err := h.Stop(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	}
}

func TestEnqueueAfterStop(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	greet := register(t, h, "greet", hello, task.Options{})
	start(t, h)
	stop(t, h)
	_, err := greet.Enqueue(t.Context(), "you", taskhost.EnqueueOptions{})
	require.ErrorIs(t, err, task.ErrStopped)
	_, err = h.EnqueueRequest(t.Context(), task.Request{Name: "greet"})
	require.ErrorIs(t, err, task.ErrStopped)
	_, err = h.EnqueueMany(t.Context(), []task.Request{{Name: "greet"}})
	require.ErrorIs(t, err, task.ErrStopped)
}

// TestCallsAfterStop: task.ErrStopped "is returned by calls on a host or store
// that was stopped".
func TestCallsAfterStop(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	register(t, h, "greet", hello, task.Options{})
	start(t, h)
	id := enqueue(t, h, "greet", "you")
	stop(t, h)
	for name, call := range map[string]func(ctx context.Context) error{
		"Task":         func(ctx context.Context) error { _, err := h.Task(ctx, id); return err },
		"Result":       func(ctx context.Context) error { _, _, err := h.Result(ctx, id); return err },
		"Logs":         func(ctx context.Context) error { _, err := h.Logs(ctx, id, 0, 1); return err },
		"Definitions":  func(ctx context.Context) error { _, err := h.Definitions(ctx); return err },
		"PutToken":     func(ctx context.Context) error { return h.PutToken(ctx, "name", "secret") },
		"Authenticate": func(ctx context.Context) error { _, _, err := h.Authenticate(ctx, "secret"); return err },
		"List":         func(ctx context.Context) error { _, err := h.Modules().List(ctx); return err },
		"Versions":     func(ctx context.Context) error { _, err := h.Modules().Versions(ctx, "m"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, call(t.Context()), task.ErrStopped)
		})
	}
}

// TestPushAfterStop: the engine is closed, and must say so rather than blame
// the module.
func TestPushAfterStop(t *testing.T) {
	wasm, err := flakyGuest()
	require.NoError(t, err)
	h := newHost(t, taskhost.Config{})
	stop(t, h)
	_, err = h.Modules().Push(t.Context(), "flaky", wasm)
	require.ErrorIs(t, err, task.ErrStopped)
}

// TestEnqueueWhileStopping: what was acknowledged is there after the restart,
// and what was not is told apart.
func TestEnqueueWhileStopping(t *testing.T) {
	path := newFile(t)
	h := newHost(t, taskhost.Config{Database: path})
	register(t, h, "greet", hello, task.Options{})
	start(t, h)
	const callers = 8
	var mu sync.Mutex
	var acknowledged []task.ID
	var group sync.WaitGroup
	many := make(chan struct{}, callers)
	for range callers {
		group.Go(func() {
			for n := 0; ; n++ {
				id, err := h.Enqueue(t.Context(), "greet", "you", taskhost.EnqueueOptions{})
				if err != nil {
					if !errors.Is(err, task.ErrStopped) {
						t.Error(err)
					}
					return
				}
				mu.Lock()
				acknowledged = append(acknowledged, id)
				mu.Unlock()
				if n == 5 {
					many <- struct{}{}
				}
			}
		})
	}
	for range callers {
		receive(t, many)
	}
	stop(t, h)
	group.Wait()

	again := newHost(t, taskhost.Config{Database: path})
	register(t, again, "greet", hello, task.Options{})
	start(t, again)
	for _, id := range acknowledged {
		require.Equal(t, task.Success, await(t, again, id).Status)
	}
}
