// Package execbench measures what one execution costs, by ways of running it: in
// process as a node does it, in new instances on plain wazero, in a process for each,
// in a pool of Python processes.
//
// It builds guests in a clone of the project, and what it needs besides in a
// temporary folder, which it removes. What a machine cannot build or run is left out
// and named.
package execbench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/taskhost/taskhost/host"
)

// DefaultDuration is how long each row is measured.
const DefaultDuration = time.Second

const (
	// rounds is how often each row has its turn, so that what else the machine does
	// meets all of them.
	rounds = 5

	maxDuration = time.Hour
	maxParallel = 1000
)

// Config says what to measure.
type Config struct {
	// Guests and Modes are the names of those to measure. Default to all.
	Guests, Modes []string
	// Own is a guest of the caller's to measure too. Its name is [OwnGuest].
	Own *Own
	// Duration is how long each row is measured, in all. Defaults to
	// [DefaultDuration].
	Duration time.Duration
	// Parallel is how many executions are under way at once. Defaults to 1.
	Parallel int
	// CPU asks for what it costs that a guest can be stopped, too, with guests that
	// compute.
	CPU bool
	// Progress is told before each step how many are done. It may be nil.
	Progress func(done, total int, what string)
}

// Own is a guest of the caller's.
type Own struct {
	Wasm []byte
	// Definition is the task to run. It may be empty where there is one.
	Definition string
	Input      []byte
}

// ConfigError is a mistake in a [Config].
type ConfigError struct{ problem string }

func (e *ConfigError) Error() string { return e.problem }

// missingError says what there is not on this machine, so that rows are left out.
type missingError struct{ reason string }

func (e *missingError) Error() string { return e.reason }

func (c Config) withDefaults() (Config, error) {
	if c.Duration == 0 {
		c.Duration = DefaultDuration
	}
	if c.Parallel == 0 {
		c.Parallel = 1
	}
	if c.Progress == nil {
		c.Progress = func(int, int, string) {}
	}
	switch {
	case c.Duration < 0 || c.Duration > maxDuration:
		return c, &ConfigError{fmt.Sprintf("the duration must be more than 0 and at most %v, is %v", maxDuration, c.Duration)}
	case c.Parallel < 0 || c.Parallel > maxParallel:
		return c, &ConfigError{fmt.Sprintf("parallel must be from 1 to %d, is %d", maxParallel, c.Parallel)}
	}
	return c, nil
}

// bench is one run.
type bench struct {
	config Config
	guests []*guest
	modes  []*mode
	dir    string
	engine *host.Engine
	cells  []*cell
	cpu    []*cpuModule
	idle   *Idle
	python string // its version

	done, total int
	interrupted bool
}

// cell is a row of the report.
type cell struct {
	guest      *guest
	mode       *mode
	goroutines int
	subject    *subject
	times      histogram
	best       float64 // executions a second
	missing    error
}

// Run measures, and removes what it has made however that ends. Where ctx ends
// meanwhile, it returns its cause, and a report if something was found by then.
func Run(ctx context.Context, config Config) (report *Report, err error) {
	if config, err = config.withDefaults(); err != nil {
		return nil, err
	}
	b := &bench{config: config}
	if b.guests, err = chooseGuests(&config); err != nil {
		return nil, err
	}
	if b.modes, err = chooseModes(config.Modes); err != nil {
		return nil, err
	}
	if b.dir, err = os.MkdirTemp("", "taskhost-bench-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if b.engine, err = host.New(ctx, host.Config{}); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.close(context.WithoutCancel(ctx))) }()
	err = b.run(ctx)
	switch {
	case ctx.Err() != nil:
		b.interrupted = true
		err = context.Cause(ctx) // the rest is only what that has broken
	case err != nil:
		return nil, err
	}
	report = b.report()
	if len(report.Results) == 0 {
		return nil, errors.Join(err, b.nothing(err))
	}
	return report, err
}

// nothing says why nothing was measured.
func (b *bench) nothing(err error) error {
	if err != nil {
		return nil
	}
	for _, c := range b.cells {
		if c.missing != nil {
			return fmt.Errorf("nothing can be measured: %w", c.missing)
		}
	}
	return &ConfigError{"there is nothing to measure: name a guest"}
}

func (b *bench) close(ctx context.Context) error {
	var err error
	for _, c := range b.cells {
		if c.subject != nil && c.subject.close != nil {
			err = errors.Join(err, c.subject.close(ctx))
			c.subject.close = nil // it may belong to several
		}
	}
	for _, m := range b.cpu {
		err = errors.Join(err, m.close(ctx))
	}
	return errors.Join(err, b.engine.Close(ctx))
}

func (b *bench) run(ctx context.Context) error {
	b.plan()
	for _, g := range b.guests {
		if err := b.step(ctx, "prepare "+g.name, func() error { return b.get(ctx, g) }); err != nil {
			return err
		}
	}
	if err := b.open(ctx); err != nil {
		return err
	}
	for _, c := range b.cells {
		if c.mode.name == inProcess && c.guest.name == goRaw && c.missing == nil && b.idle == nil {
			var err error
			if b.idle, err = b.measureIdle(ctx, c.guest); err != nil {
				return fmt.Errorf("the memory of idle instances: %w", err)
			}
		}
	}
	if err := b.measure(ctx); err != nil || !b.config.CPU {
		return err
	}
	return b.measureCPU(ctx)
}

// open makes all subjects, before the first is measured: what that leaves behind in
// this process then weighs on all alike.
func (b *bench) open(ctx context.Context) error {
	for i, c := range b.cells {
		if i > 0 && c.guest == b.cells[i-1].guest && c.mode == b.cells[i-1].mode {
			c.subject, c.missing = b.cells[i-1].subject, b.cells[i-1].missing
			continue
		}
		err := b.step(ctx, "open "+c.name(), func() error {
			if c.missing = c.guest.missing; c.missing != nil {
				return nil
			}
			var err error
			c.subject, err = c.mode.open(ctx, b, c.guest)
			return err
		})
		var missing *missingError
		switch {
		case errors.As(err, &missing):
			c.missing = missing
		case err != nil:
			return err
		}
	}
	return nil
}

func (b *bench) measure(ctx context.Context) error {
	for round := range rounds {
		for _, c := range b.cells {
			err := b.step(ctx, fmt.Sprintf("round %d of %d: %s", round+1, rounds, c.name()), func() error {
				if c.missing != nil {
					return nil
				}
				runtime.GC() // or it pays for what the one before it left
				found, err := c.subject.measure(ctx, b.config.Duration/rounds, c.goroutines)
				if err != nil {
					return err
				}
				c.times.merge(&found.times)
				c.best = max(c.best, found.rate())
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// step tells of what it does, and says in errors what it was.
func (b *bench) step(ctx context.Context, what string, do func() error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	b.config.Progress(b.done, b.total, what)
	b.done++
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
