package taskhost_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost"
	"github.com/taskhost/taskhost/task"
)

// follow has the events of a host come on a channel, and its error at last.
func follow(t *testing.T, h *taskhost.Host, after task.EventCursor) (<-chan task.Event, <-chan error) {
	t.Helper()
	events, ended := make(chan task.Event, 100), make(chan error, 1)
	go func() {
		for event, err := range h.Events(t.Context(), after) {
			if err != nil {
				ended <- err
				return
			}
			events <- event
		}
	}()
	return events, ended
}

func TestEventsOfAHost(t *testing.T) {
	onEach(t, func(t *testing.T, database, _, _ string) {
		h := newHost(t, taskhost.Config{Database: database})
		register(t, h, "greet", hello, task.Options{})
		start(t, h)
		_, begin, err := h.ReadEvents(t.Context(), "", 1)
		require.NoError(t, err)
		events, ended := follow(t, h, begin)
		id := enqueue(t, h, "greet", "you")
		var last task.Event
		for _, status := range []task.Status{task.Pending, task.Running, task.Success} {
			last = receive(t, events)
			require.Equal(t, id, last.TaskID)
			require.Equal(t, status, last.Status)
			require.Equal(t, "greet", last.Name)
		}
		require.Equal(t, h.Node(), last.Node)

		other := newHost(t, taskhost.Config{Database: database}) // which does not work tasks
		next := enqueue(t, h, "greet", "you")
		elsewhere, _ := follow(t, other, last.Cursor)
		require.Equal(t, next, receive(t, elsewhere).TaskID)
		for _, err := range h.Events(t.Context(), last.Cursor) {
			require.NoError(t, err)
			break // whoever follows may leave at any time
		}
		stop(t, h)
		require.ErrorIs(t, receive(t, ended), task.ErrStopped)
	})
}

func TestEventsAreNotRecordedUnlessKept(t *testing.T) {
	onEach(t, func(t *testing.T, database, _, _ string) {
		run := func(retention time.Duration) []task.Event {
			h := newHost(t, taskhost.Config{Database: database, EventRetention: retention})
			register(t, h, "greet", hello, task.Options{})
			register(t, h, "fails", func(context.Context, int) (int, error) { return 0, task.ErrNotFound }, task.Options{})
			start(t, h)
			_, begin, err := h.ReadEvents(t.Context(), "", 1)
			require.NoError(t, err)
			await(t, h, enqueue(t, h, "greet", "you"))
			failed := enqueue(t, h, "fails", 1)
			await(t, h, failed)
			retried, err := h.Retry(t.Context(), failed, false)
			require.NoError(t, err)
			await(t, h, retried)
			later, err := h.Enqueue(t.Context(), "greet", "you", taskhost.EnqueueOptions{Delay: time.Hour})
			require.NoError(t, err)
			require.NoError(t, h.Cancel(t.Context(), later))
			events, _, err := h.ReadEvents(t.Context(), begin, 100)
			require.NoError(t, err)
			stop(t, h)
			return events
		}
		require.Empty(t, run(-1))
		require.Len(t, run(0), 11)
		require.Empty(t, run(-1))
	})
}
