package taskhost

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host"
	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/task"
)

// runner is the handler that a host gives its store: it takes an attempt to
// what executes it.
type runner struct {
	host *Host
}

var _ task.Handler = (*runner)(nil)

// Handle implements [task.Handler].
func (r *runner) Handle(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
	if exec.Task.Executor == task.Wasm {
		return r.runModule(ctx, exec, log)
	}
	r.host.mu.Lock()
	f := r.host.functions[exec.Task.Name]
	r.host.mu.Unlock()
	if f == nil {
		return hostFailure(fmt.Errorf("no Go function %s is registered in this program", exec.Task.Name))
	}
	return f.run(ctx, exec, log)
}

func (r *runner) runModule(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
	t := &exec.Task
	if err := r.prepare(ctx, t.Module.Digest); err != nil {
		return hostFailure(fmt.Errorf("prepare module %s version %d: %w", t.Module.Name, t.Module.Version, err))
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(t.Timeout)
	}
	out := r.host.engine.Execute(ctx, host.Attempt{
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
		Limits:      host.Limits{Memory: exec.Memory},
	}, guestCalls{log})
	outcome := task.Outcome{
		Result:     out.Output,
		ResultType: out.OutputType,
		Usage:      task.Usage{Sandbox: out.Usage.Sandbox, PeakMemory: out.Usage.PeakMemory},
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

// prepare fetches a module that this process has not run yet.
func (r *runner) prepare(ctx context.Context, digest string) error {
	if r.host.engine.Prepared(digest) {
		return nil
	}
	wasm, err := r.host.store.Wasm(ctx, digest)
	if err != nil {
		return err
	}
	if have := modules.Digest(wasm); have != digest {
		return fmt.Errorf("the stored module has the digest %s: it was changed after it was pushed", have)
	}
	// The work is shared, and must outlive the attempt that began it.
	return r.host.engine.Prepare(context.WithoutCancel(ctx), digest, wasm)
}

func hostFailure(err error) task.Outcome {
	return task.Outcome{Failure: &task.Failure{Cause: task.CauseHost, Message: err.Error()}}
}

func cause(kind host.Kind) task.Cause {
	switch kind {
	case host.KindError:
		return task.CauseError
	case host.KindTrap:
		return task.CauseTrap
	case host.KindLimit:
		return task.CauseLimit
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

// inspector lets the library look into modules with the engine.
type inspector struct {
	engine *host.Engine
}

var _ modules.Inspector = inspector{}

// compileTimeout bounds how long a pushed module may take to compile.
const compileTimeout = 60 * time.Second

// Inspect implements [modules.Inspector].
func (i inspector) Inspect(ctx context.Context, digest string, wasm []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, compileTimeout)
	defer cancel()
	err := i.engine.Prepare(ctx, digest, wasm)
	if err != nil {
		return nil, rejected(err)
	}
	manifest, err := i.engine.Describe(ctx, digest)
	if err != nil {
		return nil, rejected(err)
	}
	return manifest, nil
}

func rejected(err error) error {
	var fault *host.ModuleError
	if errors.As(err, &fault) {
		return &modules.RejectedError{Reason: fault.Reason}
	}
	return err
}
