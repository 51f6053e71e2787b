package riverstore

import (
	"context"
	"log/slog"
	"testing"

	"github.com/riverqueue/river/riverdriver"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

// fakeListener is a database's, of which a test sets what it hears.
type fakeListener struct {
	riverdriver.Listener

	topics []string
	heard  []*riverdriver.Notification
	refuse error
	closed bool
}

func (l *fakeListener) Connect(context.Context) error { return nil }

func (l *fakeListener) Close(context.Context) error {
	l.closed = true
	return nil
}

func (l *fakeListener) Listen(_ context.Context, topic string) error {
	l.topics = append(l.topics, topic)
	return l.refuse
}

func (l *fakeListener) WaitForNotification(context.Context) (*riverdriver.Notification, error) {
	if len(l.heard) == 0 {
		return nil, errDown
	}
	n := l.heard[0]
	l.heard = l.heard[1:]
	return n, nil
}

// River sees its own notifications, and none of the orders.
func TestOrdersAreKeptFromRiver(t *testing.T) {
	inner := &fakeListener{heard: []*riverdriver.Notification{
		{Topic: OrderTopic, Payload: "another"},
		{Topic: "river_insert", Payload: "1"},
		{Topic: OrderTopic, Payload: "me"},
		{Topic: "river_insert", Payload: "2"},
	}}
	heard := 0
	l := &orderListener{Listener: inner, node: "me", hear: func() { heard++ }}
	require.NoError(t, l.Connect(t.Context()))
	require.Equal(t, []string{OrderTopic}, inner.topics)
	require.Equal(t, 1, heard, "something may have been said before")
	for i, payload := range []string{"1", "2"} {
		n, err := l.WaitForNotification(t.Context())
		require.NoError(t, err)
		require.Equal(t, payload, n.Payload)
		require.Equal(t, 1+i, heard)
	}
	_, err := l.WaitForNotification(t.Context())
	require.ErrorIs(t, err, errDown)

	inner.refuse = errDown
	require.ErrorIs(t, l.Connect(t.Context()), errDown)
	require.True(t, inner.closed, "River would connect again")
}

// fakeCommander has orders for the node "me".
type fakeCommander struct {
	orders  Orders
	drained int
}

func (c *fakeCommander) Orders(_ context.Context, node string) (Orders, error) {
	if node != "me" {
		return Orders{}, errDown
	}
	return c.orders, nil
}

func (c *fakeCommander) Drained(context.Context, string) error {
	c.drained++
	return nil
}

// What is cancelled ends for that reason, also what begins only afterwards, and no
// cause takes the place of an earlier one.
func TestObey(t *testing.T) {
	commander := &fakeCommander{orders: Orders{Cancelled: []Attempt{{Task: task.ID{1}, Lease: 1}, {Task: task.ID{2}, Lease: 1}, {Task: task.ID{3}, Lease: 1}, {Task: task.ID{4}, Lease: 1}}}}
	r := &Runner{config: RunnerConfig{ServeConfig: ServeConfig{Node: "me"}, Commander: commander, Logger: slog.New(slog.DiscardHandler)}}
	causes := make(map[byte][]error)
	runs := func(id byte, number int64) {
		r.held.runs(leased(task.ID{id}, number), func(cause error) { causes[id] = append(causes[id], cause) })
	}
	r.held.add([]*Claim{leased(task.ID{1}, 1), leased(task.ID{2}, 1), leased(task.ID{3}, 2), leased(task.ID{4}, 1)})
	runs(1, 1)
	runs(3, 2)
	runs(4, 1)
	r.held.cancel([]lease{{task.ID{4}, 1}}, errInterrupted)
	for range 2 {
		require.NoError(t, r.obey(t.Context()))
	}
	runs(2, 1)
	require.Equal(t, map[byte][]error{1: {task.ErrCancelled}, 2: {task.ErrCancelled}, 4: {errInterrupted}}, causes)
	require.Zero(t, commander.drained)

	commander.orders = Orders{Drain: true}
	require.NoError(t, r.obey(t.Context()))
	require.True(t, r.draining.Load())
	require.Equal(t, 1, commander.drained)
	commander.orders.Drained = true
	require.NoError(t, r.obey(t.Context()))
	require.Equal(t, 1, commander.drained, "it was said")
	commander.orders = Orders{}
	require.NoError(t, r.obey(t.Context()))
	require.False(t, r.draining.Load())
}

func TestRunOfWhatWasCancelled(t *testing.T) {
	for name, outcome := range map[string]task.Outcome{
		"a result":  {Result: []byte("1"), ResultType: "t"},
		"a failure": {Failure: &task.Failure{Message: "no", Trace: "here", Permanent: true}},
	} {
		t.Run(name, func(t *testing.T) {
			claim := &Claim{Execution: attemptOf(1)}
			end := decide(claim, outcome, task.ErrCancelled)
			require.Equal(t, &End{
				ID: task.ID{9}, Lease: 5, Attempt: 1, Status: task.Cancelled, Outcome: task.Cancelled,
				Failure: &task.Failure{Cause: task.CauseCancelled, Message: cancelledRunning},
			}, end)
		})
	}
}
