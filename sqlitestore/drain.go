package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// Drain has the node that works the file start nothing more. What runs goes on. It
// returns task.ErrNotFound where there is no such node.
func (s *Store) Drain(ctx context.Context, node string) error {
	return s.orderNode(ctx, "UPDATE node SET drain_requested_at = coalesce(drain_requested_at, ?2) WHERE id = ?1", node, micros(now()))
}

// Undrain takes [Store.Drain] back.
func (s *Store) Undrain(ctx context.Context, node string) error {
	return s.orderNode(ctx, "UPDATE node SET drain_requested_at = NULL, drained_at = NULL WHERE id = ?1", node)
}

func (s *Store) orderNode(ctx context.Context, text, node string, args ...any) error {
	var found int64
	err := s.inTx(ctx, func(w *session) error {
		result, err := w.ExecContext(ctx, text, append([]any{node}, args...)...)
		if err != nil {
			return err
		}
		found, err = result.RowsAffected()
		return err
	})
	if err == nil && found == 0 {
		err = task.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("node %s: %w", node, err)
	}
	s.hear()
	return nil
}

// Drained implements [riverstore.Commander].
func (s *Store) Drained(ctx context.Context, node string) error {
	return s.inTx(ctx, func(w *session) error {
		_, err := w.ExecContext(ctx, "UPDATE node SET drained_at = ?2 WHERE id = ?1 AND drain_requested_at IS NOT NULL", node, micros(now()))
		return err
	})
}

const drainSQL = "SELECT count(drain_requested_at) > 0, count(drained_at) > 0 FROM node WHERE id = ?"

// ordersSQL reads an index that holds nothing but what is to be cancelled.
const ordersSQL = `
SELECT id, lease, attempt FROM task INDEXED BY task_cancelling
WHERE node = ? AND status = 'running' AND cancel_requested_at IS NOT NULL`

// Orders implements [riverstore.Commander].
func (s *Store) Orders(ctx context.Context, node string) (orders riverstore.Orders, err error) {
	if err := s.reading[drainSQL].QueryRowContext(ctx, node).Scan(&orders.Drain, &orders.Drained); err != nil {
		return orders, fmt.Errorf("ask whether to drain: %w", withCause(err))
	}
	rows, err := s.reading[ordersSQL].QueryContext(ctx, node)
	if err != nil {
		return orders, fmt.Errorf("ask what to cancel: %w", withCause(err))
	}
	defer rows.Close()
	for rows.Next() {
		var a riverstore.Attempt
		var id sql.RawBytes
		if err := rows.Scan(&id, &a.Lease, &a.Number); err != nil {
			return orders, err
		}
		a.Task = toID(id)
		orders.Cancelled = append(orders.Cancelled, a)
	}
	return orders, rows.Err()
}
