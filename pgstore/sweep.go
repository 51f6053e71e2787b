package pgstore

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// sweepInterval is how often the queue's table may be swept, and sweepAfter how
	// many tickets must have been taken out since.
	sweepInterval = 3 * time.Second
	sweepAfter    = 20_000
	// sweepTimeout bounds a sweep, which takes some tens of milliseconds.
	sweepTimeout = time.Minute
)

// sweeper has the remains of tickets taken out of the queue's index while many tasks
// are worked. A claim passes over all that lie before the first ticket that is there,
// and the server's own vacuum, which looks around once a minute, comes too late where
// ten thousand tickets are taken in a second.
type sweeper struct {
	sweep    func(ctx context.Context) error
	interval time.Duration
	after    int64
	logger   *slog.Logger

	// taken counts the tickets that were taken out since the last sweep.
	taken atomic.Int64
}

func newSweeper(sweep func(ctx context.Context) error, logger *slog.Logger) *sweeper {
	return &sweeper{sweep: sweep, interval: sweepInterval, after: sweepAfter, logger: logger}
}

// run sweeps until ctx ends.
func (w *sweeper) run(ctx context.Context) {
	ticker := time.NewTicker(w.interval)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		taken := w.taken.Load()
		if taken < w.after {
			continue
		}
		err := w.once(ctx)
		switch {
		case err == nil:
			w.taken.Add(-taken) // those that were taken meanwhile are for the next
		case ctx.Err() == nil && !failing:
			w.logger.WarnContext(ctx, "the queue's table could not be swept, which makes claims slower; trying again", slog.Any("error", err))
		}
		failing = err != nil
	}
}

func (w *sweeper) once(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	return w.sweep(ctx)
}

// sweep vacuums the queue's table. Where another node does so at this moment, that is
// as good. TRUNCATE would keep everybody else from the table for a moment.
func (s *Store) sweep(ctx context.Context) error {
	// The server's log has a warning for each try of a role that may not.
	var owned bool
	err := s.control.QueryRow(ctx, "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = $1::regclass", pgx.QueryExecModeExec,
		s.text("{schema}.river_job")).Scan(&owned)
	if err != nil || !owned {
		return withCause(err)
	}
	_, err = s.control.Exec(ctx, s.text("VACUUM (TRUNCATE false, SKIP_LOCKED) {schema}.river_job"))
	return withCause(err)
}
