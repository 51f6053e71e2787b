package task

import (
	"encoding/json"
	"time"
)

// Task is one enqueued unit of work as it is shown to people and programs. Its
// arguments, result and logs are read apart from it, since they are private
// and can be large.
//
// The JSON form is written out here once: the HTTP interface, the command line
// and the dashboard all use it. Times are RFC 3339 with an offset, durations
// are seconds.
type Task struct {
	ID       ID         `json:"task_id"`
	Name     string     `json:"name"`
	Status   Status     `json:"status"`
	Executor Executor   `json:"executor"`
	Module   *ModuleRef `json:"module,omitempty"`
	// Priority is from 1 (lowest) to 10 (highest).
	Priority int               `json:"priority"`
	Tags     map[string]string `json:"tags"`
	Source   Source            `json:"source"`

	CreatedAt time.Time `json:"created_at"`
	// RunAt is when the task was first due: CreatedAt, or later when it was
	// enqueued with a delay.
	RunAt time.Time `json:"run_at"`
	// NextAttemptAt is set while the task is pending.
	NextAttemptAt *time.Time `json:"next_attempt_at"`
	// WaitingReason says why a task that is due cannot start: no node that is
	// running could run it. It is set where a single task is read.
	WaitingReason string `json:"waiting_reason,omitempty"`
	// StartedAt is when the first attempt started.
	StartedAt *time.Time `json:"start_time"`
	EndedAt   *time.Time `json:"end_time"`
	// ExpiresAt is when the task fails that has not succeeded by then, nil for never.
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	// QueueWait is how long the task was due and waited for a slot, before all of
	// its attempts that have started. RunTime is how long its attempts ran that have
	// ended. In JSON: seconds.
	QueueWait time.Duration `json:"-"`
	RunTime   time.Duration `json:"-"`
	// CancelRequestedAt is when somebody cancelled the task. While it still runs, it
	// is being stopped, and whatever its attempt returns, it ends as cancelled.
	CancelRequestedAt *time.Time `json:"cancel_requested_at,omitempty"`

	// Attempt is the number of the current or last attempt, 0 before the first.
	Attempt     int `json:"attempt"`
	MaxAttempts int `json:"max_attempts"`
	// Timeout bounds one attempt. In JSON: seconds.
	Timeout            time.Duration `json:"-"`
	RequeueOnInterrupt bool          `json:"requeue_on_interrupt"`
	// Crashes counts the nodes that died while running the task.
	Crashes int `json:"crashes"`

	// Error, Cause and Trace tell of the last attempt that did not succeed,
	// and are empty once one has.
	Error string `json:"error,omitempty"`
	Cause Cause  `json:"cause,omitempty"`
	Trace string `json:"stacktrace,omitempty"`
	// SealedUnder is set where Error cannot be read, and only says so: to the id of
	// the key that it is sealed under.
	SealedUnder string `json:"sealed_under,omitempty"`

	// ResultType is the content type of the result, empty where there is none.
	ResultType string `json:"result_type,omitempty"`
	// ResultBytes and ArgsBytes are sizes.
	ResultBytes int64 `json:"result_bytes"`
	ArgsBytes   int64 `json:"args_bytes"`

	// Node is the node that runs, or last ran, the task.
	Node           string `json:"node,omitempty"`
	IdempotencyKey string `json:"idempotency_key,omitempty"`
	// Parent is the task that enqueued this one.
	Parent *ID `json:"parent,omitempty"`
	// RetriedFrom is the task that this one repeats; ResolvedBy is the task
	// that repeated this one.
	RetriedFrom *ID `json:"retried_from,omitempty"`
	ResolvedBy  *ID `json:"resolved_by,omitempty"`
}

// ModuleRef names the module version that a task runs. It is fixed when the
// task is enqueued.
type ModuleRef struct {
	Name    string `json:"name"`
	Version int    `json:"version"`
	// Digest is the sha256 of the module's bytes, in hexadecimal.
	Digest string `json:"digest"`
}

// RetriesUsed is how many attempts there were after the first.
func (t Task) RetriesUsed() int { return max(t.Attempt-1, 0) }

// Duration is the time from the start of the first attempt to the end, waits
// between attempts included. It is 0 until the task has ended, and for a task
// that never started.
func (t Task) Duration() time.Duration {
	if t.StartedAt == nil || t.EndedAt == nil {
		return 0
	}
	return t.EndedAt.Sub(*t.StartedAt)
}

// Total is the time from when the task was first due to its end: its queue wait,
// its run time, and the waits before retries. It is 0 until the task has ended.
func (t Task) Total() time.Duration {
	if t.EndedAt == nil {
		return 0
	}
	return max(t.EndedAt.Sub(t.RunAt), 0) // it may have been cancelled before
}

// plainTask is Task without its methods, so that MarshalJSON does not call
// itself.
type plainTask Task

// taskJSON adds what is computed or converted.
type taskJSON struct {
	plainTask

	TimeoutSeconds float64  `json:"timeout"`
	QueueWait      float64  `json:"queue_wait"`
	RunTime        float64  `json:"run_time"`
	Total          *float64 `json:"total_time"`
	Duration       *float64 `json:"duration"`
	RetriesUsed    int      `json:"retries_used"`
}

// MarshalJSON adds durations and retries_used.
func (t Task) MarshalJSON() ([]byte, error) {
	out := taskJSON{
		plainTask:      plainTask(t),
		TimeoutSeconds: t.Timeout.Seconds(),
		QueueWait:      t.QueueWait.Seconds(),
		RunTime:        t.RunTime.Seconds(),
		RetriesUsed:    t.RetriesUsed(),
	}
	if out.Tags == nil {
		out.Tags = map[string]string{}
	}
	if t.EndedAt != nil {
		out.Total = new(t.Total().Seconds())
	}
	if t.StartedAt != nil && t.EndedAt != nil {
		out.Duration = new(t.Duration().Seconds())
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes. What can be computed is not
// read.
func (t *Task) UnmarshalJSON(text []byte) error {
	var in taskJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	*t = Task(in.plainTask)
	t.Timeout, t.QueueWait, t.RunTime = seconds(in.TimeoutSeconds), seconds(in.QueueWait), seconds(in.RunTime)
	return nil
}

// LogEntry is one line that a task logged.
type LogEntry struct {
	// Seq orders the lines of a task, across its attempts. The next page of a
	// log starts after the last Seq that was read.
	Seq int64 `json:"seq"`
	// Attempt is the attempt that logged the line.
	Attempt int       `json:"attempt"`
	Time    time.Time `json:"time"`
	Level   Level     `json:"level"`
	Message string    `json:"message"`
	// Fields is a JSON object, or empty.
	Fields json.RawMessage `json:"fields,omitempty"`
}

// LogSeqBits is how many bits of a Seq count inside an attempt. Those above rise from
// each attempt to the next, and all fit a JSON number exactly.
const LogSeqBits = 24

// SameAttempt reports whether two lines of a task are of one attempt. Their numbers do
// not tell: an attempt that was given back has the number of the one that follows.
func (e LogEntry) SameAttempt(other LogEntry) bool {
	return e.Seq>>LogSeqBits == other.Seq>>LogSeqBits
}

// Level grades a log line.
type Level string

// The levels.
const (
	Debug Level = "debug"
	Info  Level = "info"
	Warn  Level = "warn"
	Error Level = "error"
)
