package riverstore

import (
	"context"
	"fmt"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
)

// claim is River's fetch.
func (r *Runner) claim(ctx context.Context, params *riverdriver.JobGetAvailableParams) ([]*Claim, error) {
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	claims, err := r.db.Claim(ctx, ClaimParams{
		Node:  r.config.Node,
		Queue: params.Queue,
		Kinds: params.Kind,
		Limit: params.MaxToLock,
	})
	if err != nil {
		return nil, fmt.Errorf("claim tasks: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, claim := range claims {
		r.claimed[claim.Ticket.ID] = claim
	}
	return claims, nil
}

func (r *Runner) take(ticket int64) *Claim {
	r.mu.Lock()
	defer r.mu.Unlock()
	claim := r.claimed[ticket]
	delete(r.claimed, ticket)
	return claim
}

// ticketWorker is River's view of the runner.
type ticketWorker struct {
	river.WorkerDefaults[ticketArgs]

	runner *Runner
}

func (w *ticketWorker) Work(ctx context.Context, job *river.Job[ticketArgs]) error {
	if claim := w.runner.take(job.ID); claim != nil {
		w.runner.run(ctx, claim)
	}
	return nothingToReport{}
}
