package taskhost

import (
	"context"

	"github.com/taskhost/taskhost/task"
)

// ClearHistory deletes the tasks that have ended and that a filter chooses, with their
// logs, attempts and results, and counts them; with dry it counts them only. What has
// not ended, and what ends meanwhile, is never deleted. It works in short transactions
// beside the work of the queue, and may take minutes for a million tasks. Where ctx ends
// first, what was deleted by then is counted, beside the error.
func (h *Host) ClearHistory(ctx context.Context, filter task.HistoryFilter, dry bool) (*task.HistoryCount, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(h.ended, func() { cancel(task.ErrStopped) })() //nolint:contextcheck // it goes on no longer than the host is there
	count, err := h.store.ClearHistory(ctx, filter, dry)
	return count, h.orStopped(err)
}
