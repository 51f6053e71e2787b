// Package queuebench measures the queue of a store beside bare River on the same
// database. Nothing is run but a Go function that does nothing: what it measures
// is what it costs to store, start and end a task.
//
// It works in schemas or files that it makes and removes, and touches no others.
package queuebench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/taskhost/taskhost/internal/seal"
)

// Defaults of [Config].
const (
	// DefaultTasks is for Postgres, and DefaultTasksSQLite for SQLite, where bare
	// River takes several times as long.
	DefaultTasks       = 20_000
	DefaultTasksSQLite = 10_000
	DefaultSlots       = 100
	DefaultRuns        = 3
)

// Bounds, so that a run ends, and fits in memory.
const (
	maxTasks = 1_000_000
	maxSlots = 10_000
	maxRuns  = 100

	caseTimeout  = 5 * time.Minute
	cleanTimeout = 30 * time.Second
)

var errTooLong = errors.New("a case took longer than 5 minutes: ask for fewer tasks")

// Config says what to measure.
type Config struct {
	// Database is a URL of Postgres, in which schemas are made, or names the
	// folder in which SQLite files are made: itself, or that of a file. Defaults
	// to the system's folder for temporary files.
	Database string
	// Tasks is how many are worked, and the most that one case stores. Defaults to
	// [DefaultTasks], or to [DefaultTasksSQLite].
	Tasks int
	// Slots is how many run at once in the case work. Defaults to [DefaultSlots].
	Slots int
	// Runs is how often each case is measured: the best counts. Defaults to
	// [DefaultRuns].
	Runs int
	// Cases are the names of those to measure. Defaults to all.
	Cases []string
	// Encrypt has the store seal arguments and results, which River does not.
	Encrypt bool
	// Progress is told before each measurement how many are done. It may be nil.
	Progress func(done, total int, what string)
	// Logger takes what the store has to report. Defaults to none.
	Logger *slog.Logger
}

// withDefaults returns a copy in which every field has a value, or says which
// value cannot be.
func (c Config) withDefaults() (Config, error) {
	tasks := DefaultTasks
	if !isPostgres(c.Database) {
		tasks = DefaultTasksSQLite
	}
	for _, field := range []struct {
		name           string
		value          *int
		standard, most int
	}{
		{"tasks", &c.Tasks, tasks, maxTasks},
		{"slots", &c.Slots, DefaultSlots, maxSlots},
		{"runs", &c.Runs, DefaultRuns, maxRuns},
	} {
		if *field.value == 0 {
			*field.value = field.standard
		}
		if *field.value < 1 || *field.value > field.most {
			return c, &ConfigError{fmt.Sprintf("%s must be from 1 to %d, is %d", field.name, field.most, *field.value)}
		}
	}
	if c.Progress == nil {
		c.Progress = func(int, int, string) {}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// keys are those that a store is opened with.
func (c *Config) keys() []string {
	if !c.Encrypt {
		return nil
	}
	return []string{seal.NewKey()}
}

// ConfigError is a mistake in a [Config].
type ConfigError struct{ problem string }

func (e *ConfigError) Error() string { return e.problem }

// place is where measurements are made. A subject is made in a place that has
// nothing in it, and is closed before the next one is made.
type place interface {
	// ours makes a store, and bare a River.
	ours(ctx context.Context) (*subject, error)
	bare(ctx context.Context) (*subject, error)
	describe(ctx context.Context, env *Environment) error
	// clean removes all that was made.
	clean(ctx context.Context) error
}

// Run measures, and cleans up however that ends.
func Run(ctx context.Context, config Config) (report *Report, err error) {
	if config, err = config.withDefaults(); err != nil {
		return nil, err
	}
	groups, err := choose(config.Cases)
	if err != nil {
		return nil, err
	}
	place, err := newPlace(&config)
	if err != nil {
		return nil, err
	}
	defer func() {
		cleaning, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTimeout)
		defer cancel()
		cleanErr := place.clean(cleaning)
		switch {
		case cleanErr != nil && ctx.Err() != nil:
			err = cleanErr // who interrupted it knows of that
		case ctx.Err() != nil:
			err = context.Cause(ctx) // the rest is only what that has broken
		default:
			err = errors.Join(err, cleanErr)
		}
	}()
	env := environment(&config)
	if err := place.describe(ctx, env); err != nil {
		return nil, err
	}
	b := &bench{config: &config, place: place, groups: groups, found: make(map[string]*pair)}
	if err := b.run(ctx); err != nil {
		return nil, err
	}
	return b.report(env), nil
}

// bench is one run.
type bench struct {
	config *Config
	place  place
	groups [][]benchCase
	found  map[string]*pair // by case
	done   int
}

// pair is what was found in one case.
type pair struct{ ours, bare tally }

// run measures the subjects in turn, so that what else the machine does meets both.
func (b *bench) run(ctx context.Context) error {
	for run := range b.config.Runs {
		for _, cases := range b.groups {
			for turn := range 2 {
				if err := b.measure(ctx, cases, run, (run+turn)%2 == 0); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// measure measures cases, one after the other, on one subject.
func (b *bench) measure(ctx context.Context, cases []benchCase, run int, ours bool) (err error) {
	name, open := "bare River", b.place.bare
	if ours {
		name, open = "Taskhost", b.place.ours
	}
	b.progress(run, name, cases[0].name)
	s, err := open(ctx)
	if err != nil {
		return fmt.Errorf("prepare %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, s.close()) }()
	for _, c := range cases {
		b.progress(run, name, c.name)
		sample, err := b.sample(ctx, &c, s)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", name, c.name, err)
		}
		found := b.found[c.name]
		if found == nil {
			found = new(pair)
			b.found[c.name] = found
		}
		if ours {
			found.ours.add(sample)
		} else {
			found.bare.add(sample)
		}
		b.done++
	}
	return nil
}

func (b *bench) progress(run int, name, what string) {
	total := 0
	for _, cases := range b.groups {
		total += 2 * b.config.Runs * len(cases)
	}
	b.config.Progress(b.done, total, fmt.Sprintf("run %d of %d: %s, %s", run+1, b.config.Runs, what, name))
}

func (b *bench) sample(ctx context.Context, c *benchCase, s *subject) (sample, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, caseTimeout, errTooLong)
	defer cancel()
	runtime.GC() // or the first pays for what the one before it left
	out, err := c.measure(ctx, s, b.config)
	if err != nil && errors.Is(context.Cause(ctx), errTooLong) {
		err = errTooLong
	}
	return out, err
}
