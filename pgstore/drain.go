package pgstore

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// Drain has a node start nothing more. What runs there goes on. It returns
// task.ErrNotFound where there is no such node.
func (s *Store) Drain(ctx context.Context, node string) error {
	return s.orderNode(ctx, node, "coalesce(drain_requested_at, now()), drained_at = drained_at")
}

// Undrain takes [Store.Drain] back.
func (s *Store) Undrain(ctx context.Context, node string) error {
	return s.orderNode(ctx, node, "NULL, drained_at = NULL")
}

func (s *Store) orderNode(ctx context.Context, node, order string) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, s.text("UPDATE {schema}.node SET drain_requested_at = "+order+" WHERE id = $1"), node)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return fmt.Errorf("node %s: %w", node, task.ErrNotFound)
		}
		return s.order(ctx, tx, map[string]bool{node: true})
	})
	if err == nil {
		s.hear()
	}
	return err
}

// Drained implements [riverstore.Commander].
func (s *Store) Drained(ctx context.Context, node string) error {
	_, err := s.control.Exec(ctx, s.text("UPDATE {schema}.node SET drained_at = now() WHERE id = $1 AND drain_requested_at IS NOT NULL AND drained_at IS NULL"), node)
	return withCause(err)
}

// ordersText yields a row at least, so that one question answers both.
const ordersText = `
SELECT n.asked, n.stopped, t.id, t.lease, t.attempt
FROM (
    SELECT count(drain_requested_at) > 0 AS asked, count(drained_at) > 0 AS stopped
    FROM {schema}.node WHERE id = $1
) n
LEFT JOIN {schema}.task t ON t.node = $1 AND t.status = 'running' AND t.cancel_requested_at IS NOT NULL`

// Orders implements [riverstore.Commander].
func (s *Store) Orders(ctx context.Context, node string) (orders riverstore.Orders, err error) {
	rows, err := s.control.Query(ctx, s.text(ordersText), s.hot, node)
	if err != nil {
		return orders, withCause(err)
	}
	var id *[16]byte
	var lease *int64
	var number *int
	_, err = pgx.ForEachRow(rows, []any{&orders.Drain, &orders.Drained, &id, &lease, &number}, func() error {
		if id != nil {
			orders.Cancelled = append(orders.Cancelled, riverstore.Attempt{Task: *id, Lease: value(lease), Number: value(number)})
		}
		return nil
	})
	return orders, withCause(err)
}
