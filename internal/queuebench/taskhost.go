package queuebench

import (
	"context"
	"errors"
	"time"

	"github.com/taskhost/taskhost/pgstore"
	"github.com/taskhost/taskhost/sqlitestore"
	"github.com/taskhost/taskhost/task"
)

// store is what both stores do.
type store interface {
	DeclareFunctions(ctx context.Context, functions []task.Definition) error
	Enqueue(ctx context.Context, request task.Request) (task.ID, error)
	EnqueueMany(ctx context.Context, requests []task.Request) ([]task.ID, error)
	Start(ctx context.Context, handler task.Handler, config sqlitestore.ServeConfig) error
	Stop(ctx context.Context) error
}

var (
	_ store = (*pgstore.Store)(nil)
	_ store = (*sqlitestore.Store)(nil)
)

// ours is a store as a queue.
type ours struct {
	store
	// enqueueIn stores a request in a transaction of the caller's, and returns when
	// its commit began.
	enqueueIn func(ctx context.Context, request task.Request) (time.Time, error)

	requests []task.Request // batchSize of them
}

// functions are what the store works.
func functions() []task.Definition {
	return []task.Definition{{Name: taskName, Executor: task.Async, Options: task.Options{}.WithDefaults()}}
}

func newOurs(ctx context.Context, s store, enqueueIn func(context.Context, task.Request) (time.Time, error)) (*ours, error) {
	o := &ours{store: s, enqueueIn: enqueueIn, requests: make([]task.Request, batchSize)}
	args := padded(argsBytes)
	for i := range o.requests {
		o.requests[i] = task.Request{Name: taskName, Args: args}
	}
	return o, s.DeclareFunctions(ctx, functions())
}

func (o *ours) enqueue(ctx context.Context) error {
	_, err := o.Enqueue(ctx, o.requests[0])
	return err
}

func (o *ours) enqueueTx(ctx context.Context) (time.Time, error) {
	return o.enqueueIn(ctx, o.requests[0])
}

func (o *ours) enqueueMany(ctx context.Context, n int) error {
	_, err := o.EnqueueMany(ctx, o.requests[:n])
	return err
}

func (o *ours) work(ctx context.Context, working working) (func(context.Context) error, error) {
	err := o.Start(ctx, &handler{began: working.began, result: padded(resultBytes)}, sqlitestore.ServeConfig{
		Node:        "bench",
		Slots:       map[task.Executor]int{task.Async: working.slots},
		Functions:   functions(),
		LogInterval: time.Second,
	})
	return o.Stop, err
}

// handler does nothing.
type handler struct {
	began  func()
	result []byte
}

func (*handler) Prepare(context.Context, *task.Execution) error { return nil }

func (h *handler) Handle(context.Context, *task.Execution, task.LogSink) task.Outcome {
	h.began()
	return task.Outcome{Result: h.result, ResultType: "application/json"}
}

// transactor runs f in a transaction of the caller's own, and returns when the
// commit began.
type transactor[TTx any] func(ctx context.Context, f func(tx TTx) error) (time.Time, error)

// closeAll closes in order, and returns all errors.
func closeAll(closers ...func() error) func() error {
	return func() error {
		var errs []error
		for _, closer := range closers {
			errs = append(errs, closer())
		}
		return errors.Join(errs...)
	}
}
