package storetest

import (
	"context"
	"slices"
	"sync"

	"github.com/taskhost/taskhost/task"
)

// handler makes a handler of a function.
type handler func(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome

func (h handler) Prepare(context.Context, *task.Execution) error { return nil }

func (h handler) Handle(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
	return h(ctx, exec, log)
}

// byName makes a handler of one for each definition.
func byName(handlers map[string]handler) handler {
	return func(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		return handlers[exec.Task.Name](ctx, exec, log)
	}
}

func echo(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
	return task.Outcome{Result: exec.Args, ResultType: exec.ArgsType}
}

func done(context.Context, *task.Execution, task.LogSink) task.Outcome { return task.Outcome{} }

// untilStopped runs until its context ends, and reports what that looks like from
// the inside.
func untilStopped(ctx context.Context, _ *task.Execution, _ task.LogSink) task.Outcome {
	<-ctx.Done()
	return fails(ctx.Err().Error())
}

func fails(message string) task.Outcome {
	return task.Outcome{Failure: &task.Failure{Message: message}}
}

// gate is a handler whose attempts wait inside until they are let go, or their
// contexts end.
type gate struct {
	entered chan task.Execution
	leave   chan task.Outcome
}

func newGate() *gate {
	return &gate{entered: make(chan task.Execution, 1000), leave: make(chan task.Outcome)}
}

func (g *gate) handle(ctx context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
	g.entered <- *exec
	select {
	case outcome := <-g.leave:
		return outcome
	case <-ctx.Done():
		return fails(ctx.Err().Error())
	}
}

// latch is closed once, and at the latest when the test ends, however it does: for
// handlers that are deaf to their contexts.
type latch struct {
	opened chan struct{}
	open   func()
}

func (w *world) latch() latch {
	opened := make(chan struct{})
	l := latch{opened: opened, open: sync.OnceFunc(func() { close(opened) })}
	w.Cleanup(l.open) // before the stores are closed
	return l
}

// order records what ran, in order.
type order struct {
	mu  sync.Mutex
	ids []task.ID
}

func (o *order) add(id task.ID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ids = append(o.ids, id)
}

func (o *order) all() []task.ID {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.ids)
}
