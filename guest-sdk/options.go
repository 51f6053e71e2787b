package guest

import (
	"time"

	"github.com/taskhost/taskhost/abi"
)

// Options are a definition's own choices. The zero value of a field takes the
// host's default. Durations are whole milliseconds at the boundary: a part of
// one is rounded up. The host has the last word on upper limits and checks
// them when the module is uploaded.
type Options struct {
	// Description is a sentence for people who browse definitions. Defaults
	// to none, at most 1000 bytes.
	Description string
	// Args is the text of a JSON Schema (2020-12) that arguments must
	// satisfy. [Handle] derives one from the argument's type where this is
	// empty; [HandleRaw] then accepts whatever is sent. At most 64 KiB. A text
	// that is not a schema is refused at upload.
	Args string
	// Retries is how many attempts may follow the first. Defaults to 0, at
	// most 1000.
	Retries int
	// Delay is the wait before the first retry. Defaults to none, at most 30
	// days.
	Delay time.Duration
	// Backoff multiplies the wait after each retry: before retry k it is
	// Delay × Backoff^(k-1). Defaults to 1, which is also the least, at most 1000.
	Backoff float64
	// MaxDelay bounds the wait before a retry. Defaults to 30 days, which is
	// also the most.
	MaxDelay time.Duration
	// Jitter makes each wait before a retry shorter by up to this part of it, so that
	// tasks which failed together do not come back together. From 0, the default,
	// which leaves waits exact, to 1.
	Jitter float64
	// Priority is from 1 (lowest) to 10 (highest). Defaults to 5. A caller
	// may say otherwise.
	Priority int
	// Timeout bounds one attempt. Defaults to a minute, from a millisecond to
	// an hour. A caller may say otherwise.
	Timeout time.Duration
	// ExpiresAfter bounds the task as a whole, from when it is first due: past that
	// nothing of it starts or goes on, and it fails. Defaults to no bound, at most 366
	// days. A caller may say otherwise.
	ExpiresAfter time.Duration
	// Unique answers an enqueue with the earlier task while such a one is pending or
	// running. Defaults to [NotUnique]. A caller may say otherwise.
	Unique Unique
	// IdempotencyTTL is how long a caller's idempotency key holds at least, where its
	// task is deleted sooner. Defaults to as long as the task is kept, at most 366 days.
	IdempotencyTTL time.Duration
	// Eager has a task enqueued at once that a Go program adds during an HTTP request,
	// and not when the request's handler has returned.
	Eager bool
	// RequeueOnInterrupt runs the task again, from the start, when its node
	// stopped or died under it. Leave it false for work that must not be
	// begun twice: the task then ends as interrupted.
	RequeueOnInterrupt bool
	// MemoryBytes bounds the memory of the guest, the Go runtime included.
	// Defaults to 64 MiB, from 64 KiB to 1 GiB. A Go guest needs about 4 MiB
	// to begin with.
	MemoryBytes int64
	// Fuel bounds the work of an attempt, in the units that 'taskhost run' and
	// a task's attempts show: about an instruction each. Defaults to 0, no limit,
	// unless the host has one.
	Fuel int64
	// Depth bounds how deep calls of functions are nested, where those that call
	// nothing do not count. Defaults to 10,000, at most 100,000.
	Depth int
	// ResultBytes bounds the result. Defaults to 1 MiB, from 1 KiB to 16 MiB.
	ResultBytes int64
	// LogBytes bounds all that an attempt logs, each line counted with 64 bytes
	// more than its text. Defaults to 1 MiB, from 1 KiB to 16 MiB.
	LogBytes int64
	// ArgsBytes bounds the task's input. Defaults to 1 MiB, from 1 KiB to 16 MiB.
	ArgsBytes int64
	// Reset says which instance an attempt runs in. Defaults to [Pooled].
	Reset Reset
}

// Unique says which earlier tasks keep another from being enqueued, while they are
// pending or running.
type Unique string

// The values of [Options.Unique].
const (
	// NotUnique lets any number of tasks be.
	NotUnique Unique = abi.UniqueNone
	// UniqueName allows one task of the definition.
	UniqueName Unique = abi.UniqueName
	// UniqueArgs allows one task of the definition with the same arguments.
	UniqueArgs Unique = abi.UniqueArgs
)

// Reset says which instance of the module an attempt runs in. Either is in the
// state in which the module was deployed.
type Reset string

// The values of [Options.Reset].
const (
	// Pooled is an instance that was used before and has been put back.
	Pooled Reset = abi.ResetPooled
	// Fresh is a new instance, which takes the host milliseconds for a Go guest.
	Fresh Reset = abi.ResetFresh
)

// problem names the first option whose value is never allowed, or is empty.
func (o Options) problem() string {
	switch {
	case o.Retries < 0:
		return "Options.Retries must not be negative"
	case o.Delay < 0:
		return "Options.Delay must not be negative"
	case o.Backoff != 0 && !(o.Backoff >= 1 && o.Backoff <= 1000):
		return "Options.Backoff must be from 1 to 1000"
	case o.MaxDelay < 0:
		return "Options.MaxDelay must not be negative"
	case o.Jitter != 0 && !(o.Jitter >= 0 && o.Jitter <= 1):
		return "Options.Jitter must be from 0 to 1"
	case o.ExpiresAfter < 0:
		return "Options.ExpiresAfter must not be negative"
	case o.Unique != "" && o.Unique != NotUnique && o.Unique != UniqueName && o.Unique != UniqueArgs:
		return "Options.Unique must be NotUnique, UniqueName or UniqueArgs"
	case o.IdempotencyTTL < 0:
		return "Options.IdempotencyTTL must not be negative"
	case o.Priority < 0 || o.Priority > 10:
		return "Options.Priority must be from 1 (lowest) to 10 (highest)"
	case o.Timeout < 0:
		return "Options.Timeout must not be negative"
	case o.MemoryBytes < 0:
		return "Options.MemoryBytes must not be negative"
	case o.Fuel < 0:
		return "Options.Fuel must not be negative"
	case o.Depth < 0:
		return "Options.Depth must not be negative"
	case o.ResultBytes < 0:
		return "Options.ResultBytes must not be negative"
	case o.LogBytes < 0:
		return "Options.LogBytes must not be negative"
	case o.ArgsBytes < 0:
		return "Options.ArgsBytes must not be negative"
	case o.Reset != "" && o.Reset != Pooled && o.Reset != Fresh:
		return "Options.Reset must be Pooled or Fresh"
	}
	return ""
}

// atBoundary returns the options as the manifest has them.
func (o Options) atBoundary() abi.Options {
	return abi.Options{
		Retries:            o.Retries,
		DelayMS:            milliseconds(o.Delay),
		Backoff:            o.Backoff,
		MaxDelayMS:         milliseconds(o.MaxDelay),
		Jitter:             o.Jitter,
		Priority:           o.Priority,
		TimeoutMS:          milliseconds(o.Timeout),
		ExpiresAfterMS:     milliseconds(o.ExpiresAfter),
		Unique:             string(o.Unique),
		IdempotencyTTLMS:   milliseconds(o.IdempotencyTTL),
		Eager:              o.Eager,
		RequeueOnInterrupt: o.RequeueOnInterrupt,
		MemoryBytes:        o.MemoryBytes,
		Fuel:               o.Fuel,
		Depth:              o.Depth,
		ResultBytes:        o.ResultBytes,
		LogBytes:           o.LogBytes,
		ArgsBytes:          o.ArgsBytes,
		Reset:              string(o.Reset),
	}
}

// milliseconds rounds up, so that a wait that was asked for is never none.
func milliseconds(d time.Duration) int64 {
	whole := int64(d / time.Millisecond)
	if d%time.Millisecond > 0 {
		whole++
	}
	return whole
}
