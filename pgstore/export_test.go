package pgstore

import (
	"context"
	"log/slog"
	"time"
)

// SetSweep has a store that is not started yet sweep that often, and after that many
// tickets.
func (s *Store) SetSweep(interval time.Duration, after int64) {
	s.sweeper.interval, s.sweeper.after = interval, after
}

// Sweep sweeps now.
func (s *Store) Sweep(ctx context.Context) error { return s.sweeper.once(ctx) }

// SweepWith runs a sweeper whose sweeps are calls of sweep, until ctx ends. It returns
// what takes tickets.
func SweepWith(sweep func(context.Context) error, logger *slog.Logger) (run func(context.Context), take func(int64)) {
	w := newSweeper(sweep, logger)
	return w.run, func(n int64) { w.taken.Add(n) }
}
