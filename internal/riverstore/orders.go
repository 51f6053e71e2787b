package riverstore

import (
	"context"
	"errors"
	"log/slog"

	"github.com/riverqueue/river/riverdriver"

	"github.com/taskhost/taskhost/task"
)

// OrderTopic is the topic on which nodes hear, with their id as the payload, that
// something was asked of them. What that is the database says.
const OrderTopic = "taskhost_order"

// Orders is what a node is to do.
type Orders struct {
	// Cancelled are those of its attempts whose tasks were cancelled.
	Cancelled []Attempt
	// Drain has it claim nothing more. Drained says that it has said that it does not.
	Drain, Drained bool
}

// Commander knows what was asked of nodes.
type Commander interface {
	// Orders lists what was asked of a node and is not done.
	Orders(ctx context.Context, node string) (Orders, error)
	// Drained says that a node claims nothing more, as it was asked to.
	Drained(ctx context.Context, node string) error
}

// Hear has the runner ask what it is to do. It never blocks.
func (r *Runner) Hear() {
	select {
	case r.ordered <- struct{}{}:
	default: // it will ask anyway, and does so after this
	}
}

// awaitOrders asks as often as something was heard. That it is asked at intervals too,
// for what was not heard, is up to keepInOrder.
func (r *Runner) awaitOrders() {
	for {
		select {
		case <-r.stop:
			return
		case <-r.ordered:
			r.look("orders", r.obey)
		}
	}
}

// obey does what was asked of this node.
func (r *Runner) obey(ctx context.Context) error {
	orders, err := r.config.Commander.Orders(ctx, r.config.Node)
	if err != nil {
		return err
	}
	switch was := r.draining.Swap(orders.Drain); {
	case orders.Drain && !was:
		r.config.Logger.InfoContext(ctx, "draining, as asked: starting no more tasks", slog.String("node", r.config.Node))
	case was && !orders.Drain:
		r.config.Logger.InfoContext(ctx, "starting tasks again, as asked", slog.String("node", r.config.Node))
	}
	if orders.Drain && !orders.Drained {
		r.held.claiming.Lock()   // after those that are under way, no other begins
		r.held.claiming.Unlock() //nolint:staticcheck // that is all there is to wait for
		if err := r.config.Commander.Drained(ctx, r.config.Node); err != nil {
			return err
		}
	}
	if len(orders.Cancelled) == 0 {
		return nil
	}
	// A claim under way may have committed what was cancelled since: it is held by
	// the time at which it has returned.
	r.held.claiming.Lock()
	r.held.claiming.Unlock() //nolint:staticcheck // as above
	leases := make([]lease, len(orders.Cancelled))
	for i, attempt := range orders.Cancelled {
		leases[i] = lease{attempt.Task, attempt.Lease}
	}
	r.held.cancel(leases, task.ErrCancelled)
	return nil
}

// orderListener is a database's listener that keeps the orders from River, which
// listens for what is its own. So hearing them takes no connection more.
type orderListener struct {
	riverdriver.Listener

	node string
	hear func()
}

// Connect implements [riverdriver.Listener].
func (l *orderListener) Connect(ctx context.Context) error {
	if err := l.Listener.Connect(ctx); err != nil {
		return err
	}
	if err := l.Listen(ctx, OrderTopic); err != nil {
		return errors.Join(err, l.Close(context.WithoutCancel(ctx)))
	}
	l.hear() // what was said while nobody listened
	return nil
}

// WaitForNotification implements [riverdriver.Listener].
func (l *orderListener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	for {
		n, err := l.Listener.WaitForNotification(ctx)
		if err != nil || n.Topic != OrderTopic {
			return n, err
		}
		if n.Payload == l.node {
			l.hear()
		}
	}
}
