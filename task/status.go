package task

// Status is the state of a task. The last four are terminal: a task in one of
// them never runs again.
type Status string

// The states, with their names in JSON and in the database.
const (
	// Pending tasks wait: to be due, for a free slot, or for their next
	// attempt, which [Task.NextAttemptAt] then tells.
	Pending Status = "pending"
	// Running tasks have an attempt in progress.
	Running Status = "running"
	// Success is the end of a task whose last attempt returned a result.
	Success Status = "success"
	// Failed is the end of a task that has no attempt left, or whose failure
	// was permanent.
	Failed Status = "failed"
	// Interrupted is the end of a task whose attempt was cut off by a stop or
	// a crash of its node, and whose definition does not ask to be run again.
	Interrupted Status = "interrupted"
	// Cancelled is the end of a task that somebody cancelled.
	Cancelled Status = "cancelled"
)

// Terminal reports whether a task in this state is finished for good.
func (s Status) Terminal() bool {
	switch s {
	case Success, Failed, Interrupted, Cancelled:
		return true
	default:
		return false
	}
}

// Executor says what runs a task.
type Executor string

// The executors.
const (
	// Wasm runs a guest in the sandbox.
	Wasm Executor = "wasm"
	// Async runs a Go function on a goroutine.
	Async Executor = "async"
	// Thread runs a Go function on an OS thread of its own, out of a bounded
	// pool: for blocking system calls and cgo.
	Thread Executor = "thread"
)

// Source says where a task came from.
type Source string

// The sources.
const (
	// Manual tasks were enqueued by a program or a person.
	Manual Source = "manual"
	// Scheduled tasks were enqueued by a schedule.
	Scheduled Source = "scheduled"
	// Retried tasks repeat one that had ended.
	Retried Source = "retry"
	// Child tasks were enqueued by another task.
	Child Source = "task"
)

// Cause says why an attempt did not succeed, as one word for programs.
type Cause string

// The causes.
const (
	// CauseError: the task itself reported the failure.
	CauseError Cause = "error"
	// CauseTrap: the guest broke off, for example by an invalid memory access,
	// by an exit, or by a runtime error of its language.
	CauseTrap Cause = "trap"
	// CauseLimit: the attempt ran into one of its limits other than time. The
	// message names it.
	CauseLimit Cause = "limit"
	// CauseTimeout: the attempt ran longer than its timeout.
	CauseTimeout Cause = "timeout"
	// CauseExpired: the task did not succeed within its ExpiresAfter.
	CauseExpired Cause = "expired"
	// CauseInterrupted: the node stopped while the attempt ran.
	CauseInterrupted Cause = "interrupted"
	// CauseCrashed: what ran the attempt died: its node, or the sandbox worker that
	// had the guest.
	CauseCrashed Cause = "crashed"
	// CauseCancelled: somebody cancelled the task.
	CauseCancelled Cause = "cancelled"
	// CauseHost: the host could not run the attempt, by no fault of the task.
	CauseHost Cause = "host"
)
