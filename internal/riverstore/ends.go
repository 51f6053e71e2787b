package riverstore

import (
	"context"
	"log/slog"
	"time"
)

// storeEnds stores a batch, and keeps trying: an end that is lost would be
// repeated work.
func (r *Runner) storeEnds(batch []*End) {
	pause := 10 * time.Millisecond
	for len(batch) > 0 {
		err := r.finish(batch)
		if err == nil {
			return
		}
		r.config.Logger.Error("the ends of attempts could not be stored; trying again", slog.Int("attempts", len(batch)), slog.Any("error", err))
		// One end that the database refuses must not hold up the others.
		var left []*End
		for _, end := range batch {
			if err := r.finish([]*End{end}); err != nil {
				left = append(left, end)
			}
		}
		batch = left
		if len(batch) == 0 {
			return
		}
		select {
		case <-r.abandon:
			return
		case <-time.After(pause):
			pause = min(2*pause, 2*time.Second)
		}
	}
}

func (r *Runner) finish(ends []*End) error {
	ctx, cancel := context.WithTimeout(context.Background(), finishTimeout)
	defer cancel()
	stored, err := r.db.Finish(ctx, ends)
	if err != nil {
		return err
	}
	for i, ok := range stored {
		if !ok {
			r.config.Logger.Debug("an attempt ended after its task had moved on",
				slog.String("task_id", ends[i].ID.String()), slog.Int64("lease", ends[i].Lease))
		}
	}
	return nil
}

// flushLogs stores the lines of running attempts at intervals.
func (r *Runner) flushLogs() {
	ticker := time.NewTicker(r.config.LogInterval)
	defer ticker.Stop()
	for {
		select {
		case <-r.stop:
			return
		case <-ticker.C:
		}
		err := r.journal.flush(func(lines []LogLine) error {
			ctx, cancel := context.WithTimeout(context.Background(), finishTimeout)
			defer cancel()
			return r.db.AppendLogs(ctx, lines)
		})
		if err != nil {
			r.config.Logger.Warn("log lines could not be stored; trying again", slog.Any("error", err))
		}
	}
}
