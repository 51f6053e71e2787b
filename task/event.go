package task

import (
	"errors"
	"time"
)

// Event says that a task has come into another state: it was enqueued, was started, has
// ended, or waits for another attempt. There is one for each such change. It holds
// nothing of what a task was given or has returned.
type Event struct {
	// Seq is the event's number. That of a later event of the same task is higher.
	// Those of other tasks may arrive in another order than that of their numbers, and
	// some numbers are nobody's: a transaction takes them before it is committed.
	Seq int64 `json:"seq"`
	// Time is when it happened, by the database's clock.
	Time time.Time `json:"time"`
	// TaskID is the task's.
	TaskID ID `json:"task_id"`
	// Name is that of the task's definition.
	Name string `json:"name"`
	// Status is the state that the task is in now.
	Status Status `json:"status"`
	// Attempt is how many attempts the task has had or has, without those that were
	// given back because its node stopped or crashed.
	Attempt int `json:"attempt"`
	// Node is where the attempt runs that has begun, or ran that has ended. It is empty
	// where no attempt began or ended.
	Node string `json:"node,omitempty"`
	// Cause is why the task has ended or waits for another attempt, empty where nothing
	// went wrong.
	Cause Cause `json:"cause,omitempty"`
	// Source is where the task came from.
	Source Source `json:"source"`

	// Cursor is the place right behind this event.
	Cursor EventCursor `json:"-"`
}

// EventCursor is a place in the order of all events of a database, or empty for the
// end of it at that moment. What is in it is the store's own.
type EventCursor string

// ErrEventsGone is returned where some of the events behind a cursor are not kept any
// more, or were another database's: whoever follows has missed some.
var ErrEventsGone = errors.New("events behind this cursor were deleted, or are another database's: list the tasks, and follow from now on")
