package riverstore

import (
	"context"
	"maps"
	"slices"

	"github.com/taskhost/taskhost/task"
)

// How many tasks share a transaction of a call for many: few enough for others who
// write not to wait long. A retry copies arguments.
const (
	cancelBatch = 500
	retryBatch  = 100
)

// Control stops, repeats and lists the tasks of a store.
type Control struct {
	db      Controller
	dialect Dialect
}

// NewControl returns the control of a store.
func NewControl(db Controller, dialect Dialect) *Control { return &Control{db, dialect} }

// Tasks lists tasks, a page at a time. What a trace tells is left out.
func (c *Control) Tasks(ctx context.Context, filter task.Filter, page task.Page) (*task.List, error) {
	page, err := checkPage(page)
	if err != nil {
		return nil, err
	}
	rarest, err := c.rarestTag(ctx, &filter)
	if err != nil {
		return nil, err
	}
	selection, err := selectPage(c.dialect, &filter, page, rarest)
	if err != nil {
		return nil, err
	}
	tasks, err := c.db.SelectTasks(ctx, selection)
	if err != nil {
		return nil, err
	}
	list := &task.List{Tasks: append([]task.Task{}, tasks...)} // in JSON a list, also where it is empty
	if len(tasks) > page.Limit {                               // one more was asked for
		list.Tasks = list.Tasks[:page.Limit]
		list.Next = nextCursor(page, &tasks[page.Limit-1])
	}
	return list, nil
}

// tagSample bounds how many tasks of each tag are counted to find the rarest.
const tagSample = 10_000

// rarestTag is the tag of a filter that the fewest tasks have: the list goes through
// those. It says what is wrong with the filter.
func (c *Control) rarestTag(ctx context.Context, filter *task.Filter) (rarest string, err error) {
	if err := filter.Validate(); err != nil {
		return "", err
	}
	fewest := tagSample + 1
	for _, key := range slices.Sorted(maps.Keys(filter.Tags)) {
		if len(filter.Tags) == 1 {
			return key, nil
		}
		n, err := c.db.CountTag(ctx, key, filter.Tags[key], tagSample)
		if err != nil {
			return "", err
		}
		if n < fewest {
			rarest, fewest = key, n
		}
	}
	return rarest, nil
}

// Cancel cancels a task. One that waits ends at once and never runs. One that runs
// is stopped, on whatever node that is, and ends as cancelled, whatever its attempt
// returns. To cancel what is cancelled is no error; what has ended otherwise is a
// *task.ConflictError with [task.CodeAlreadyFinished]. It returns task.ErrNotFound
// where there is no such task.
func (c *Control) Cancel(ctx context.Context, id task.ID) error {
	verdicts, err := c.db.CancelTasks(ctx, []task.ID{id}, false)
	if err != nil {
		return err
	}
	return verdicts[0].Err
}

// Retry enqueues a task again that has failed, was interrupted or cancelled, with
// everything that it had, and returns the id of the new task. It returns a
// *task.ConflictError with a code where that cannot be, such as
// [task.CodeAlreadyRetried] for a task that was retried before; with force that one
// is retried once more. It returns task.ErrNotFound where there is no such task.
func (c *Control) Retry(ctx context.Context, id task.ID, force bool) (task.ID, error) {
	verdicts, err := c.db.RetryTasks(ctx, []task.ID{id}, force, false)
	if err != nil {
		return task.ID{}, err
	}
	return verdicts[0].New, verdicts[0].Err
}

// CancelIDs cancels the tasks named.
func (c *Control) CancelIDs(ctx context.Context, ids []task.ID, dry bool) (*task.Bulk, error) {
	return c.inBatches(ctx, ids, cancelBatch, dry, c.canceller(dry))
}

// CancelAll cancels the tasks that a filter chooses, at most [task.MaxBulk] of them.
// Without a status those that wait and those that run are meant.
func (c *Control) CancelAll(ctx context.Context, filter task.Filter, dry bool) (*task.Bulk, error) {
	if len(filter.Statuses) == 0 {
		filter.Statuses = []task.Status{task.Pending, task.Running}
	}
	return c.filtered(ctx, filter, cancelBatch, dry, c.canceller(dry))
}

// RetryIDs retries the tasks named.
func (c *Control) RetryIDs(ctx context.Context, ids []task.ID, force, dry bool) (*task.Bulk, error) {
	return c.inBatches(ctx, ids, retryBatch, dry, c.retrier(force, dry))
}

// RetryAll retries the tasks that a filter chooses, at most [task.MaxBulk] of them,
// in the order in which they were enqueued. Without a status those are meant that
// failed or were interrupted, and without force those that were not retried before.
func (c *Control) RetryAll(ctx context.Context, filter task.Filter, force, dry bool) (*task.Bulk, error) {
	if len(filter.Statuses) == 0 {
		filter.Statuses = []task.Status{task.Failed, task.Interrupted}
	}
	filter.Unresolved = filter.Unresolved || !force
	return c.filtered(ctx, filter, retryBatch, dry, c.retrier(force, dry))
}

// step does something to a batch of tasks.
type step func(ctx context.Context, ids []task.ID) ([]Verdict, error)

func (c *Control) canceller(dry bool) step {
	return func(ctx context.Context, ids []task.ID) ([]Verdict, error) {
		return c.db.CancelTasks(ctx, ids, dry)
	}
}

func (c *Control) retrier(force, dry bool) step {
	return func(ctx context.Context, ids []task.ID) ([]Verdict, error) {
		return c.db.RetryTasks(ctx, ids, force, dry)
	}
}

func (c *Control) filtered(ctx context.Context, filter task.Filter, batch int, dry bool, do step) (*task.Bulk, error) {
	rarest, err := c.rarestTag(ctx, &filter)
	if err != nil {
		return nil, err
	}
	ids, err := c.db.SelectIDs(ctx, selectIDs(c.dialect, &filter, task.MaxBulk+1, rarest))
	if err != nil {
		return nil, err
	}
	more := len(ids) > task.MaxBulk
	bulk, err := c.inBatches(ctx, ids[:min(len(ids), task.MaxBulk)], batch, dry, do)
	if bulk != nil {
		bulk.More = more
	}
	return bulk, err
}

// inBatches does something to tasks, some in each transaction. Where that fails, what
// was done until then is done: the call can be repeated.
func (c *Control) inBatches(ctx context.Context, ids []task.ID, batch int, dry bool, do step) (*task.Bulk, error) {
	if len(ids) > task.MaxBulk {
		return nil, &task.InvalidError{Field: "ids", Problem: "are more than 10000: name fewer in one call"}
	}
	ids = unique(ids)
	bulk := &task.Bulk{Matched: len(ids), Skipped: map[string]int{}, DryRun: dry}
	for some := range slices.Chunk(ids, batch) {
		verdicts, err := do(ctx, some)
		if err != nil {
			return nil, err
		}
		for _, v := range verdicts {
			switch {
			case v.Skipped != "":
				bulk.Skipped[v.Skipped]++
				continue
			case !v.New.IsZero():
				bulk.Results = append(bulk.Results, task.Retry{From: v.ID, To: v.New})
			}
			bulk.Done++
		}
	}
	return bulk, nil
}

// unique leaves out what is named again.
func unique(ids []task.ID) []task.ID {
	seen := make(map[task.ID]bool, len(ids))
	return slices.DeleteFunc(slices.Clone(ids), func(id task.ID) bool {
		again := seen[id]
		seen[id] = true
		return again
	})
}
