package host

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tetratelabs/wazero/api"

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

// Execute runs one attempt, from the state that a new instance of the module has
// once it is set up, and returns how it ended. The guest is stopped when ctx ends.
// calls is used by one goroutine, and not after Execute has returned. A command has
// one definition, so that the index of the attempt is not looked at.
func (e *Engine) Execute(ctx context.Context, attempt Attempt, calls Calls) Outcome {
	attempt.Limits = attempt.Limits.WithDefaults()
	x := newExecution(&attempt, calls)
	err := e.run(ctx, x, x.call)
	if x.command {
		err = x.endCommand(err)
	}
	out := Outcome{Usage: x.usage, NotPrepared: errors.Is(err, ErrNotPrepared)}
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
func (x *execution) call(ctx context.Context, i *instance) error {
	if x.command {
		_, err := i.call(ctx, exportStart)
		return err
	}
	status, err := i.call(ctx, abi.ExportRun, api.EncodeI32(int32(x.attempt.Index)))
	switch {
	case err != nil:
		return err
	case uint32(status) == abi.RunDone:
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
	m, err := e.acquire(ctx, digest)
	if err != nil {
		return nil, err
	}
	defer e.release(m)
	switch {
	case m.command:
		return nil, fmt.Errorf("module %s is a command, which declares nothing", digest)
	case m.manifest != nil:
		return slices.Clone(m.manifest), nil
	}
	return e.describe(ctx, digest)
}

// describe asks a module that could not be asked while it was prepared: it will say
// why.
func (e *Engine) describe(ctx context.Context, digest string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, describeTimeout, fmt.Errorf("it took longer than %v", describeTimeout))
	defer cancel()
	// A definition may ask for more memory than the default, and cannot be
	// asked before it is described.
	limits := Limits{Output: maxManifest, Memory: MaxMemory}.WithDefaults()
	x := newExecution(&Attempt{Digest: digest, Limits: limits, Deadline: time.Now().Add(describeTimeout)}, discardCalls{})
	err := e.run(ctx, x, func(ctx context.Context, i *instance) error {
		_, err := i.call(ctx, abi.ExportDescribe)
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
	guest   guestContext
	wasi    wasi.Execution
	stdout  lineWriter
	stderr  lineWriter

	hostCalls int
	asked     int // how often it asked for something of its task
	logged    int
	logFull   bool

	output     []byte
	outputType string
	failure    *Failure
	// stopped is why the host stopped the guest, nil where it did not. It is
	// ours alone: a guest can forge the look of a stop, not this.
	stopped error

	usage   Usage
	refused bool // more memory
	ended   fuel.Reason
}

func newExecution(attempt *Attempt, calls Calls) *execution {
	x := &execution{attempt: attempt, calls: calls}
	x.stdout = lineWriter{x: x, level: abi.LevelInfo}
	x.stderr = lineWriter{x: x, level: abi.LevelWarn, keepTail: true}
	x.wasi = wasi.Execution{Args: []string{"task"}, Stdout: &x.stdout, Stderr: &x.stderr}
	return x
}

// guestContext is the context of calls into a guest: what host functions find their
// execution by. It is a part of that, and costs nothing to make.
type guestContext struct {
	context.Context //nolint:containedctx // it is one
	x               *execution
}

type executionKey struct{}

// Value implements [context.Context].
func (c *guestContext) Value(key any) any {
	switch {
	case key == executionKey{}:
		return c.x
	case wasi.IsKey(key):
		return &c.x.wasi
	default:
		return c.Context.Value(key)
	}
}

func executionOf(ctx context.Context) *execution {
	return ctx.Value(executionKey{}).(*execution)
}

// run calls a guest in an instance that nothing else uses.
func (e *Engine) run(ctx context.Context, x *execution, call func(context.Context, *instance) error) (err error) {
	m, err := e.acquire(ctx, x.attempt.Digest)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &hostError{err}
	}
	defer e.release(m)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if m.command {
		x.beCommand()
	}
	from := m.start
	if x.attempt.Fresh || !m.resets {
		from = origin{image: m.first}
	}
	if size := int64(from.image.Size()); size > x.attempt.Limits.Memory {
		return x.memoryLimit("it starts with " + bytesText(size))
	}
	started := time.Now()
	stop := m.stopwatch.start()
	i, pooled, err := e.take(ctx, m, x.attempt.Fresh, x.attempt.Limits.Memory)
	if err != nil {
		stop()
		return err
	}
	guestCtx, done := x.begin(ctx, i)
	defer func() {
		x.stdout.flush(guestCtx)
		x.stderr.flush(guestCtx)
		done()
		wall, processor := stop()
		if wall > small {
			i.entries = nil // it may have needed a large stack
		}
		x.usage = Usage{Sandbox: wall, CPU: processor, PeakMemory: int64(i.memory.Peak()), Fuel: i.meter.Used(), Pooled: pooled}
		x.refused, x.ended = i.memory.Refused(), i.meter.Reason()
		if closing := e.give(ctx, m, i, x.attempt.Fresh, err); closing != nil {
			err = errors.Join(err, &hostError{closing})
		}
	}()
	if x.wasi.Monotonic == nil {
		x.wasi.Monotonic = func() int64 { return from.clock + int64(time.Since(started)) }
	}
	if err := x.prepare(guestCtx, i, &from); err != nil {
		return err
	}
	return protected(func() error { return call(guestCtx, i) })
}

// prepare brings an instance to where an execution begins.
func (x *execution) prepare(ctx context.Context, i *instance, from *origin) error {
	if from.random != nil {
		source := x.wasi.Random
		if source == nil {
			source = rand.Reader
		}
		if err := from.random.Seed(i.memory, source); err != nil {
			return &hostError{err}
		}
		from.times.Set(i.memory, x.wasi.Now())
	}
	if from.initialized {
		return nil
	}
	if err := protected(func() error { return i.initialize(ctx) }); err != nil {
		return err
	}
	// What counts is the task's own: it may be in an instance that has been set up.
	i.meter.Refill(x.attempt.Limits.Depth)
	if !x.command {
		x.hostCalls, x.output, x.outputType, x.failure = 0, nil, "", nil
	}
	return nil
}

// begin gives an instance to the execution, until the function that it returns is
// called: the context for calls into it, its limits, and what stops it when ctx
// ends.
func (x *execution) begin(ctx context.Context, i *instance) (context.Context, func()) {
	i.memory.Begin(uint64(x.attempt.Limits.Memory))
	i.meter.Arm(x.attempt.Limits.Fuel, x.attempt.Limits.Depth)
	stopped := make(chan struct{})
	release := context.AfterFunc(ctx, func() {
		defer close(stopped)
		i.memory.Stop()
		i.meter.Stop()
	})
	x.guest = guestContext{ctx, x}
	guestCtx := &x.guest
	x.stdout.ctx, x.stderr.ctx = guestCtx, guestCtx
	return guestCtx, func() {
		if !release() {
			<-stopped // the instance is about to be used by another
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
		message = fmt.Sprintf("truncated: limit logs: the attempt logged more than %s, the rest is dropped: log less%s", bytesText(int64(limits.LogTotal)), orMore("log_bytes", x.command))
	}
	x.calls.Log(ctx, LogLine{Level: level, Message: message, Fields: fields})
}
