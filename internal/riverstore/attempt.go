package riverstore

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/taskhost/taskhost/task"
)

// Why an attempt's context ended, as its cause.
var (
	errInterrupted = errors.New("the host is stopping")
	errTimeout     = errors.New("the attempt has run out of time")
)

// unavailableWait is how long a task waits whose module could not be read from the
// database.
const unavailableWait = time.Second

// run runs one attempt and hands in its end. It does not wait for the end to
// be stored: the slot is free for the next.
func (r *Runner) run(ctx context.Context, claim *Claim) {
	ctx, cancelCause := context.WithCancelCause(ctx)
	defer cancelCause(nil)
	//nolint:contextcheck // the interrupt is for every attempt, whatever its own context
	defer context.AfterFunc(r.interrupted, func() { cancelCause(errInterrupted) })()
	r.held.runs(claim, cancelCause)

	log := r.journal.begin(&claim.Execution)
	started := time.Now()
	end := r.attempt(ctx, claim, log)
	r.held.runs(claim, nil)
	end.Elapsed = time.Since(started)
	end.Logs = r.journal.end(log)
	r.submit(end)
}

// attempt calls the handler and says what becomes of the task.
func (r *Runner) attempt(ctx context.Context, claim *Claim, log task.LogSink) *End {
	exec := &claim.Execution
	if cause := context.Cause(ctx); errors.Is(cause, task.ErrCancelled) {
		return decide(claim, task.Outcome{}, cause) // before it began
	}
	ctx, cancelExpiry := claim.withExpiry(ctx)
	defer cancelExpiry()
	unavailable := false
	prepared := survive(func() (out task.Outcome) {
		if out.Failure = r.unseal(claim); out.Failure != nil {
			return out
		}
		if err := r.handler.Prepare(ctx, exec); err != nil {
			unavailable = errors.Is(err, task.ErrUnavailable)
			out.Failure = &task.Failure{Cause: task.CauseHost, Message: err.Error()}
		}
		return out
	})
	switch {
	case unavailable && ctx.Err() == nil:
		// Nothing has begun, and what is wrong is not the task's fault.
		end := neverRan(claim.attempt(), "interrupted: the attempt could not be prepared, because the database could not be used")
		end.Wait = unavailableWait
		return end
	case prepared.Failure != nil:
		return decide(claim, prepared, context.Cause(ctx))
	}
	if why := r.mayBegin(ctx, claim); why != "" {
		return neverRan(claim.attempt(), why)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, exec.Task.Timeout, errTimeout)
	defer cancel()
	outcome := survive(func() task.Outcome { return r.handler.Handle(ctx, exec, log) })
	return decide(claim, outcome, context.Cause(ctx))
}

// unseal opens the arguments of an attempt. Where that cannot be done the task fails,
// and is not tried again by itself: each attempt would end the same. It keeps its
// arguments as they are, for somebody who gives the key to retry it.
func (r *Runner) unseal(claim *Claim) *task.Failure {
	exec := &claim.Execution
	args, err := r.config.Vault.OpenArgs(exec.Task.ID, claim.ArgsKey, exec.Args)
	if err != nil {
		return &task.Failure{Cause: task.CauseHost, Permanent: true, Message: err.Error()}
	}
	exec.Args, claim.ArgsKey = args, ""
	return nil
}

// survive turns a panic into a failure.
func survive(f func() task.Outcome) (outcome task.Outcome) {
	defer func() {
		if p := recover(); p != nil {
			outcome = task.Outcome{Failure: &task.Failure{
				Cause:   task.CauseHost,
				Message: fmt.Sprintf("panic: %v", p),
				Trace:   string(debug.Stack()),
			}}
		}
	}()
	return f()
}

// mayBegin says why an attempt may not begin, or nothing. A node that was cut off or
// stood still may have been called dead since it claimed: what it would begin now runs
// elsewhere already. It asks where that can be, which is rare.
func (r *Runner) mayBegin(ctx context.Context, claim *Claim) string {
	if r.pulse == nil || r.pulse.fresh() {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	if err := r.pulse.beat(); err != nil { //nolint:contextcheck // it has a time of its own
		return "interrupted: the attempt never started, because its node was cut off from the database"
	}
	running, err := r.db.Running(ctx, r.config.Node)
	if err != nil {
		return "interrupted: the attempt never started, because its node was cut off from the database"
	}
	if !slices.Contains(running, claim.attempt()) {
		return "interrupted: the attempt never started, because another node has taken it over"
	}
	return ""
}
