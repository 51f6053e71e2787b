package execbench

import (
	"context"
	"errors"
	"math/bits"
	"sync"
	"time"
)

const (
	// perOctave is how many buckets there are from a power of two to the next, so
	// that each is less than 1 % wide.
	perOctave = 128
	octaves   = 34 // up to half an hour
)

// histogram counts durations. It needs the same room however many there are, so
// that keeping them costs the same at the end of a measurement as at its start.
type histogram struct {
	counts [perOctave * (octaves + 1)]uint64
	total  uint64
	least  time.Duration
}

func (h *histogram) add(d time.Duration) {
	ns, shift := uint64(max(d, 0)), 0
	if ns >= 2*perOctave {
		shift = bits.Len64(ns) - bits.Len64(2*perOctave-1)
	}
	h.counts[min(shift*perOctave+int(ns>>shift), len(h.counts)-1)]++
	if h.total++; h.total == 1 || d < h.least {
		h.least = d
	}
}

func (h *histogram) merge(other *histogram) {
	if other.total > 0 && (h.total == 0 || other.least < h.least) {
		h.least = other.least
	}
	h.total += other.total
	for i, n := range other.counts {
		h.counts[i] += n
	}
}

// percentile is the middle of the bucket in which it is.
func (h *histogram) percentile(p uint64) time.Duration {
	rank, seen := (h.total*p+99)/100, uint64(0) // rounded up
	for i, n := range h.counts {
		if seen += n; n > 0 && seen >= rank {
			if i < 2*perOctave {
				return time.Duration(i)
			}
			shift := i/perOctave - 1
			return time.Duration(i%perOctave+perOctave)<<shift + time.Duration(1)<<shift/2
		}
	}
	return 0
}

// sample is what one measurement found.
type sample struct {
	times   histogram
	elapsed time.Duration
}

func (s *sample) rate() float64 { return float64(s.times.total) / s.elapsed.Seconds() }

// repeat calls as often as it can in a time, in a number of goroutines, and at least
// once in each.
func repeat(ctx context.Context, d time.Duration, goroutines int, call func(context.Context) error) (*sample, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	times, errs := make([]histogram, goroutines), make([]error, goroutines)
	begin := time.Now()
	until := begin.Add(d)
	for i := range goroutines {
		wg.Go(func() {
			for at := time.Now(); ; {
				if err := call(ctx); err != nil {
					errs[i] = err
					if ctx.Err() != nil {
						errs[i] = ctx.Err() // it is only what that has broken
					}
					cancel()
					return
				}
				now := time.Now()
				times[i].add(now.Sub(at))
				if !now.Before(until) || ctx.Err() != nil {
					return
				}
				at = now
			}
		})
	}
	wg.Wait()
	out := &sample{elapsed: time.Since(begin)}
	for i := range times {
		out.times.merge(&times[i])
	}
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return nil, err
		}
	}
	return out, errors.Join(errs...)
}
