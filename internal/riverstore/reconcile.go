package riverstore

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/taskhost/taskhost/task"
)

const (
	// reconcileInterval is how often a node compares what it holds with what the
	// database says that it runs, and looks for the tasks of nodes that died.
	reconcileInterval = time.Second
	// repairInterval is how often lost tickets are looked for.
	repairInterval = time.Minute
	// RepairHorizon is how far ahead they are looked for: past the next look, so
	// that a task has its ticket back by the time at which it is due.
	RepairHorizon = repairInterval + 30*time.Second
	// reconcileTimeout bounds each of these looks.
	reconcileTimeout = 10 * time.Second
)

// keepInOrder repairs at intervals what a crash of the database, of a connection
// or of a node has left behind.
func (r *Runner) keepInOrder() {
	ticker := time.NewTicker(reconcileInterval)
	defer ticker.Stop()
	var repaired time.Time
	for {
		select {
		case <-r.stop:
			return
		case <-ticker.C:
		}
		r.look("reconcile", r.reconcile)
		r.look("orders", r.obey)
		r.look("expire", r.expire)
		if r.pulse != nil {
			r.look("take over", r.takeOver)
		}
		if time.Since(repaired) >= repairInterval {
			repaired = time.Now()
			r.look("repair", r.repair)
			r.look("keys", r.config.Vault.Remember)
		}
	}
}

// look runs one look. One that fails is repeated at the next interval.
func (r *Runner) look(name string, look func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), reconcileTimeout)
	defer cancel()
	if err := look(ctx); err != nil {
		r.config.Logger.WarnContext(ctx, "could not look after tasks; trying again", slog.String("look", name), slog.Any("error", err))
	}
}

// reconcile gives back what the database says that this node runs and it does
// not: the reply to a claim was lost. It cancels what this node runs and the
// database says that it does not: another has taken it over.
func (r *Runner) reconcile(ctx context.Context) error {
	running, before, err := r.compare(ctx)
	if err != nil {
		return err
	}
	stored := make(map[lease]bool, len(running))
	var lost []*End
	for _, attempt := range running {
		l := lease{attempt.Task, attempt.Lease}
		stored[l] = true
		if !r.held.has(l) {
			lost = append(lost, neverRan(attempt, "interrupted: the attempt never started, because the database's reply to the claim was lost"))
		}
	}
	var superseded []lease
	for _, l := range before {
		if !stored[l] {
			superseded = append(superseded, l)
		}
	}
	if n := r.held.cancel(superseded, errInterrupted); n > 0 {
		r.config.Logger.WarnContext(ctx, "attempts were taken over by another node and are stopped", slog.Int("attempts", n))
	}
	if len(lost) == 0 {
		return nil
	}
	given, err := r.db.Finish(ctx, lost)
	if n := count(given); n > 0 {
		r.config.Logger.WarnContext(ctx, "claims whose reply was lost are given back", slog.Int("attempts", n))
	}
	return err
}

// compare returns what the database says that this node runs, and what it held
// before it was asked. No claim is under way meanwhile.
func (r *Runner) compare(ctx context.Context) (running []Attempt, before []lease, err error) {
	r.held.claiming.Lock()
	defer r.held.claiming.Unlock()
	before = r.held.all()
	running, err = r.db.Running(ctx, r.config.Node)
	return running, before, err
}

// neverRan gives an attempt back that was claimed and never started.
func neverRan(attempt Attempt, why string) *End {
	return &End{
		ID: attempt.Task, Lease: attempt.Lease, Attempt: attempt.Number,
		Status: task.Pending, Outcome: task.Interrupted, GiveBack: true,
		Failure: &task.Failure{
			Cause:   task.CauseInterrupted,
			Message: why,
		},
	}
}

// repair gives tickets to tasks that have lost theirs.
func (r *Runner) repair(ctx context.Context) error {
	for {
		n, err := r.db.Repair(ctx)
		if err != nil {
			return fmt.Errorf("repair: %w", err)
		}
		if n == 0 {
			return nil
		}
		r.config.Logger.WarnContext(ctx, "tasks had lost their place in the queue and were given a new one", slog.Int("tasks", n))
	}
}

func count(stored []bool) (n int) {
	for _, ok := range stored {
		if ok {
			n++
		}
	}
	return n
}
