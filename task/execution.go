package task

import (
	"context"
	"encoding/json"
	"time"
)

// Execution is one attempt at a task, handed to a [Handler] by the store that
// claimed it.
type Execution struct {
	Task Task
	// Lease is the fencing token of the claim. A write with an older one is
	// refused.
	Lease int64
	// Index is the definition's place in its module's manifest.
	Index    int
	Args     []byte
	ArgsType string
	// Limits are what the attempt may use, as its definition says.
	Limits Limits
}

// Outcome is how an attempt ended.
type Outcome struct {
	// Failure is nil where the attempt succeeded.
	Failure    *Failure
	Result     []byte
	ResultType string
	Usage      Usage
	// Postpone gives the attempt back, to be run again after so long, where the
	// failure is not the task's: it waits, and says why.
	Postpone time.Duration
}

// Usage is what an attempt used. A field is 0 where it was not measured.
type Usage struct {
	// Sandbox is the time spent in the guest, without setting it up.
	Sandbox time.Duration
	// PeakMemory is the largest size of the guest's memory, in bytes.
	PeakMemory int64
	// Fuel is a deterministic count of the guest's work.
	Fuel int64
	// CPU is the processor time used.
	CPU time.Duration
	// Pooled says that a guest ran in an instance that had been there before and
	// was reset, rather than in a new one.
	Pooled bool
}

// Handler runs attempts. A store calls it from many goroutines at once, never
// with more attempts of an executor than it was given slots for.
type Handler interface {
	// Prepare does what may take long before an attempt can run, such as to
	// fetch and compile a module. It does not count against the attempt's
	// timeout. An error fails the attempt.
	Prepare(ctx context.Context, exec *Execution) error
	// Handle runs one attempt and returns how it ended. ctx ends at the
	// attempt's timeout, when the task is cancelled, and when the host stops;
	// Handle must then return soon. The store knows which it was, and gives a
	// failure that follows from it the right cause.
	Handle(ctx context.Context, exec *Execution, log LogSink) Outcome
}

// LogSink takes the log lines of one attempt. It is safe for concurrent use
// and never blocks for long.
type LogSink interface {
	// Log keeps a line. Fields is a JSON object, or nil.
	Log(level Level, message string, fields json.RawMessage)
}
