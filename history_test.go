package taskhost_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost"
	"github.com/taskhost/taskhost/task"
)

func TestRetention(t *testing.T) {
	h := newHost(t, taskhost.Config{Retention: task.Retention{Success: 200 * time.Millisecond}})
	register(t, h, "greet", hello, task.Options{})
	start(t, h)
	id := enqueue(t, h, "greet", "you")
	require.Equal(t, task.Success, await(t, h, id).Status)
	require.Eventually(t, func() bool {
		_, err := h.Task(t.Context(), id)
		return errors.Is(err, task.ErrNotFound)
	}, 20*time.Second, 10*time.Millisecond)
}

func TestClearHistory(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	register(t, h, "greet", hello, task.Options{})
	start(t, h)
	id := enqueue(t, h, "greet", "you")
	require.Equal(t, task.Success, await(t, h, id).Status)
	want := &task.HistoryCount{Tasks: 1, ByStatus: map[task.Status]int64{task.Success: 1}}
	filter := task.HistoryFilter{Statuses: []task.Status{task.Success}}
	for _, dry := range []bool{true, false} {
		got, err := h.ClearHistory(t.Context(), filter, dry)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := h.Task(t.Context(), id)
	require.ErrorIs(t, err, task.ErrNotFound)
	stop(t, h)
	_, err = h.ClearHistory(t.Context(), filter, false)
	require.ErrorIs(t, err, task.ErrStopped)
}
