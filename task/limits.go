package task

import (
	"fmt"
	"time"
)

// Defaults and ceilings of what an attempt may use. Those of the timeout and the
// memory are with the other options.
const (
	DefaultDepth       = 10_000
	MaxDepth           = 100_000
	DefaultResultBytes = 1 << 20
	MaxResultBytes     = 16 << 20
	DefaultLogBytes    = 1 << 20
	MaxLogBytes        = 16 << 20
	DefaultArgsBytes   = 1 << 20
	MaxArgsBytes       = 16 << 20
)

const (
	minMemory = 64 << 10 // a page
	// minBytes is the least that a result, logs or arguments may be bounded to: a
	// definition that allows less is a mistake in the unit.
	minBytes = 1 << 10
)

// Reset says which instance of a module an attempt runs in.
type Reset string

// The ways.
const (
	// Pooled takes an instance that was used before and put back to the state in
	// which it was deployed, byte for byte, or makes one where there is none.
	Pooled Reset = "pooled"
	// Fresh makes a new instance for each attempt, which takes milliseconds.
	Fresh Reset = "fresh"
)

// Limits are what a definition lets an attempt at its tasks use. 0 stands for the
// default. They are fixed when the task is enqueued.
type Limits struct {
	// Memory is stored by itself.
	Memory      int64 `json:"-"`
	Fuel        int64 `json:"fuel,omitempty"`
	Depth       int   `json:"depth,omitempty"`
	ResultBytes int64 `json:"result_bytes,omitempty"`
	LogBytes    int64 `json:"log_bytes,omitempty"`
	Fresh       bool  `json:"fresh,omitempty"`
}

// Limits are those among the options that bound what an attempt uses, as they are
// kept with a task: what is the default is 0.
func (o *Options) Limits() Limits {
	limits := Limits{
		Memory:      o.Memory,
		Fuel:        o.Fuel,
		Depth:       o.Depth,
		ResultBytes: o.ResultBytes,
		LogBytes:    o.LogBytes,
		Fresh:       o.Reset == Fresh,
	}
	unset(&limits.Depth, DefaultDepth)
	unset(&limits.ResultBytes, DefaultResultBytes)
	unset(&limits.LogBytes, DefaultLogBytes)
	return limits
}

func unset[T comparable](field *T, value T) {
	if *field == value {
		var zero T
		*field = zero
	}
}

// Ceilings are the most that a host lets definitions ask for. The zero value of a
// field means its default; [Ceilings.WithDefaults] fills them in. A definition
// that names no limit gets the default of that limit, or the ceiling where that is
// lower.
type Ceilings struct {
	// Timeout bounds the time of one attempt. Defaults to an hour, which is also
	// the most.
	Timeout time.Duration
	// Memory bounds the memory of a guest, in bytes. Defaults to 1 GiB, which is
	// also the most.
	Memory int64
	// Fuel bounds a guest's work, in the units of fuel. Defaults to 0: no limit.
	// Otherwise it is also what a definition gets that names no fuel.
	Fuel int64
	// Depth bounds how deep a guest's calls are nested. Defaults to 100,000, which
	// is also the most.
	Depth int
	// ResultBytes, LogBytes and ArgsBytes bound a task's result, what one attempt
	// logs, and a task's arguments, in bytes. Each defaults to 16 MiB, which is
	// also the most.
	ResultBytes int64
	LogBytes    int64
	ArgsBytes   int64
}

// WithDefaults returns a copy in which every field has a value, but for Fuel.
func (c Ceilings) WithDefaults() Ceilings {
	setDefault(&c.Timeout, MaxTimeout)
	setDefault(&c.Memory, MaxMemory)
	setDefault(&c.Depth, MaxDepth)
	setDefault(&c.ResultBytes, MaxResultBytes)
	setDefault(&c.LogBytes, MaxLogBytes)
	setDefault(&c.ArgsBytes, MaxArgsBytes)
	return c
}

// Validate reports the first ceiling whose value is not allowed, by the name that
// it has among the settings of the server. It is for ceilings that have their
// defaults.
func (c Ceilings) Validate() error {
	switch {
	case c.Timeout < time.Millisecond || c.Timeout > MaxTimeout:
		return invalid("limits.timeout", "must be from 1ms to %v, is %v", MaxTimeout, c.Timeout)
	case c.Memory < minMemory || c.Memory > MaxMemory:
		return invalid("limits.memory", "must be from 64 KiB to 1 GiB, is %s", sizeText(c.Memory))
	case c.Fuel < 0:
		return invalid("limits.fuel", "must not be negative, is %d: 0 is no limit", c.Fuel)
	case c.Depth < 1 || c.Depth > MaxDepth:
		return invalid("limits.depth", "must be from 1 to %d, is %d", MaxDepth, c.Depth)
	}
	for _, size := range []struct {
		name       string
		have, most int64
	}{
		{"limits.result", c.ResultBytes, MaxResultBytes},
		{"limits.logs", c.LogBytes, MaxLogBytes},
		{"limits.arguments", c.ArgsBytes, MaxArgsBytes},
	} {
		if size.have < minBytes || size.have > size.most {
			return invalid(size.name, "must be from 1 KiB to %s, is %s", sizeText(size.most), sizeText(size.have))
		}
	}
	return nil
}

// Fit returns the options of a definition on a host with these ceilings: those that
// were left out get their defaults. It returns an *InvalidError for a value that is
// never allowed, and a *CeilingError for one that is not on this host.
func (c Ceilings) Fit(asked Options) (Options, error) {
	c = c.WithDefaults()
	if err := asked.WithDefaults().Validate(); err != nil {
		return asked, err
	}
	for _, limit := range []struct {
		limit, option, setting string
		asked, most            int64
		text                   func(int64) string
	}{
		{"timeout", "timeout", "limits.timeout", int64(asked.Timeout), int64(c.Timeout), durationText},
		{"memory", "memory_bytes", "limits.memory", asked.Memory, c.Memory, sizeText},
		{"fuel", "fuel", "limits.fuel", asked.Fuel, c.Fuel, countText},
		{"depth", "depth", "limits.depth", int64(asked.Depth), int64(c.Depth), countText},
		{"result", "result_bytes", "limits.result", asked.ResultBytes, c.ResultBytes, sizeText},
		{"logs", "log_bytes", "limits.logs", asked.LogBytes, c.LogBytes, sizeText},
		{"arguments", "args_bytes", "limits.arguments", asked.ArgsBytes, c.ArgsBytes, sizeText},
	} {
		if limit.asked > limit.most && !(limit.limit == "fuel" && c.Fuel == 0) {
			return asked, &CeilingError{
				Limit: limit.limit, Option: limit.option, Setting: limit.setting,
				Asked: limit.text(limit.asked), Ceiling: limit.text(limit.most),
			}
		}
	}
	setDefault(&asked.Timeout, min(DefaultTimeout, c.Timeout))
	setDefault(&asked.Memory, min(DefaultMemory, c.Memory))
	setDefault(&asked.Fuel, c.Fuel)
	setDefault(&asked.Depth, min(DefaultDepth, c.Depth))
	setDefault(&asked.ResultBytes, min(DefaultResultBytes, c.ResultBytes))
	setDefault(&asked.LogBytes, min(DefaultLogBytes, c.LogBytes))
	setDefault(&asked.ArgsBytes, min(DefaultArgsBytes, c.ArgsBytes))
	return asked.WithDefaults(), nil
}

// Bound returns limits that have values and are not above the ceilings: those of a
// task may have been allowed by another host, or before a ceiling was lowered.
func (c Ceilings) Bound(l Limits) Limits {
	c = c.WithDefaults()
	setDefault(&l.Memory, DefaultMemory)
	setDefault(&l.Fuel, c.Fuel)
	setDefault(&l.Depth, DefaultDepth)
	setDefault(&l.ResultBytes, DefaultResultBytes)
	setDefault(&l.LogBytes, DefaultLogBytes)
	l.Memory = min(l.Memory, c.Memory)
	l.Depth = min(l.Depth, c.Depth)
	l.ResultBytes = min(l.ResultBytes, c.ResultBytes)
	l.LogBytes = min(l.LogBytes, c.LogBytes)
	if c.Fuel > 0 {
		l.Fuel = min(l.Fuel, c.Fuel)
	}
	return l
}

// CeilingError reports a definition that asks for more than its host allows.
type CeilingError struct {
	// Limit is the limit's name, Option the one of the definition's option, Setting
	// the one of the host's ceiling.
	Limit, Option, Setting string
	Asked, Ceiling         string
}

func (e *CeilingError) Error() string {
	return fmt.Sprintf("limit %s: it asks for %s, and this host allows at most %s: lower its %s, or raise the host's ceiling %s",
		e.Limit, e.Asked, e.Ceiling, e.Option, e.Setting)
}

func durationText(n int64) string { return time.Duration(n).String() }

func countText(n int64) string { return fmt.Sprint(n) }

// sizeText writes a size for people, exactly.
func sizeText(n int64) string {
	for _, unit := range []struct {
		name  string
		bytes int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= unit.bytes && n%unit.bytes == 0 {
			return fmt.Sprintf("%d %s", n/unit.bytes, unit.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
