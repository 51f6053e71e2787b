package queuebench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// box bounds a measurement of enqueues.
	box = time.Second
	// batchSize is how many tasks share a transaction in the case batch, and in a
	// backlog.
	batchSize = 1000
	// latencies is how many tasks the cases of latency start in all runs together,
	// and at most one for every ten of the others: each takes that much longer.
	latencies = 300
	// A pause of random length lies between them, so that they do not fall into
	// step with what happens at intervals.
	minPause, maxPause = 5 * time.Millisecond, 25 * time.Millisecond
)

// benchCase is something to measure. It measures one subject in one run.
type benchCase struct {
	name    string
	measure func(ctx context.Context, s *subject, c *Config) (sample, error)
}

// allCases are in groups. Those of one are measured on the same tables.
var allCases = [][]benchCase{
	{
		{"enqueue", enqueues(1, func(ctx context.Context, s *subject) error { return s.enqueue(ctx) })},
		{"enqueue_16", enqueues(16, func(ctx context.Context, s *subject) error { return s.enqueue(ctx) })},
		{"enqueue_tx", enqueues(1, func(ctx context.Context, s *subject) error { _, err := s.enqueueTx(ctx); return err })},
		{"batch", batches},
	},
	{{"work", func(ctx context.Context, s *subject, c *Config) (sample, error) {
		return work(ctx, s, c.Tasks, c.Slots)
	}}},
	{{"work_500", func(ctx context.Context, s *subject, c *Config) (sample, error) { return work(ctx, s, c.Tasks, 500) }}},
	{
		{"latency", starts(func(ctx context.Context, s *subject) (time.Time, error) { at := time.Now(); return at, s.enqueue(ctx) })},
		{"latency_tx", starts(func(ctx context.Context, s *subject) (time.Time, error) { return s.enqueueTx(ctx) })},
	},
}

// choose returns the cases with these names, in their groups.
func choose(names []string) ([][]benchCase, error) {
	if len(names) == 0 {
		return allCases, nil
	}
	var known []string
	var chosen [][]benchCase
	for _, cases := range allCases {
		var some []benchCase
		for _, c := range cases {
			known = append(known, c.name)
			if slices.Contains(names, c.name) {
				some = append(some, c)
			}
		}
		if len(some) > 0 {
			chosen = append(chosen, some)
		}
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, &ConfigError{fmt.Sprintf("there is no case %q: there are %s", name, strings.Join(known, ", "))}
		}
	}
	return chosen, nil
}

// enqueues measures calls that store one task each.
func enqueues(callers int, call func(context.Context, *subject) error) func(context.Context, *subject, *Config) (sample, error) {
	return func(ctx context.Context, s *subject, c *Config) (sample, error) {
		return repeat(ctx, callers, c.Tasks, func(ctx context.Context) error { return call(ctx, s) })
	}
}

func batches(ctx context.Context, s *subject, c *Config) (sample, error) {
	n := min(batchSize, c.Tasks)
	out, err := repeat(ctx, 1, c.Tasks/n, func(ctx context.Context) error { return s.enqueueMany(ctx, n) })
	out.rate *= float64(n)
	return out, err
}

// repeat makes up to most calls, for as long as box, and one before that for each
// caller, which opens connections and prepares statements.
func repeat(ctx context.Context, callers, most int, call func(context.Context) error) (sample, error) {
	if _, err := calls(ctx, callers, int64(callers), call); err != nil {
		return sample{}, err
	}
	begin := time.Now()
	times, err := calls(ctx, callers, int64(most), call)
	elapsed := time.Since(begin)
	return sample{rate: float64(len(times)) / elapsed.Seconds(), times: times}, err
}

func calls(ctx context.Context, callers int, most int64, call func(context.Context) error) ([]time.Duration, error) {
	var next atomic.Int64
	var wg sync.WaitGroup
	times, errs := make([][]time.Duration, callers), make([]error, callers)
	until := time.Now().Add(box)
	for i := range callers {
		wg.Go(func() {
			for begin := time.Now(); begin.Before(until) && errs[i] == nil && next.Add(1) <= most; begin = time.Now() {
				errs[i] = call(ctx)
				times[i] = append(times[i], time.Since(begin))
			}
		})
	}
	wg.Wait()
	return slices.Concat(times...), errors.Join(errs...)
}

// work measures the time from the start of the work, on tasks that all wait, until
// the last of them is stored as ended.
func work(ctx context.Context, s *subject, tasks, slots int) (out sample, err error) {
	for left := tasks; left > 0; left -= batchSize {
		if err := s.enqueueMany(ctx, min(left, batchSize)); err != nil {
			return sample{}, err
		}
	}
	var begun atomic.Int64
	all := make(chan struct{})
	begin := time.Now()
	stop, err := s.work(ctx, working{slots: slots, began: func() {
		if begun.Add(1) == int64(tasks) {
			close(all)
		}
	}})
	if err != nil {
		return sample{}, err
	}
	defer func() { err = errors.Join(err, end(ctx, stop)) }()
	select {
	case <-all:
	case <-ctx.Done():
		return sample{}, context.Cause(ctx)
	}
	if err := waitEnded(ctx, s.rows); err != nil {
		return sample{}, err
	}
	elapsed := time.Since(begin)
	succeeded, err := s.rows.succeeded(ctx)
	if err == nil && succeeded != tasks {
		err = fmt.Errorf("%d of %d tasks have ended with success", succeeded, tasks)
	}
	return sample{rate: float64(tasks) / elapsed.Seconds()}, err
}

// waitEnded asks often, but only when all tasks have begun: it takes little from
// what is measured.
func waitEnded(ctx context.Context, rows rows) error {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for {
		if open, err := rows.open(ctx); err != nil || !open {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func end(ctx context.Context, stop func(context.Context) error) error {
	ctx, cancel := stopping(ctx)
	defer cancel()
	return stop(ctx)
}

// starts measures the time from the moment that enqueue returns until the task that
// it has stored begins, while nothing else is there to do.
func starts(enqueue func(context.Context, *subject) (time.Time, error)) func(context.Context, *subject, *Config) (sample, error) {
	return func(ctx context.Context, s *subject, c *Config) (out sample, err error) {
		began := make(chan time.Time, 1)
		stop, err := s.work(ctx, working{slots: c.Slots, idle: true, began: func() { began <- time.Now() }})
		if err != nil {
			return sample{}, err
		}
		defer func() { err = errors.Join(err, end(ctx, stop)) }()
		one := func() (time.Duration, error) {
			from, err := enqueue(ctx, s)
			if err != nil {
				return 0, err
			}
			select {
			case at := <-began:
				return at.Sub(from), nil
			case <-ctx.Done():
				return 0, context.Cause(ctx)
			}
		}
		const warm = 5 // while listeners connect, and statements are prepared
		for i := range warm + min((c.Tasks+9)/10, (latencies+c.Runs-1)/c.Runs) {
			if err := pause(ctx); err != nil {
				return sample{}, err
			}
			took, err := one()
			if err != nil {
				return sample{}, err
			}
			if i >= warm {
				out.times = append(out.times, took)
			}
		}
		return out, nil
	}
}

func pause(ctx context.Context) error {
	timer := time.NewTimer(minPause + rand.N(maxPause-minPause)) //nolint:gosec // needs no secrecy
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
