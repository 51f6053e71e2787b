package riverstore

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// Expired is the error of a task whose time was up while it was pending.
const Expired = "expired: the task did not succeed in the time that it had; nothing was begun after that: " +
	"give it a larger expires_after, or more slots"

// expireBatch bounds how many tasks one transaction ends.
const expireBatch = 1000

// errExpired ends the context of an attempt whose task has no time left.
var errExpired = errors.New("the task has run out of time")

// left is how long the task has, and whether it has an end: by the database's clock
// at the claim, and by this process's since.
func (c *Claim) left() (time.Duration, bool) {
	at := c.Execution.Task.ExpiresAt
	if at == nil {
		return 0, false
	}
	return at.Sub(c.StartedAt) - time.Since(c.claimedAt), true
}

// withExpiry ends a context when the task's time is up.
func (c *Claim) withExpiry(ctx context.Context) (context.Context, context.CancelFunc) {
	left, expires := c.left()
	if !expires {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, left, errExpired)
}

// expire ends the tasks that wait past their time. Any number of nodes may do it at
// once.
func (r *Runner) expire(ctx context.Context) error {
	for {
		ids, err := r.config.Expirer.Expire(ctx, expireBatch)
		if err != nil {
			return err
		}
		if len(ids) > 0 {
			r.config.Logger.DebugContext(ctx, "tasks expired", slog.Int("tasks", len(ids)))
			if r.config.Ended != nil {
				r.config.Ended(ids)
			}
		}
		if len(ids) < expireBatch {
			return nil
		}
	}
}
