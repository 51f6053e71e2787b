package execbench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/taskhost/taskhost/host"
)

const (
	// timeout is what each execution has, as those of a task have one.
	timeout = time.Minute
	// fuelLimit is more than any has use for: that there is one is what counts.
	fuelLimit = 1 << 50
)

// attempt is one execution of a guest, as a node would ask for it.
func (g *guest) attempt(fresh bool) host.Attempt {
	limits := g.limits
	limits.Fuel = fuelLimit
	return host.Attempt{
		Digest: g.name, Index: g.index, TaskID: "00000000-0000-7000-8000-000000000000", Name: g.definition, MaxAttempts: 1,
		Input: g.input, InputType: "application/json", Fresh: fresh, Limits: limits,
	}
}

// execute runs an attempt under a deadline of its own.
func (b *bench) execute(ctx context.Context, g *guest, attempt host.Attempt) ([]byte, error) {
	return executeIn(ctx, b.engine, g, attempt)
}

// executor is an engine, or workers that each have one.
type executor interface {
	Execute(ctx context.Context, attempt host.Attempt, calls host.Calls) host.Outcome
}

func executeIn(ctx context.Context, in executor, g *guest, attempt host.Attempt) ([]byte, error) {
	attempt.Deadline = time.Now().Add(timeout)
	ctx, cancel := context.WithDeadline(ctx, attempt.Deadline)
	defer cancel()
	out := in.Execute(ctx, attempt, noCalls{})
	if f := out.Failure; f != nil {
		return nil, fmt.Errorf("the guest failed (%s): %s", f.Kind, f.Message)
	}
	return out.Output, g.check(out.Output)
}

// openEngine is in-process execution: in an instance that is reset, or in a new one
// of the same image.
func openEngine(fresh bool) opener {
	return func(_ context.Context, b *bench, g *guest) (*subject, error) {
		attempt := g.attempt(fresh)
		return calling(func(ctx context.Context) error {
			_, err := b.execute(ctx, g, attempt)
			return err
		}), nil
	}
}

// idleInstances is how many instances are counted the memory of.
const idleInstances = 50

// held is the definition of the Go guest that logs a line, so that it can be held.
const held = 1

// measureIdle measures what idle instances of the Go guest hold. It gives nil on
// systems that do not tell.
func (b *bench) measureIdle(ctx context.Context, g *guest) (*Idle, error) {
	if err := b.fillPool(ctx, g, 1); err != nil { // and what the first one brings along
		return nil, err
	}
	before, err := readMemory()
	if err != nil || before == nil {
		return nil, err
	}
	if err := b.fillPool(ctx, g, idleInstances+1); err != nil {
		return nil, err
	}
	after, err := readMemory()
	if err != nil || after == nil {
		return nil, err
	}
	if idle := b.engine.Stats().IdleInstances; idle < idleInstances+1 {
		return nil, fmt.Errorf("%d instances are idle after %d executions at once", idle, idleInstances+1)
	}
	per := func(before, after int64) float64 { return round(float64(after-before)/idleInstances/1024, 10) }
	return &Idle{Instances: idleInstances, KiB: per(before.resident, after.resident), OwnKiB: per(before.own, after.own)}, nil
}

// fillPool has a number of instances in use at once.
func (b *bench) fillPool(ctx context.Context, g *guest, count int) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	gate := &gate{left: make(chan struct{}, count), open: make(chan struct{})}
	attempt := g.attempt(false)
	attempt.Index = held
	failed := make(chan error, count)
	for range count {
		go func() {
			if f := b.engine.Execute(ctx, attempt, gate).Failure; f != nil {
				cancel() // or the others wait for it
				failed <- fmt.Errorf("the guest failed (%s): %s", f.Kind, f.Message)
				return
			}
			failed <- nil
		}()
	}
	for range count {
		select {
		case <-gate.left:
		case <-ctx.Done():
		}
	}
	close(gate.open)
	var err error
	for range count {
		err = errors.Join(err, <-failed)
	}
	return err
}

// gate holds executions in a host function.
type gate struct {
	left chan struct{} // one for each that is there
	open chan struct{}
}

// Log implements host.Calls.
func (g *gate) Log(ctx context.Context, _ host.LogLine) {
	g.left <- struct{}{}
	<-g.open
}
