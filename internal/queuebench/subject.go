package queuebench

import (
	"bytes"
	"context"
	"time"
)

// subject is a queue that is measured: a store of ours, or bare River.
type subject struct {
	queue

	rows  rows
	close func() error
}

// queue is what a subject does. A task that it stores has argsBytes of arguments.
type queue interface {
	// enqueue stores one task.
	enqueue(ctx context.Context) error
	// enqueueTx stores one in a transaction of the caller's own, and returns when
	// its commit began.
	enqueueTx(ctx context.Context) (time.Time, error)
	// enqueueMany stores n tasks in one transaction.
	enqueueMany(ctx context.Context, n int) error
	// work begins to work tasks. The function that it returns ends that.
	work(ctx context.Context, working working) (stop func(context.Context) error, err error)
}

// rows tells what is stored. It is asked on a connection of its own.
type rows interface {
	// open reports whether there is a task that has not ended.
	open(ctx context.Context) (bool, error)
	// succeeded counts the tasks that have ended with success.
	succeeded(ctx context.Context) (int, error)
}

// working says how tasks are worked.
type working struct {
	slots int
	// idle says that there is one task at a time, and its latency what counts.
	idle bool
	// began is called at the start of each task.
	began func()
}

const (
	argsBytes   = 200
	resultBytes = 100
	// taskName is the definition's, and the kind of River's jobs.
	taskName = "bench"
)

const (
	padHead = `{"pad":"`
	padTail = `"}`
)

// padding is what stands between padHead and padTail in n bytes.
func padding(n int) string {
	return string(bytes.Repeat([]byte{'x'}, n-len(padHead)-len(padTail)))
}

func padded(n int) []byte { return []byte(padHead + padding(n) + padTail) }

// stopTimeout bounds the end of a subject's work.
const stopTimeout = 30 * time.Second

// stopping is a context for ending what ctx has begun, even if that has ended.
func stopping(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
}
