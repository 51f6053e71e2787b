package riverstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/taskhost/taskhost/task"
)

// logBatch bounds the log lines of one transaction, so that others who write
// need not wait long.
const logBatch = 2000

// submit hands in the end of an attempt. It is stored soon, with others.
func (r *Runner) submit(end *End) {
	r.config.Vault.sealEnd(end) // here, where many do so at once
	r.unstored.Add(1)
	r.ends.add(end)
}

// waitStored returns when every end that was submitted is stored, or when ctx
// ends. No end may be submitted any more.
func (r *Runner) waitStored(ctx context.Context) error {
	stored := make(chan struct{})
	go func() {
		r.unstored.Wait()
		close(stored)
	}()
	select {
	case <-stored:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// storeEnds stores a batch. An end that is lost would be repeated work, so what
// cannot be stored is tried again, later: it must not hold up the others.
func (r *Runner) storeEnds(batch []*End) {
	err := r.finish(batch)
	if err == nil {
		r.unstored.Add(-len(batch))
		return
	}
	r.config.Logger.Error("the ends of attempts could not be stored; trying again",
		slog.Int("attempts", len(batch)), slog.Any("error", err))
	passing := errors.Is(err, task.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded)
	for _, end := range batch {
		// The database may have refused one of them and not the others.
		if !passing && len(batch) > 1 && r.finish([]*End{end}) == nil {
			r.unstored.Done()
			continue
		}
		go r.storeLater(end)
	}
}

// storeLater hands an end in again, after a pause that grows.
func (r *Runner) storeLater(end *End) {
	pause := min(10*time.Millisecond<<min(end.tries, 10), 2*time.Second)
	end.tries++
	select {
	case <-r.abandon:
		r.unstored.Done()
	case <-time.After(pause):
		r.ends.add(end)
	}
}

// finish stores ends in one transaction, after the log lines that would make it
// long.
func (r *Runner) finish(ends []*End) error {
	var lines []LogLine
	for _, end := range ends {
		lines = append(lines, end.Logs...)
	}
	if len(lines) > logBatch {
		if err := r.storeLogs(lines); err != nil {
			return err
		}
		for _, end := range ends {
			end.Logs = nil
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), finishTimeout)
	defer cancel()
	stored, err := r.db.Finish(ctx, ends)
	if err != nil {
		return err
	}
	r.held.drop(ends)
	if r.config.Ended != nil {
		r.config.Ended(ended(ends, stored))
	}
	now := time.Now()
	for i, ok := range stored {
		if end := ends[i]; ok && end.queue != "" && end.Status == task.Pending && end.Wait > 0 {
			r.wakes.at(end.queue, now.Add(end.Wait))
		}
		if !ok {
			r.config.Logger.Debug("an attempt ended after its task had moved on",
				slog.String("task_id", ends[i].ID.String()), slog.Int64("lease", ends[i].Lease))
		}
	}
	return nil
}

// ended lists the tasks that have ended with their attempts.
func ended(ends []*End, stored []bool) []task.ID {
	ids := make([]task.ID, 0, len(ends))
	for i, end := range ends {
		if stored[i] && end.Status.Terminal() {
			ids = append(ids, end.ID)
		}
	}
	return ids
}

// storeLogs stores lines, some in each transaction. It can be repeated: a line
// that is stored is not stored again.
func (r *Runner) storeLogs(lines []LogLine) error {
	for chunk := range slices.Chunk(lines, logBatch) {
		ctx, cancel := context.WithTimeout(context.Background(), finishTimeout)
		err := r.db.AppendLogs(ctx, chunk)
		cancel()
		if err != nil {
			return fmt.Errorf("store log lines: %w", err)
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
		if err := r.journal.flush(r.storeLogs); err != nil {
			r.config.Logger.Warn("log lines could not be stored; trying again", slog.Any("error", err))
		}
	}
}
