package sandbox

import (
	"errors"
	"time"

	"github.com/taskhost/taskhost/host"
)

// The forms of what crosses. Each pair of functions is one form.

func putAttempt(m *message, a *host.Attempt, left time.Duration) {
	m.int(int64(left))
	m.string(a.Digest)
	m.int(int64(a.Index))
	m.string(a.TaskID)
	m.string(a.Name)
	m.int(int64(a.Number))
	m.int(int64(a.MaxAttempts))
	m.uint(uint64(len(a.Tags)))
	for key, value := range a.Tags {
		m.string(key)
		m.string(value)
	}
	m.bytes(a.Input)
	m.string(a.InputType)
	m.time(a.Deadline)
	m.bool(a.Fresh)
	l := a.Limits
	for _, n := range []int64{l.Memory, int64(l.Output), int64(l.LogLine), int64(l.LogTotal), int64(l.HostCalls), l.Fuel, int64(l.Depth)} {
		m.int(n)
	}
}

func getAttempt(f *fields) (a host.Attempt, left time.Duration) {
	left = time.Duration(f.int())
	a.Digest = f.string()
	a.Index = int(f.int())
	a.TaskID, a.Name = f.string(), f.string()
	a.Number, a.MaxAttempts = int(f.int()), int(f.int())
	if n := f.uint(); n > 0 && f.err == nil {
		a.Tags = make(map[string]string)
		for ; n > 0 && f.err == nil; n-- {
			key := f.string()
			a.Tags[key] = f.string()
		}
	}
	a.Input, a.InputType = f.bytes(), f.string()
	a.Deadline = f.time()
	a.Fresh = f.bool()
	l := &a.Limits
	l.Memory = f.int()
	l.Output, l.LogLine, l.LogTotal, l.HostCalls = int(f.int()), int(f.int()), int(f.int()), int(f.int())
	l.Fuel = f.int()
	l.Depth = int(f.int())
	return a, left
}

func putOutcome(m *message, o *host.Outcome) {
	m.bool(o.Failure != nil)
	if x := o.Failure; x != nil {
		m.string(string(x.Kind))
		m.string(x.Message)
		m.string(x.Trace)
		m.bool(x.Permanent)
	}
	m.bytes(o.Output)
	m.string(o.OutputType)
	m.int(int64(o.Usage.Sandbox))
	m.int(o.Usage.PeakMemory)
	m.int(o.Usage.Fuel)
	m.int(int64(o.Usage.CPU))
	m.bool(o.Usage.Pooled)
	m.bool(o.NotPrepared)
}

func getOutcome(f *fields) (o host.Outcome) {
	if f.bool() {
		o.Failure = &host.Failure{Kind: host.Kind(f.string()), Message: f.string(), Trace: f.string(), Permanent: f.bool()}
	}
	o.Output, o.OutputType = f.bytes(), f.string()
	o.Usage.Sandbox = time.Duration(f.int())
	o.Usage.PeakMemory, o.Usage.Fuel = f.int(), f.int()
	o.Usage.CPU = time.Duration(f.int())
	o.Usage.Pooled = f.bool()
	o.NotPrepared = f.bool()
	return o
}

func putInspection(m *message, i *host.Inspection) {
	m.bool(i.Command)
	m.bytes(i.Manifest)
	m.int(i.MinMemory)
	m.string(i.Note)
}

func getInspection(f *fields) *host.Inspection {
	i := &host.Inspection{Command: f.bool(), Manifest: f.bytes(), MinMemory: f.int(), Note: host.Clean(f.string(), maxReason)}
	if i.MinMemory < 0 || i.MinMemory > host.MaxMemory {
		f.fail()
	}
	return i
}

// How work on a module ended.
const (
	wentWell = iota
	moduleAtFault
	hostAtFault
)

func putError(m *message, err error) {
	var refusal *host.ModuleError
	switch {
	case err == nil:
		m.uint(wentWell)
	case errors.As(err, &refusal):
		m.uint(moduleAtFault)
		m.string(refusal.Reason)
	default:
		m.uint(hostAtFault)
		m.string(err.Error())
	}
}

func getError(f *fields) error {
	switch f.uint() {
	case wentWell:
		return f.err
	case moduleAtFault:
		return &host.ModuleError{Reason: host.Clean(f.string(), maxReason)}
	default:
		return &workerError{host.Clean(f.string(), maxReason)}
	}
}

// maxReason bounds why a module was refused, in bytes.
const maxReason = 24 << 10

// workerError is what a worker could not do, by no fault of the module.
type workerError struct{ message string }

func (e *workerError) Error() string { return "sandbox worker: " + e.message }

func putLog(m *message, line *host.LogLine) {
	m.int(int64(line.Level))
	m.string(line.Message)
	m.bytes(line.Fields)
}

func getLog(f *fields) host.LogLine {
	return host.LogLine{Level: int(f.int()), Message: f.string(), Fields: f.bytes()}
}
