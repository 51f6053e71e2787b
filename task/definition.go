package task

import (
	"encoding/json"
	"regexp"
	"time"
)

// Priorities.
const (
	MinPriority     = 1
	DefaultPriority = 5
	MaxPriority     = 10
)

// Defaults and ceilings of options.
const (
	DefaultTimeout = 60 * time.Second
	MaxTimeout     = time.Hour
	DefaultMemory  = 64 << 20
	MaxMemory      = 1 << 30
	MaxRetries     = 1000
	MaxRetryDelay  = 30 * 24 * time.Hour
	// MaxExpiresAfter and MaxIdempotencyTTL bound what their names say.
	MaxExpiresAfter   = 366 * 24 * time.Hour
	MaxIdempotencyTTL = 366 * 24 * time.Hour
	MaxNameBytes      = 100
)

// Definition says what can be enqueued under a name.
type Definition struct {
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Executor    Executor `json:"executor"`
	// Module is set for definitions of a module, nil for Go functions.
	Module *ModuleRef `json:"module,omitempty"`
	// Index is the definition's place in its module's manifest.
	Index   int     `json:"-"`
	Options Options `json:"options"`
	// Args is a JSON Schema that arguments must satisfy, empty where anything
	// goes.
	Args json.RawMessage `json:"args,omitempty"`
}

// Options are a definition's choices. The zero value of a field means its
// default; [Options.WithDefaults] fills them in.
type Options struct {
	// Retries is how many attempts may follow the first. Defaults to 0, at
	// most [MaxRetries].
	Retries int
	// Delay is the wait before the first retry. Defaults to 0: at once.
	Delay time.Duration
	// Backoff multiplies the wait after each retry: before retry k it is
	// Delay × Backoff^(k-1). Defaults to 1, at least 1.
	Backoff float64
	// MaxDelay bounds the wait before a retry. Defaults to [MaxRetryDelay].
	MaxDelay time.Duration
	// Jitter spreads the waits before retries, so that tasks which failed together do
	// not come back together: each wait is made shorter by up to this part of it. From
	// 0, the default, which leaves waits exact, to 1.
	Jitter float64
	// Priority is from 1 (lowest) to 10 (highest). Defaults to 5. A call may
	// say otherwise.
	Priority int
	// Timeout bounds one attempt. Defaults to a minute, at most an hour.
	Timeout time.Duration
	// ExpiresAfter bounds the task as a whole, from when it is first due: past that
	// it starts no more, what runs of it is stopped, and it fails with
	// [CauseExpired]. Defaults to 0: no bound. At most [MaxExpiresAfter]. A call may
	// say otherwise.
	ExpiresAfter time.Duration
	// Unique keeps a second such task from being enqueued while one is pending or
	// running. Defaults to [NotUnique]. A call may say otherwise.
	Unique Unique
	// IdempotencyTTL is how long an idempotency key holds at least, from the enqueue
	// that took it: also when its task has been deleted by then. Defaults to 0: as
	// long as the task is kept. At most [MaxIdempotencyTTL]. A call may say otherwise.
	IdempotencyTTL time.Duration
	// Eager has a task enqueued at once that is added during a request, and not when
	// the request's handler has returned. A call may say otherwise.
	Eager bool
	// RequeueOnInterrupt runs the task again, from the start, when its node
	// stopped or died under it. Leave it false for work that must not be
	// begun twice: the task then ends as interrupted.
	RequeueOnInterrupt bool
	// Executor chooses what runs a Go function: [Async], the default, or
	// [Thread]. Guests always run on [Wasm].
	Executor Executor
	// Memory bounds the memory of a guest, in bytes. Defaults to 64 MiB, at
	// most 1 GiB. Go functions are not bounded.
	Memory int64
	// Fuel bounds a guest's work, in the units that [Usage.Fuel] counts. Defaults
	// to 0: no limit, or the host's ceiling where that has one. Go functions are
	// not bounded.
	Fuel int64
	// Depth bounds how deep a guest's calls are nested. Defaults to 10,000, at most
	// [MaxDepth]. Go functions are not bounded.
	Depth int
	// ResultBytes bounds the result. Defaults to 1 MiB, at most 16 MiB.
	ResultBytes int64
	// LogBytes bounds all that an attempt logs, each line counted with 64 bytes
	// more than its text. Defaults to 1 MiB, at most 16 MiB.
	LogBytes int64
	// ArgsBytes bounds the arguments. Defaults to 1 MiB, at most 16 MiB.
	ArgsBytes int64
	// Reset is [Pooled], the default, or [Fresh]. It says nothing to Go functions.
	Reset Reset
}

// WithDefaults returns a copy in which every field has a value.
func (o Options) WithDefaults() Options {
	setDefault(&o.Backoff, 1)
	setDefault(&o.MaxDelay, MaxRetryDelay)
	setDefault(&o.Priority, DefaultPriority)
	setDefault(&o.Unique, NotUnique)
	setDefault(&o.Timeout, DefaultTimeout)
	setDefault(&o.Executor, Async)
	setDefault(&o.Memory, DefaultMemory)
	setDefault(&o.Depth, DefaultDepth)
	setDefault(&o.ResultBytes, DefaultResultBytes)
	setDefault(&o.LogBytes, DefaultLogBytes)
	setDefault(&o.ArgsBytes, DefaultArgsBytes)
	setDefault(&o.Reset, Pooled)
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate reports the first field whose value is not allowed. It is for
// options that have their defaults.
func (o Options) Validate() error {
	switch {
	case o.Retries < 0 || o.Retries > MaxRetries:
		return invalid("retries", "must be from 0 to %d, is %d", MaxRetries, o.Retries)
	case o.Delay < 0 || o.Delay > MaxRetryDelay:
		return invalid("delay", "must be from 0 to %v, is %v", MaxRetryDelay, o.Delay)
	case !(o.Backoff >= 1 && o.Backoff <= 1000):
		return invalid("backoff", "must be from 1 to 1000, is %v", o.Backoff)
	case o.MaxDelay < 0 || o.MaxDelay > MaxRetryDelay:
		return invalid("max_delay", "must be from 0 to %v, is %v", MaxRetryDelay, o.MaxDelay)
	case !(o.Jitter >= 0 && o.Jitter <= 1):
		return invalid("jitter", "must be from 0 to 1, is %v", o.Jitter)
	case o.Timeout < time.Millisecond || o.Timeout > MaxTimeout:
		return invalid("timeout", "must be from 1ms to %v, is %v", MaxTimeout, o.Timeout)
	case o.Memory < minMemory || o.Memory > MaxMemory:
		return invalid("memory", "must be from 64 KiB to 1 GiB, is %d bytes", o.Memory)
	case o.Fuel < 0:
		return invalid("fuel", "must not be negative, is %d: 0 is no limit", o.Fuel)
	case o.Depth < 1 || o.Depth > MaxDepth:
		return invalid("depth", "must be from 1 to %d, is %d", MaxDepth, o.Depth)
	case o.ResultBytes < minBytes || o.ResultBytes > MaxResultBytes:
		return invalid("result_bytes", "must be from 1 KiB to 16 MiB, is %d bytes", o.ResultBytes)
	case o.LogBytes < minBytes || o.LogBytes > MaxLogBytes:
		return invalid("log_bytes", "must be from 1 KiB to 16 MiB, is %d bytes", o.LogBytes)
	case o.ArgsBytes < minBytes || o.ArgsBytes > MaxArgsBytes:
		return invalid("args_bytes", "must be from 1 KiB to 16 MiB, is %d bytes", o.ArgsBytes)
	case o.Reset != Pooled && o.Reset != Fresh:
		return invalid("reset", "must be pooled or fresh, is %.40q", string(o.Reset))
	}
	switch o.Executor {
	case Wasm, Async, Thread:
	default:
		return invalid("executor", "must be wasm, async or thread, is %q", o.Executor)
	}
	if err := validateLife(o.ExpiresAfter, o.Unique, o.IdempotencyTTL); err != nil {
		return err
	}
	return ValidatePriority(o.Priority)
}

// ValidatePriority reports a priority outside 1 to 10.
func ValidatePriority(priority int) error {
	if priority < MinPriority || priority > MaxPriority {
		return invalid("priority", "must be from %d (lowest) to %d (highest), is %d", MinPriority, MaxPriority, priority)
	}
	return nil
}

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)*$`)

// ValidateName reports a definition name that is not allowed: words of
// lower-case letters, digits, - and _, joined by dots, starting with a letter,
// at most [MaxNameBytes] long.
func ValidateName(name string) error {
	if len(name) > MaxNameBytes {
		return invalid("name", "is %d bytes long, at most %d are allowed", len(name), MaxNameBytes)
	}
	if !namePattern.MatchString(name) {
		return invalid("name", "%q must be words of a-z, 0-9, - and _ joined by dots, such as thumbs.resize", name)
	}
	return nil
}
