package taskhost

import (
	"context"
	"fmt"
	"time"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host"
	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/task"
)

// handler is what a host gives its store: it takes an attempt to what executes
// it.
type handler struct {
	host *Host
}

var _ task.Handler = (*handler)(nil)

// Prepare implements [task.Handler]: it compiles a module that this process has
// not run yet.
func (h *handler) Prepare(ctx context.Context, exec *task.Execution) error {
	if exec.Task.Executor != task.Wasm {
		return nil
	}
	module := exec.Task.Module
	if err := h.prepare(ctx, module.Digest); err != nil {
		return fmt.Errorf("prepare module %s version %d: %w", module.Name, module.Version, err)
	}
	return nil
}

// Handle implements [task.Handler].
func (h *handler) Handle(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
	if exec.Task.Executor == task.Wasm {
		return h.runModule(ctx, exec, log)
	}
	h.host.mu.Lock()
	f := h.host.functions[exec.Task.Name]
	h.host.mu.Unlock()
	if f == nil {
		return task.Outcome{Failure: &task.Failure{
			Cause:   task.CauseHost,
			Message: fmt.Sprintf("no Go function %s is registered in this program", exec.Task.Name),
		}}
	}
	return f.run(ctx, exec, log)
}

func (h *handler) runModule(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
	t := &exec.Task
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(t.Timeout)
	}
	out := h.execute(ctx, host.Attempt{
		Digest:      t.Module.Digest,
		Index:       exec.Index,
		TaskID:      t.ID.String(),
		Name:        t.Name,
		Number:      t.Attempt - 1,
		MaxAttempts: t.MaxAttempts,
		Tags:        t.Tags,
		Input:       exec.Args,
		InputType:   exec.ArgsType,
		Deadline:    deadline,
		Fresh:       exec.Limits.Fresh,
		Limits: host.Limits{
			Memory:   exec.Limits.Memory,
			Output:   int(exec.Limits.ResultBytes),
			LogTotal: int(exec.Limits.LogBytes),
			Fuel:     exec.Limits.Fuel,
			Depth:    exec.Limits.Depth,
		},
	}, guestCalls{log})
	outcome := task.Outcome{
		Postpone:   postponed(&out),
		Result:     out.Output,
		ResultType: out.OutputType,
		Usage: task.Usage{
			Sandbox:    out.Usage.Sandbox,
			PeakMemory: out.Usage.PeakMemory,
			Fuel:       out.Usage.Fuel,
			CPU:        out.Usage.CPU,
			Pooled:     out.Usage.Pooled,
		},
	}
	if out.Failure != nil {
		outcome.Failure = &task.Failure{
			Cause:     cause(out.Failure.Kind),
			Message:   out.Failure.Message,
			Trace:     out.Failure.Trace,
			Permanent: out.Failure.Permanent,
		}
	}
	return outcome
}

// setAside is how long a task waits whose module is in quarantine, until it is looked
// at again.
const setAside = 30 * time.Second

// postponed is how long a task is to wait that could not be run, by no fault of its
// own.
func postponed(out *host.Outcome) time.Duration {
	if out.SetAside {
		return setAside
	}
	return 0
}

// execute runs an attempt. The engine may have let its module go since it was
// prepared, where there is no room for all that are in use.
func (h *handler) execute(ctx context.Context, attempt host.Attempt, calls host.Calls) host.Outcome {
	for {
		out := h.host.engine.Execute(ctx, attempt, calls)
		if !out.NotPrepared || ctx.Err() != nil {
			return out
		}
		if err := h.prepare(ctx, attempt.Digest); err != nil {
			return host.Outcome{Failure: &host.Failure{Kind: host.KindHost, Message: err.Error()}}
		}
	}
}

// prepare fetches a module that this process has not run yet.
func (h *handler) prepare(ctx context.Context, digest string) error {
	if h.host.engine.Prepared(digest) {
		return nil
	}
	wasm, err := h.host.store.Wasm(ctx, digest)
	if err != nil {
		return err
	}
	if have := modules.Digest(wasm); have != digest {
		return fmt.Errorf("the stored module has the digest %s: it was changed after it was pushed", have)
	}
	// The work is shared, and must outlive the attempt that began it.
	return h.host.engine.Prepare(context.WithoutCancel(ctx), digest, wasm)
}

func cause(kind host.Kind) task.Cause {
	switch kind {
	case host.KindError:
		return task.CauseError
	case host.KindTrap:
		return task.CauseTrap
	case host.KindLimit:
		return task.CauseLimit
	case host.KindCrashed:
		return task.CauseCrashed
	case host.KindStopped:
		return task.CauseTimeout // the store knows better where it was not that
	default:
		return task.CauseHost
	}
}

// guestCalls gives a guest its task's log.
type guestCalls struct {
	log task.LogSink
}

var _ host.Calls = guestCalls{}

// Log implements [host.Calls].
func (c guestCalls) Log(_ context.Context, line host.LogLine) {
	c.log.Log(logLevel(line.Level), line.Message, line.Fields)
}

func logLevel(level int) task.Level {
	switch level {
	case abi.LevelDebug:
		return task.Debug
	case abi.LevelWarn:
		return task.Warn
	case abi.LevelError:
		return task.Error
	default:
		return task.Info
	}
}
