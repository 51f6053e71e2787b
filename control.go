package taskhost

import (
	"context"

	"github.com/taskhost/taskhost/task"
)

// controller is what a store offers to stop, repeat and list tasks.
type controller interface {
	Tasks(ctx context.Context, filter task.Filter, page task.Page) (*task.List, error)
	Cancel(ctx context.Context, id task.ID) error
	Retry(ctx context.Context, id task.ID, force bool) (task.ID, error)
	bulk
}

type bulk interface {
	CancelIDs(ctx context.Context, ids []task.ID, dry bool) (*task.Bulk, error)
	CancelAll(ctx context.Context, filter task.Filter, dry bool) (*task.Bulk, error)
	RetryIDs(ctx context.Context, ids []task.ID, force, dry bool) (*task.Bulk, error)
	RetryAll(ctx context.Context, filter task.Filter, force, dry bool) (*task.Bulk, error)
}

// Tasks lists tasks, a page at a time, newest first unless the page says otherwise.
// Traces are left out.
func (h *Host) Tasks(ctx context.Context, filter task.Filter, page task.Page) (*task.List, error) {
	list, err := h.store.Tasks(ctx, filter, page)
	return list, h.orStopped(err)
}

// Cancel cancels a task. One that waits ends at once, and never runs. One that runs is
// stopped, on whatever node that is, and ends as cancelled whatever its attempt
// returns; a Go function finds task.ErrCancelled as its context's cause. To cancel what
// is cancelled is no error. It returns a *task.ConflictError with
// task.CodeAlreadyFinished where the task has ended otherwise, and task.ErrNotFound.
func (h *Host) Cancel(ctx context.Context, id task.ID) error {
	return h.orStopped(h.store.Cancel(ctx, id))
}

// Retry enqueues a task again that has failed, was interrupted or cancelled, and
// returns the id of the new task. That has everything of the old one: arguments, tags,
// priority, options and module version, and its idempotency key where nobody else has
// that. The two name each other. It returns a *task.ConflictError with a code where
// the task cannot be retried, such as task.CodeAlreadyRetried where it was before; with
// force it is retried once more. It returns task.ErrNotFound where there is no such task.
func (h *Host) Retry(ctx context.Context, id task.ID, force bool) (task.ID, error) {
	next, err := h.store.Retry(ctx, id, force)
	return next, h.orStopped(err)
}

// CancelIDs cancels the tasks named, at most [task.MaxBulk]. With dry it only says
// what it would do. They are cancelled some at a time: where an error is returned,
// some may have been.
func (h *Host) CancelIDs(ctx context.Context, ids []task.ID, dry bool) (*task.Bulk, error) {
	done, err := h.store.CancelIDs(ctx, ids, dry)
	return done, h.orStopped(err)
}

// CancelAll is [Host.CancelIDs] for the tasks that a filter chooses: where it names no
// status, those that wait and those that run.
func (h *Host) CancelAll(ctx context.Context, filter task.Filter, dry bool) (*task.Bulk, error) {
	done, err := h.store.CancelAll(ctx, filter, dry)
	return done, h.orStopped(err)
}

// RetryIDs retries the tasks named, at most [task.MaxBulk], as [Host.Retry] does. With
// dry it only says what it would do. They are retried some at a time: where an error is
// returned, some may have been, and a repeated call leaves those alone.
func (h *Host) RetryIDs(ctx context.Context, ids []task.ID, force, dry bool) (*task.Bulk, error) {
	done, err := h.store.RetryIDs(ctx, ids, force, dry)
	return done, h.orStopped(err)
}

// RetryAll is [Host.RetryIDs] for the tasks that a filter chooses: where it names no
// status, those that failed or were interrupted, and without force those that were not
// retried before.
func (h *Host) RetryAll(ctx context.Context, filter task.Filter, force, dry bool) (*task.Bulk, error) {
	done, err := h.store.RetryAll(ctx, filter, force, dry)
	return done, h.orStopped(err)
}

// Node is the id of the node that this host is, empty until it is started.
func (h *Host) Node() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.node
}

// Drain has a node start nothing more, this host's or another's on the same database.
// What runs there goes on; [Host.Nodes] tells when nothing does. A node that is
// started anew is another node. It returns task.ErrNotFound where there is no such node.
func (h *Host) Drain(ctx context.Context, node string) error {
	return h.orStopped(h.store.Drain(ctx, node))
}

// Undrain takes [Host.Drain] back.
func (h *Host) Undrain(ctx context.Context, node string) error {
	return h.orStopped(h.store.Undrain(ctx, node))
}
