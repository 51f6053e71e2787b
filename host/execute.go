package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host/fuel"
	"github.com/taskhost/taskhost/host/wasi"
)

const (
	// describeTimeout bounds how long a module may take to declare itself.
	describeTimeout = 10 * time.Second
	// maxManifest bounds what it declares, in bytes.
	maxManifest = 1 << 20
)

// Execute runs one attempt in an instance of its own, and returns how it ended.
// The guest is stopped when ctx ends. calls is used by one goroutine, and not
// after Execute has returned. A command has one definition, so that the index
// of the attempt is not looked at.
func (e *Engine) Execute(ctx context.Context, attempt Attempt, calls Calls) Outcome {
	attempt.Limits = attempt.Limits.WithDefaults()
	x := newExecution(&attempt, calls)
	err := e.run(ctx, x, x.call)
	if x.command {
		err = x.endCommand(err)
	}
	out := Outcome{Usage: Usage{Sandbox: x.sandbox, PeakMemory: x.peakMemory, Fuel: x.fuel}}
	switch {
	case err != nil:
		out.Failure = x.explain(ctx, err)
	case x.failure != nil:
		out.Failure = x.failure
	default:
		out.Output, out.OutputType = x.output, x.outputType
	}
	return out
}

// call runs the attempt in its instance.
func (x *execution) call(ctx context.Context, instance api.Module) error {
	if x.command {
		_, err := instance.ExportedFunction(exportStart).Call(ctx)
		return err
	}
	results, err := instance.ExportedFunction(abi.ExportRun).Call(ctx, api.EncodeI32(int32(x.attempt.Index)))
	switch {
	case err != nil:
		return err
	case uint32(results[0]) == abi.RunDone:
		x.failure = nil
	case x.failure == nil:
		x.failure = &Failure{Kind: KindError, Message: noReason}
	}
	return nil
}

// noReason is the message of a failure that has none of its own.
const noReason = "the task failed and gave no reason"

// Describe returns the manifest of a prepared module, as it declares it. It
// returns a *ModuleError where the module is at fault. ctx bounds the call. A
// command has no manifest: ask [Engine.IsCommand] first.
func (e *Engine) Describe(ctx context.Context, digest string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, describeTimeout, fmt.Errorf("it took longer than %v", describeTimeout))
	defer cancel()
	// A definition may ask for more memory than the default, and cannot be
	// asked before it is described.
	limits := Limits{Output: maxManifest, Memory: MaxMemory}.WithDefaults()
	x := newExecution(&Attempt{Digest: digest, Limits: limits, Deadline: time.Now().Add(describeTimeout)}, discardCalls{})
	err := e.run(ctx, x, func(ctx context.Context, instance api.Module) error {
		if x.command {
			return &hostError{fmt.Errorf("module %s is a command, which declares nothing", digest)}
		}
		_, err := instance.ExportedFunction(abi.ExportDescribe).Call(ctx)
		return err
	})
	var host *hostError
	switch {
	case err == nil:
	case errors.As(err, &host):
		return nil, host.error
	case errors.Is(ctx.Err(), context.Canceled):
		return nil, fmt.Errorf("describe the module: %w", ctx.Err())
	default:
		failure := x.explain(ctx, err)
		return nil, &ModuleError{Reason: "it failed to declare its definitions: " + failure.Message + indented(failure.Trace), Err: err}
	}
	if len(x.output) == 0 {
		return nil, moduleErrorf("its export %s pushed no manifest: call output there", abi.ExportDescribe)
	}
	return x.output, nil
}

type discardCalls struct{}

func (discardCalls) Log(context.Context, LogLine) {}

// execution is the state of one call into a guest.
type execution struct {
	attempt *Attempt
	command bool
	calls   Calls
	memory  memory
	wasi    wasi.Execution
	stdout  lineWriter
	stderr  lineWriter

	hostCalls int
	logged    int
	logFull   bool

	output     []byte
	outputType string
	failure    *Failure
	// stopped is why the host stopped the guest, nil where it did not. It is
	// ours alone: a guest can forge the look of a stop, not this.
	stopped error

	sandbox    time.Duration
	peakMemory int64
	fuel       int64
	ended      fuel.Reason
}

func newExecution(attempt *Attempt, calls Calls) *execution {
	x := &execution{attempt: attempt, calls: calls, memory: memory{limit: uint64(attempt.Limits.Memory)}}
	x.stdout = lineWriter{x: x, level: abi.LevelInfo}
	x.stderr = lineWriter{x: x, level: abi.LevelWarn, keepTail: true}
	x.wasi = wasi.Execution{Args: []string{"task"}, Stdout: &x.stdout, Stderr: &x.stderr}
	return x
}

type executionKey struct{}

func executionOf(ctx context.Context) *execution {
	return ctx.Value(executionKey{}).(*execution)
}

// run makes an instance, initialises it, calls it, and closes it.
func (e *Engine) run(ctx context.Context, x *execution, call func(context.Context, api.Module) error) (err error) {
	m, err := e.prepared(ctx, x.attempt.Digest)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return &hostError{err}
	}
	if m.command {
		x.beCommand()
	}
	if m.minMemory > x.attempt.Limits.Memory {
		return x.memoryLimit(fmt.Sprintf("it starts with %s", bytesText(m.minMemory)))
	}
	started := time.Now()
	defer func() {
		x.sandbox = time.Since(started)
		x.peakMemory = int64(x.memory.peak)
		x.stdout.flush(ctx)
		x.stderr.flush(ctx)
	}()
	defer func() {
		if p := recover(); p != nil {
			err = errors.Join(err, fmt.Errorf("%v", p))
		}
	}()

	guestCtx := context.WithValue(ctx, executionKey{}, x)
	guestCtx = wasi.With(guestCtx, &x.wasi)
	guestCtx = experimental.WithMemoryAllocator(guestCtx, &x.memory)
	x.stdout.ctx, x.stderr.ctx = guestCtx, guestCtx
	instance, err := e.runtime.InstantiateModule(guestCtx, m.compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, instance.Close(context.WithoutCancel(ctx)))
	}()
	meter, err := fuel.Attach(instance, x.attempt.Limits.Fuel, x.attempt.Limits.Depth)
	if err != nil {
		return &hostError{err}
	}
	defer func() { x.fuel, x.ended = meter.Used(), meter.Reason() }()
	defer stopWhenDone(ctx, meter, &x.memory)()
	if err := meter.Start(guestCtx); err != nil {
		return err
	}
	if initialize := instance.ExportedFunction(abi.ExportInitialize); initialize != nil {
		if _, err := initialize.Call(guestCtx); err != nil {
			return err
		}
	}
	return call(guestCtx, instance)
}

// stopWhenDone stops the guest when the context ends, until the function that it
// returns is called.
func stopWhenDone(ctx context.Context, meter *fuel.Meter, memory *memory) func() {
	stopped := make(chan struct{})
	release := context.AfterFunc(ctx, func() {
		defer close(stopped)
		memory.stop.Store(true)
		meter.Stop()
	})
	return func() {
		if !release() {
			<-stopped // the instance is about to go
		}
	}
}

// stopWith ends the guest from inside a host function.
func (x *execution) stopWith(reason error) {
	if x.stopped == nil {
		x.stopped = reason
	}
	panic(reason) // wazero unwinds the guest and returns it from the call
}

// hostError marks what is no fault of the guest.
type hostError struct{ error }

func (e *hostError) Unwrap() error { return e.error }

// logLineCost is what a line costs beside its text, so that many short lines are
// bounded too.
const logLineCost = 64

// log passes a line on, within the limits.
func (x *execution) log(ctx context.Context, level int, message string, fields []byte) {
	if x.logFull {
		return
	}
	limits := x.attempt.Limits
	if len(message) > limits.LogLine {
		const mark = "… (cut)"
		message = cut(message, max(limits.LogLine-len(mark), 0)) + mark
	}
	x.logged += len(message) + len(fields) + logLineCost
	if x.logged > limits.LogTotal {
		x.logFull = true
		level, fields = abi.LevelWarn, nil
		message = fmt.Sprintf("truncated: limit logs: the attempt logged more than %s, the rest is dropped", bytesText(int64(limits.LogTotal)))
	}
	x.calls.Log(ctx, LogLine{Level: level, Message: message, Fields: fields})
}
