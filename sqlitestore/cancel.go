package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

var (
	_ riverstore.Controller = (*Store)(nil)
	_ riverstore.Commander  = (*Store)(nil)
)

const cancelWaitingSQL = `
UPDATE task SET
    status = 'cancelled',
    ticket = NULL,
    cancel_requested_at = ?2,
    ended_at = max(?2, created_at),
    error = ?3,
    sealed_failure = NULL,
    cause = 'cancelled',
    trace = NULL
WHERE id = ?1`

const (
	lookCancelSQL    = "SELECT status, ticket, cancel_requested_at IS NOT NULL FROM task WHERE id = ?"
	cancelRunningSQL = "UPDATE task SET cancel_requested_at = ?2 WHERE id = ?1"
)

// CancelTasks implements [riverstore.Controller].
func (s *Store) CancelTasks(ctx context.Context, ids []task.ID, dry bool) ([]riverstore.Verdict, error) {
	found := make(map[task.ID]riverstore.Verdict, len(ids))
	var waiting []task.ID
	err := s.inTx(ctx, func(w *session) error {
		for _, id := range ids {
			verdict, status, err := w.cancel(ctx, id, dry)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err != nil {
				return err
			}
			found[id] = verdict
			if verdict.Skipped == "" && status == task.Pending {
				waiting = append(waiting, id)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cancel tasks: %w", err)
	}
	if !dry {
		s.waiters.Tell(waiting)
		s.hear()
	}
	return riverstore.Verdicts(ids, found), nil
}

// cancel cancels one task, and returns the state in which it found it.
func (w *session) cancel(ctx context.Context, id task.ID, dry bool) (v riverstore.Verdict, status task.Status, err error) {
	var ticket sql.NullInt64
	var requested bool
	if err := w.scanRow(ctx, lookCancelSQL, []any{id[:]}, &status, &ticket, &requested); err != nil {
		return v, status, err
	}
	v = riverstore.JudgeCancel(id, status, requested)
	switch {
	case v.Skipped != "" || dry:
	case status == task.Running:
		_, err = w.ExecContext(ctx, cancelRunningSQL, id[:], micros(now()))
	default:
		if _, err = w.ExecContext(ctx, cancelWaitingSQL, id[:], micros(now()), riverstore.CancelledWaiting); err == nil {
			_, err = w.ExecContext(ctx, dropTicketSQL, ticket)
		}
	}
	return v, status, err
}

// hear has this process's own node ask what is asked of it. That of another process
// sees that the file has changed.
func (s *Store) hear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serving != nil {
		s.serving.runner.Hear()
	}
}
