package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/taskhost/taskhost/host"
)

// grace is how long a guest that is to stop may take to do so by itself, until its
// worker is killed.
const grace = 25 * time.Millisecond

// Execute runs one attempt in a worker, and returns how it ended. The guest is
// stopped when ctx ends. calls is used by one goroutine, and not after Execute has
// returned. Where the worker dies, the failure is of kind [host.KindCrashed].
func (p *Pool) Execute(ctx context.Context, attempt host.Attempt, calls host.Calls) host.Outcome {
	if ctx.Err() != nil {
		return stopped(ctx)
	}
	if err := p.quarantined(attempt.Digest); err != nil {
		return host.Outcome{Failure: &host.Failure{Kind: host.KindHost, Message: err.Error()}, SetAside: true}
	}
	defer p.begin(attempt.Digest)()
	attempt.Limits = attempt.Limits.WithDefaults()
	w, err := p.take(ctx, attempt.Digest)
	if err != nil {
		return p.failure(ctx, attempt.Digest, err)
	}
	out, reusable, err := p.run(ctx, w, &attempt, calls)
	if err != nil {
		p.mu.Lock()
		p.workers--
		p.mu.Unlock()
		p.config.Logger.WarnContext(ctx, "a sandbox worker ended", slog.String("module", attempt.Digest),
			slog.String("task", attempt.TaskID), slog.Any("error", err), slog.String("stderr", host.Clean(w.said.String(), headBytes+tailBytes)))
		return p.failure(ctx, attempt.Digest, err)
	}
	p.give(w, reusable)
	p.survived(attempt.Digest)
	return out
}

// stopped is the outcome of an attempt whose context has ended.
func stopped(ctx context.Context) host.Outcome {
	return host.Outcome{Failure: &host.Failure{Kind: host.KindStopped, Message: context.Cause(ctx).Error()}}
}

// failure is the outcome of an attempt that no worker could run to its end.
func (p *Pool) failure(ctx context.Context, digest string, err error) host.Outcome {
	var death *deathError
	died := errors.As(err, &death)
	if died {
		p.died(digest, death.Error(), ctx.Err() == nil)
	}
	switch {
	case ctx.Err() != nil:
		return stopped(ctx)
	case died:
		return host.Outcome{Failure: &host.Failure{Kind: host.KindCrashed, Message: death.Error()}}
	default:
		return host.Outcome{Failure: &host.Failure{Kind: host.KindHost, Message: err.Error()}, NotPrepared: errors.Is(err, host.ErrNotPrepared)}
	}
}

// run has a worker run an attempt. An error says that the worker is gone.
func (p *Pool) run(ctx context.Context, w *process, attempt *host.Attempt, calls host.Calls) (_ host.Outcome, reusable bool, err error) {
	left := noTime
	if deadline, ok := ctx.Deadline(); ok {
		left = time.Until(deadline)
	}
	started := time.Now()
	release := w.stopWhenDone(ctx)
	m := newMessage(kindRun)
	putAttempt(&m, attempt, left)
	out, err := host.Outcome{}, m.writeTo(w.in)
	if err == nil {
		out, err = w.answer(ctx, attempt, calls)
	}
	told := release()
	if err != nil {
		return out, false, w.failed(err)
	}
	out.Usage = credible(out.Usage, time.Since(started))
	if out.Failure != nil && out.Failure.Kind == host.KindStopped {
		if left = time.Until(deadlineOf(ctx)); ctx.Err() == nil && left > time.Second {
			return out, false, w.failed(errFrame) // nobody has stopped it
		}
		<-ctx.Done()                                     // its clock may be ahead
		out.Failure.Message = context.Cause(ctx).Error() // it knows of no other reason than time
	}
	return out, !told && isClean(&out), nil
}

func deadlineOf(ctx context.Context) time.Time {
	if deadline, ok := ctx.Deadline(); ok {
		return deadline
	}
	return time.Now().Add(noTime)
}

// credible is what a worker says that an attempt used, as far as that can be.
func credible(used host.Usage, wall time.Duration) host.Usage {
	used.Sandbox = min(max(used.Sandbox, 0), wall)
	used.CPU = min(max(used.CPU, 0), 2*wall)
	used.PeakMemory = min(max(used.PeakMemory, 0), host.MaxMemory)
	used.Fuel = max(used.Fuel, 0)
	return used
}

// isClean reports whether a worker may go on after an outcome. It does after what
// a guest does to itself.
func isClean(out *host.Outcome) bool {
	if out.Failure == nil {
		return true
	}
	return out.Failure.Kind == host.KindError || out.Failure.Kind == host.KindTrap
}

// answer reads what the worker says until the attempt has ended.
func (w *process) answer(ctx context.Context, attempt *host.Attempt, calls host.Calls) (host.Outcome, error) {
	budget := logBudget{left: attempt.Limits.LogTotal + 2*attempt.Limits.LogLine + 1024, line: 2*attempt.Limits.LogLine + 1024}
	most := attempt.Limits.Output + maxTexts
	for {
		k, f, err := readFrame(w.out, max(most, budget.line), &w.room)
		if err != nil {
			return host.Outcome{}, err
		}
		switch k {
		case kindLog:
			line := getLog(f)
			if f.done() != nil || !budget.take(&line) {
				return host.Outcome{}, errFrame
			}
			calls.Log(ctx, line)
		case kindOutcome:
			out := getOutcome(f)
			if f.done() != nil || !isSound(&out, attempt) {
				return host.Outcome{}, errFrame
			}
			return out, nil
		default:
			return host.Outcome{}, errFrame
		}
	}
}

// maxTexts bounds what an outcome has beside its output, in bytes.
const maxTexts = 128 << 10

// logLineCost is what a line costs beside its text, as in package host: lines without
// any are bounded too.
const logLineCost = 64

// logBudget holds the limits of logs again: the worker may not be what it was.
type logBudget struct{ left, line int }

func (b *logBudget) take(line *host.LogLine) bool {
	size := len(line.Message) + len(line.Fields)
	b.left -= size + logLineCost
	if b.left < 0 || size > b.line || line.Fields != nil && !json.Valid(line.Fields) {
		return false
	}
	line.Message = host.Clean(line.Message, b.line)
	if line.Fields != nil { // and stays so
		line.Fields = bytes.ToValidUTF8(line.Fields, []byte("\ufffd"))
	}
	return true
}

// isSound cleans an outcome, and reports whether it is one that an engine gives.
func isSound(out *host.Outcome, attempt *host.Attempt) bool {
	// What it has loaded it does not lose.
	if len(out.Output) > attempt.Limits.Output || len(out.OutputType) > maxType || out.NotPrepared {
		return false
	}
	out.OutputType = host.Clean(out.OutputType, maxType)
	if x := out.Failure; x != nil {
		switch x.Kind {
		case host.KindError, host.KindTrap, host.KindLimit, host.KindStopped, host.KindHost:
		default:
			return false
		}
		x.Message, x.Trace = host.Clean(x.Message, maxMessage), host.Clean(x.Trace, maxTrace)
		out.Output, out.OutputType = nil, ""
	}
	return true
}

// The bounds of what is shown, in bytes.
const (
	maxType    = 256
	maxMessage = 8 << 10
	maxTrace   = 16 << 10
)

// stopWhenDone has the guest end when ctx does, and its worker where it does not. The
// function that it returns ends that, and reports whether the worker was told: then it
// may hear of it at any time, and is of no more use.
func (w *process) stopWhenDone(ctx context.Context) func() (told bool) {
	over, done := make(chan struct{}), make(chan struct{})
	release := context.AfterFunc(ctx, func() {
		defer close(done)
		if w.tell() == nil {
			timer := time.NewTimer(grace)
			defer timer.Stop()
			select {
			case <-over:
				return
			case <-timer.C:
			}
		}
		w.kill(fmt.Errorf("it did not stop in time: %w", context.Cause(ctx)))
	})
	return func() bool {
		if release() {
			return false
		}
		close(over)
		<-done
		return true
	}
}
