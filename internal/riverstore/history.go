package riverstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/taskhost/taskhost/task"
)

// ClearHistory deletes the tasks that a filter chooses, with all that is theirs, and
// counts them; with dry it counts them only. What ends meanwhile stays. Where ctx ends
// first, what was deleted by then is counted, beside the error.
func ClearHistory(ctx context.Context, db Archive, filter task.HistoryFilter, dry bool) (*task.HistoryCount, error) {
	if err := filter.Validate(); err != nil {
		return nil, err
	}
	now, err := db.Now(ctx)
	if err != nil {
		return nil, err
	}
	count := &task.HistoryCount{ByStatus: make(map[task.Status]int64)}
	p := paceClearing()
	for _, status := range task.Terminals() {
		if len(filter.Statuses) > 0 && !slices.Contains(filter.Statuses, status) {
			continue
		}
		which := Ended{Status: status, Name: filter.Name, Before: now.Add(-filter.OlderThan)}
		var n int64
		if dry {
			n, err = db.CountEnded(ctx, &which)
		} else {
			n, err = pruneAll(ctx, db, which, p)
		}
		count.Add(status, n)
		if err != nil {
			return count, fmt.Errorf("delete tasks that have ended: %w", err)
		}
	}
	return count, nil
}
