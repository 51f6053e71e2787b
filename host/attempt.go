package host

import (
	"context"
	"fmt"
	"time"

	"github.com/taskhost/taskhost/host/fuel"
)

// Attempt is all that an execution needs, as plain values.
type Attempt struct {
	// Digest names the prepared module, Index the definition in its manifest.
	Digest string
	Index  int

	// What the guest can ask of its task.
	TaskID      string
	Name        string
	Number      int // counted from 0
	MaxAttempts int
	Tags        map[string]string
	Input       []byte
	InputType   string
	// Deadline is told to the guest. What stops it is the context.
	Deadline time.Time
	// Fresh asks for a new instance, where one that was reset would do: it costs
	// milliseconds, and nothing but that can be told from inside the guest.
	Fresh bool

	Limits Limits
}

// Calls is what a guest can reach beside the values of its attempt. The
// parameters are plain values, since the call may come through a pipe.
type Calls interface {
	// Log keeps a line. Fields is a JSON object, or nil.
	Log(ctx context.Context, line LogLine)
}

// LogLine is a line that a guest logged, or wrote to its standard output or
// standard error.
type LogLine struct {
	Level   int // a level of package abi
	Message string
	Fields  []byte
}

// Outcome is how an execution ended.
type Outcome struct {
	// Failure is nil where the task succeeded.
	Failure    *Failure
	Output     []byte
	OutputType string
	Usage      Usage
	// NotPrepared says that nothing was run, since the module was not prepared, or
	// has been let go since.
	NotPrepared bool
	// SetAside says that nothing was run, since the module is in quarantine, as
	// package sandbox says.
	SetAside bool
}

// Usage is what an execution used.
type Usage struct {
	// Sandbox is the time in the guest: instantiation, initialisation and run.
	Sandbox time.Duration
	// PeakMemory is the largest size of the guest's memory, in bytes.
	PeakMemory int64
	// Fuel is the guest's work, in the units of package fuel: an upper bound of
	// its instructions, and the same whenever it does the same.
	Fuel int64
	// CPU is the processor time that it took. Where it is less than 0.2 ms, and
	// on systems other than Linux, that is the time in the sandbox.
	CPU time.Duration
	// Pooled says that the instance had been there before and was reset, rather
	// than made for this attempt.
	Pooled bool
}

// Kind sorts failures by whose doing they are.
type Kind string

// The kinds.
const (
	// KindError: the guest reported the failure.
	KindError Kind = "error"
	// KindTrap: the guest broke off.
	KindTrap Kind = "trap"
	// KindLimit: the guest ran into a limit, which the message names.
	KindLimit Kind = "limit"
	// KindStopped: the context ended.
	KindStopped Kind = "stopped"
	// KindHost: the host could not run the attempt.
	KindHost Kind = "host"
	// KindCrashed: the process that ran the guest died, as package sandbox says.
	KindCrashed Kind = "crashed"
)

// Failure is why an execution did not succeed.
type Failure struct {
	Kind Kind
	// Message is one or more lines, Trace the guest's own account of where it
	// was. Both are capped, and free of control characters.
	Message   string
	Trace     string
	Permanent bool
}

// Limits bound an execution. The zero value of a field means its default;
// [Limits.WithDefaults] fills them in.
type Limits struct {
	// Memory bounds the guest's linear memory, in bytes. Defaults to 64 MiB,
	// at most [MaxMemory].
	Memory int64
	// Output bounds the result, in bytes. Defaults to 1 MiB; definitions may ask for
	// 16 MiB.
	Output int
	// LogLine bounds a line and its fields, each, in bytes; a longer line is
	// cut. Defaults to 8 KiB.
	LogLine int
	// LogTotal bounds all lines, in bytes, each counted with 64 more than its
	// text; what comes after is dropped, and one line says so. Defaults to
	// 1 MiB.
	LogTotal int
	// HostCalls bounds the calls of host functions. Defaults to 100,000.
	HostCalls int
	// Fuel bounds the guest's work, as [Usage.Fuel] counts it. Defaults to 0, which
	// is no limit.
	Fuel int64
	// Depth bounds how deep calls of the guest's functions are nested, where those
	// that call nothing do not count. Defaults to 10,000, at most
	// [fuel.MaxDepth].
	Depth int
}

// MaxMemory is the most that an instance may be given, in bytes.
const MaxMemory = 1 << 30

// WithDefaults returns a copy in which every field has a value.
func (l Limits) WithDefaults() Limits {
	setDefault(&l.Memory, 64<<20)
	setDefault(&l.Output, 1<<20)
	setDefault(&l.LogLine, 8<<10)
	setDefault(&l.LogTotal, 1<<20)
	setDefault(&l.HostCalls, 100_000)
	setDefault(&l.Depth, 10_000)
	l.Depth = min(l.Depth, fuel.MaxDepth)
	l.Memory = min(l.Memory, MaxMemory)
	return l
}

func setDefault[T int | int64](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// limitError says which limit a guest ran into, and what to change.
type limitError struct {
	limit string
	max   string
	hint  string
}

func (e *limitError) Error() string { return e.text(false) }

// text is the error for the author of a guest or of a command.
func (e *limitError) text(command bool) string {
	out := fmt.Sprintf("limit %s: the guest went over %s: %s", e.limit, e.max, e.hint)
	if option, ok := options[e.limit]; ok {
		out += orMore(option, command)
	}
	return out
}

// options are those of a definition that raise a limit.
var options = map[string]string{
	"fuel":   "fuel",
	"depth":  fmt.Sprintf("depth, at most %d", maxDepth),
	"result": "result_bytes, at most " + bytesText(maxOutput),
}

// orMore says how a definition gets more. That of a command has the defaults, and
// nobody to ask for anything else.
func orMore(option string, command bool) string {
	if command {
		return ", or build it as a guest, whose definition can ask for more (" + option + ")"
	}
	return ", or give the definition more (" + option + ")"
}

// What a definition may ask for at the most.
const (
	maxDepth  = 100_000
	maxOutput = 16 << 20
)

// ModuleError says why a module cannot be run, and what its author can do.
type ModuleError struct {
	Reason string
	Err    error
}

func (e *ModuleError) Error() string { return e.Reason }

func (e *ModuleError) Unwrap() error { return e.Err }

// bytesText writes a size for people.
func bytesText(n int64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	default:
		return fmt.Sprintf("%d bytes", n)
	}
}
