package taskhost

import (
	"context"
	"iter"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// announcer is what a store offers to follow the states of tasks.
type announcer interface {
	riverstore.EventReader
	NextEvents(ctx context.Context, after task.EventCursor, limit int) ([]task.Event, task.EventCursor, error)
}

// eventPage is how many events are read at once.
const eventPage = 500

// Events yields an event for each change of a task's state, on whatever node it
// happens, until ctx ends. It begins behind a cursor, that of the last event that was
// seen, or at this moment where that is empty. A change is announced once it is
// committed, and once: the events of a task come in the order in which they happened.
// An error is the last that it yields: task.ErrEventsGone where the cursor is older than
// [Config.EventRetention].
func (h *Host) Events(ctx context.Context, after task.EventCursor) iter.Seq2[task.Event, error] {
	return func(yield func(task.Event, error) bool) {
		for ctx.Err() == nil {
			events, next, err := h.NextEvents(ctx, after, eventPage)
			if err != nil {
				yield(task.Event{}, err)
				return
			}
			for i := range events {
				if !yield(events[i], nil) {
					return
				}
			}
			after = next
		}
	}
}

// ReadEvents returns the events behind a cursor, at most limit, and the cursor behind
// the last of them. It does not wait where there are none. An empty cursor is now.
func (h *Host) ReadEvents(ctx context.Context, after task.EventCursor, limit int) ([]task.Event, task.EventCursor, error) {
	events, next, err := h.store.Events(ctx, after, limit)
	return events, next, h.orStopped(err)
}

// NextEvents is [Host.ReadEvents], and waits where there are no events: for the first,
// or until ctx ends. It then returns none, how far it has looked, and no error.
func (h *Host) NextEvents(ctx context.Context, after task.EventCursor, limit int) ([]task.Event, task.EventCursor, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(h.ended, func() { cancel(task.ErrStopped) })() //nolint:contextcheck // whoever waits does so no longer than the host is there
	events, next, err := h.store.NextEvents(ctx, after, limit)
	if err == nil && len(events) == 0 && h.ended.Err() != nil {
		err = task.ErrStopped
	}
	return events, next, h.orStopped(err)
}
