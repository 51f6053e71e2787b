package riverstore

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/taskhost/taskhost/task"
)

// Why an attempt's context ended, as its cause.
var (
	errInterrupted = errors.New("the host is stopping")
	errTimeout     = errors.New("the attempt has run out of time")
)

// run runs one attempt and hands in its end. It does not wait for the end to
// be stored: the slot is free for the next.
func (r *Runner) run(ctx context.Context, claim *Claim) {
	ctx, cancelCause := context.WithCancelCause(ctx)
	defer cancelCause(nil)
	//nolint:contextcheck // the interrupt is for every attempt, whatever its own context
	defer context.AfterFunc(r.interrupted, func() { cancelCause(errInterrupted) })()

	log := r.journal.begin(&claim.Execution)
	started := time.Now()
	outcome, stopped := r.attempt(ctx, &claim.Execution, log)
	end := decide(claim, outcome, stopped)
	end.Elapsed = time.Since(started)
	end.Logs = r.journal.end(log)
	r.submit(end)
}

// attempt calls the handler. stopped is the cause for which the attempt's context
// had ended when it returned, or nil.
func (r *Runner) attempt(ctx context.Context, exec *task.Execution, log task.LogSink) (outcome task.Outcome, stopped error) {
	prepared := survive(func() (out task.Outcome) {
		if err := r.handler.Prepare(ctx, exec); err != nil {
			out.Failure = &task.Failure{Cause: task.CauseHost, Message: err.Error()}
		}
		return out
	})
	if prepared.Failure != nil {
		return prepared, context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, exec.Task.Timeout, errTimeout)
	defer cancel()
	outcome = survive(func() task.Outcome { return r.handler.Handle(ctx, exec, log) })
	return outcome, context.Cause(ctx)
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
