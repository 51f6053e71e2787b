package riverstore

import (
	"context"
	"log/slog"
	"time"

	"github.com/taskhost/taskhost/task"
)

const (
	// retentionInterval is how often what is old enough is looked for, at the least.
	retentionInterval = time.Minute
	// collectInterval is how often versions of modules are looked for that nobody
	// needs. Where there are any that somebody does, that may read all tasks.
	collectInterval = time.Hour
	// collectGrace is how long a module has to be left alone before its old versions
	// are collected: other processes still remember what was live.
	collectGrace = time.Minute
	// pruneTimeout bounds one transaction that deletes.
	pruneTimeout = 30 * time.Second
)

// Archive is what a store offers to delete tasks that have ended, with all that is
// theirs.
type Archive interface {
	// Now is the database's clock.
	Now(ctx context.Context) (time.Time, error)
	// Prune deletes tasks in one transaction, at most limit, the first to end first.
	// It passes over those that somebody else works on at this moment.
	Prune(ctx context.Context, which *Ended, limit int) (Pruned, error)
	// PruneKeys deletes idempotency keys that have outlived their tasks, once their
	// own time is up, at most limit.
	PruneKeys(ctx context.Context, limit int) (int, error)
	// CountEnded counts what Prune would delete in the end.
	CountEnded(ctx context.Context, which *Ended) (int64, error)
	// Alone calls f, unless another node is in it at this moment.
	Alone(ctx context.Context, f func(ctx context.Context) error) error
}

// Collector deletes versions of modules.
type Collector interface {
	// CollectModules deletes the versions of modules that are not live, are not among
	// the newest keep of their module, and are no task's that is there, and the bytes
	// that no version has. It leaves modules alone that were pushed within grace.
	CollectModules(ctx context.Context, keep int, grace time.Duration) ([]task.ModuleRef, error)
}

// Keeper is what a store offers to keep the past within bounds.
type Keeper interface {
	Archive
	Collector
	EventKeeper
}

// Ended chooses tasks that have ended.
type Ended struct {
	Status task.Status
	// Name is that of their definition, empty for all.
	Name string
	// They ended at From or later, and before Before.
	From, Before time.Time
}

// Pruned is what one transaction did.
type Pruned struct {
	// Tasks is how many were deleted.
	Tasks int
	// More is set where there may be more of them, which then ended at Last or later.
	More bool
	Last time.Time
}

// keepHistory deletes what is older than the node was told to keep.
func (r *Runner) keepHistory() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-r.stop
		cancel()
	}()
	ticker := time.NewTicker(r.config.retentionInterval())
	defer ticker.Stop()
	var collected time.Time
	for {
		select {
		case <-r.stop:
			return
		case <-ticker.C:
		}
		r.attend(ctx, "prune", r.prune)
		if r.config.ModuleVersionsKept > 0 && time.Since(collected) >= collectInterval {
			collected = time.Now()
			r.attend(ctx, "collect modules", r.collect)
		}
	}
}

// attend does what can wait. What failed is repeated at the next interval.
func (r *Runner) attend(ctx context.Context, what string, do func(context.Context) error) {
	err := do(ctx)
	if err != nil && ctx.Err() == nil {
		r.config.Logger.WarnContext(ctx, "what is old could not be deleted; trying again", slog.String("step", what), slog.Any("error", err))
	}
}

// retentionInterval follows the shortest time for which tasks are kept.
func (c *ServeConfig) retentionInterval() time.Duration {
	interval := retentionInterval
	for _, status := range task.Terminals() {
		if keep := c.Retention.Of(status); keep > 0 {
			interval = min(interval, max(keep/10, 100*time.Millisecond))
		}
	}
	if keep := c.EventRetention; keep > 0 {
		interval = min(interval, max(keep/10, 100*time.Millisecond))
	}
	return interval
}

// prune deletes the tasks whose time is up. Any node does it, one at a time.
func (r *Runner) prune(ctx context.Context) error {
	return r.config.Keeper.Alone(ctx, func(ctx context.Context) error {
		now, err := r.config.Keeper.Now(ctx)
		if err != nil {
			return err
		}
		var deleted task.HistoryCount
		begun := time.Now()
		p := pacePruning()
		for _, status := range task.Terminals() {
			keep := r.config.Retention.Of(status)
			if keep == 0 {
				continue
			}
			n, err := pruneAll(ctx, r.config.Keeper, Ended{Status: status, Before: now.Add(-keep)}, p)
			deleted.Add(status, n)
			if err != nil {
				return err
			}
		}
		if deleted.Tasks > 0 {
			r.config.Logger.InfoContext(ctx, "tasks were deleted whose time was up",
				slog.Int64("tasks", deleted.Tasks), slog.Duration("took", time.Since(begun)))
		}
		if err := pruneKeys(ctx, r.config.Keeper, p); err != nil {
			return err
		}
		return pruneEvents(ctx, r.config.Keeper, r.config.EventRetention, p)
	})
}

// collect deletes versions of modules that nobody needs.
func (r *Runner) collect(ctx context.Context) error {
	return r.config.Keeper.Alone(ctx, func(ctx context.Context) error {
		gone, err := r.config.Keeper.CollectModules(ctx, r.config.ModuleVersionsKept, collectGrace)
		for _, ref := range gone {
			r.config.Logger.InfoContext(ctx, "a version of a module was deleted that nobody needs",
				slog.String("module", ref.Name), slog.Int("version", ref.Version), slog.String("digest", ref.Digest))
		}
		return err
	})
}

// pruneAll deletes all tasks of one kind, in batches.
func pruneAll(ctx context.Context, db Archive, which Ended, p *pace) (deleted int64, err error) {
	for {
		var done Pruned
		took, err := timed(ctx, func(ctx context.Context) (err error) {
			done, err = db.Prune(ctx, &which, p.size)
			return err
		})
		deleted += int64(done.Tasks)
		if err != nil || !done.More {
			return deleted, err
		}
		// What is deleted stays in the index until it is vacuumed, and would be passed
		// over again each time. Of tasks that ended at one moment and are locked, some
		// may be left, for the next time.
		if done.Tasks == 0 && !done.Last.After(which.From) {
			return deleted, nil
		}
		which.From = done.Last
		if err := p.rest(ctx, took); err != nil {
			return deleted, err
		}
	}
}

func pruneKeys(ctx context.Context, db Archive, p *pace) error {
	for {
		n, size := 0, p.size
		took, err := timed(ctx, func(ctx context.Context) (err error) {
			n, err = db.PruneKeys(ctx, size)
			return err
		})
		if err != nil || n < size {
			return err
		}
		if err := p.rest(ctx, took); err != nil {
			return err
		}
	}
}

// timed bounds one transaction and measures it.
func timed(ctx context.Context, f func(ctx context.Context) error) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, pruneTimeout)
	defer cancel()
	begun := time.Now()
	err := f(ctx)
	return time.Since(begun), err
}
