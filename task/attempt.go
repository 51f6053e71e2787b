package task

import (
	"encoding/json"
	"math"
	"time"
)

// Attempt is one execution of a task, as it is shown to people and programs. In
// its JSON form durations are seconds.
type Attempt struct {
	// Number counts from 1. One that was interrupted and is done again has the
	// number of the one that follows it.
	Number int    `json:"attempt"`
	Node   string `json:"node"`
	// Outcome is [Running] until the attempt has ended, and then [Success],
	// [Failed] or [Interrupted].
	Outcome Status `json:"outcome"`
	// StartedAt and EndedAt are by the database's clock.
	StartedAt time.Time  `json:"start_time"`
	EndedAt   *time.Time `json:"end_time"`
	// QueueWait is how long the task had been due when the attempt started: since
	// it was enqueued, or the time that it was to run at, or the time of the retry.
	QueueWait time.Duration `json:"-"`

	// Error, Cause and Trace say why the attempt did not succeed.
	Error string `json:"error,omitempty"`
	Cause Cause  `json:"cause,omitempty"`
	Trace string `json:"stacktrace,omitempty"`
	// SealedUnder is set where Error cannot be read, and only says so: to the id of
	// the key that it is sealed under.
	SealedUnder string `json:"sealed_under,omitempty"`

	// Usage is all zero until the attempt has ended, and where its node died.
	Usage Usage `json:"-"`
}

// RunTime is the time from the attempt's start to its end. It is 0 until it has
// ended.
func (a Attempt) RunTime() time.Duration {
	if a.EndedAt == nil {
		return 0
	}
	return a.EndedAt.Sub(a.StartedAt)
}

type plainAttempt Attempt

// attemptJSON adds what is computed or converted.
type attemptJSON struct {
	plainAttempt

	QueueWait  float64  `json:"queue_wait"`
	RunTime    *float64 `json:"run_time"`
	Sandbox    float64  `json:"sandbox_time"`
	CPU        float64  `json:"cpu_time"`
	Fuel       int64    `json:"fuel"`
	PeakMemory int64    `json:"peak_memory_bytes"`
	Pooled     bool     `json:"pooled"`
}

// MarshalJSON adds durations and figures.
func (a Attempt) MarshalJSON() ([]byte, error) {
	out := attemptJSON{
		plainAttempt: plainAttempt(a),
		QueueWait:    a.QueueWait.Seconds(),
		Sandbox:      a.Usage.Sandbox.Seconds(),
		CPU:          a.Usage.CPU.Seconds(),
		Fuel:         a.Usage.Fuel,
		PeakMemory:   a.Usage.PeakMemory,
		Pooled:       a.Usage.Pooled,
	}
	if a.EndedAt != nil {
		out.RunTime = new(a.RunTime().Seconds())
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes. What can be computed is not read.
func (a *Attempt) UnmarshalJSON(text []byte) error {
	var in attemptJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	*a = Attempt(in.plainAttempt)
	a.QueueWait = seconds(in.QueueWait)
	a.Usage = Usage{
		Sandbox:    seconds(in.Sandbox),
		PeakMemory: in.PeakMemory,
		Fuel:       in.Fuel,
		CPU:        seconds(in.CPU),
		Pooled:     in.Pooled,
	}
	return nil
}

// seconds reads a duration of the JSON forms, to the nanosecond.
func seconds(n float64) time.Duration { return time.Duration(math.Round(n * float64(time.Second))) }
