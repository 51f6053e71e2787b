package riverstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"

	"github.com/taskhost/taskhost/task"
)

// claim is River's fetch.
func (r *Runner) claim(ctx context.Context, params *riverdriver.JobGetAvailableParams) ([]*Claim, error) {
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	r.held.claiming.RLock()
	defer r.held.claiming.RUnlock()
	// The slots that an interrupt frees would be filled before River has stopped.
	if r.stopping.Load() || r.draining.Load() {
		return nil, nil
	}
	claims, err := r.db.Claim(ctx, ClaimParams{
		Node:  r.config.Node,
		Queue: params.Queue,
		Kinds: params.Kind,
		Limit: params.MaxToLock,
	})
	if r.outage(ctx, err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("claim tasks: %w", err)
	}
	r.bound(claims)
	r.held.add(claims)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, claim := range claims {
		r.claimed[claim.Ticket.ID] = claim
	}
	return claims, nil
}

// bound lowers what tasks were promised to what this node allows: who enqueued them
// may know other ceilings.
func (r *Runner) bound(claims []*Claim) {
	most := r.config.Ceilings.WithDefaults()
	for _, claim := range claims {
		exec := &claim.Execution
		claim.claimedAt = time.Now()
		exec.Limits = most.Bound(exec.Limits)
		exec.Task.Timeout = min(exec.Task.Timeout, most.Timeout)
		claim.mostTime = most.Timeout
	}
}

// outage reports whether a claim failed for a reason that may pass, and says so once
// for all that follow: River would log each, many times a second.
func (r *Runner) outage(ctx context.Context, err error) bool {
	out := errors.Is(err, task.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded)
	switch before := r.unavailable.Swap(out); {
	case out && !before:
		r.config.Logger.WarnContext(ctx, "no tasks can be claimed for the time being; trying again", slog.Any("error", err))
	case before && err == nil:
		r.config.Logger.InfoContext(ctx, "tasks are claimed again")
	}
	return out
}

func (r *Runner) take(ticket int64) *Claim {
	r.mu.Lock()
	defer r.mu.Unlock()
	claim := r.claimed[ticket]
	delete(r.claimed, ticket)
	return claim
}

// giveBackUnstarted hands in what was claimed and that River did not come to
// start before it stopped.
func (r *Runner) giveBackUnstarted() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for ticket, claim := range r.claimed {
		delete(r.claimed, ticket)
		r.giveBack(claim)
	}
}

// giveBack hands in a claim whose attempt is not begun, because the node stops.
func (r *Runner) giveBack(claim *Claim) {
	r.submit(neverRan(claim.attempt(), "interrupted: the node stopped before the attempt started"))
}

// ticketWorker is River's view of the runner.
type ticketWorker struct {
	river.WorkerDefaults[ticketArgs]

	runner *Runner
}

func (w *ticketWorker) Work(ctx context.Context, job *river.Job[ticketArgs]) error {
	claim := w.runner.take(job.ID)
	switch {
	case claim == nil:
	case w.runner.interrupted.Err() != nil:
		// Claimed just before the stop. Begun now, it would end as interrupted.
		w.runner.giveBack(claim)
	default:
		w.runner.run(ctx, claim)
	}
	return nothingToReport{}
}
