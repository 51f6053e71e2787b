package riverstore

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

func TestKindsAndQueues(t *testing.T) {
	require.Equal(t, "wasm", Kind(task.Wasm, "thumbs.resize"), "one kind for all modules")
	require.Equal(t, "go:greet", Kind(task.Async, "greet"))
	require.Equal(t, "go:greet", Kind(task.Thread, "greet"))
	require.Equal(t, "go:wasm", Kind(task.Async, "wasm"), "a function cannot pass for a module")
	for _, executor := range []task.Executor{task.Wasm, task.Async, task.Thread} {
		require.Equal(t, string(executor), Queue(executor))
	}
}

func TestRiverPriorityIsTurnedRound(t *testing.T) {
	require.Equal(t, 1, RiverPriority(task.MaxPriority))
	require.Equal(t, 6, RiverPriority(task.DefaultPriority))
	require.Equal(t, 10, RiverPriority(task.MinPriority))
}

func TestFetchMakesRowsOfClaims(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	claim := &Claim{
		Ticket:    Ticket{ID: 42, Kind: "go:greet", Queue: "async", Priority: 3, CreatedAt: at, ScheduledAt: at.Add(time.Second)},
		Execution: task.Execution{Task: task.Task{ID: task.ID{15: 1}}},
		StartedAt: at.Add(time.Minute),
	}
	e := &ticketExecutor{claim: func(_ context.Context, params *riverdriver.JobGetAvailableParams) ([]*Claim, error) {
		require.Equal(t, "async", params.Queue)
		return []*Claim{claim}, nil
	}}
	got, err := e.JobGetAvailable(t.Context(), &riverdriver.JobGetAvailableParams{ClientID: "node", Queue: "async"})
	require.NoError(t, err)
	require.Equal(t, []*rivertype.JobRow{{
		ID: 42, Attempt: 1, AttemptedAt: &claim.StartedAt, AttemptedBy: []string{"node"}, CreatedAt: at,
		EncodedArgs: []byte(`{"task_id":"00000000-0000-0000-0000-000000000001"}`), Kind: "go:greet", MaxAttempts: 1,
		Metadata: []byte("{}"), Priority: 3, Queue: "async", ScheduledAt: at.Add(time.Second),
		State: rivertype.JobStateRunning, Tags: []string{},
	}}, got.Jobs)

	e.claim = func(context.Context, *riverdriver.JobGetAvailableParams) ([]*Claim, error) { return nil, errDown }
	_, err = e.JobGetAvailable(t.Context(), &riverdriver.JobGetAvailableParams{})
	require.ErrorIs(t, err, errDown)
}

func TestAClaimIsTakenOnce(t *testing.T) {
	claim := &Claim{Ticket: Ticket{ID: 42}}
	r := &Runner{claimed: map[int64]*Claim{42: claim}}
	require.Same(t, claim, r.take(42))
	require.Nil(t, r.take(42))
	require.Nil(t, r.take(43), "nobody claimed it")
}

func TestNotificationsGoToTheBus(t *testing.T) {
	bus := NewBus()
	d := &ticketDriver[struct{}]{bus: bus}
	l, ok := d.GetListener(nil).(*busListener)
	require.True(t, ok)
	require.NoError(t, l.Connect(t.Context()))
	require.NoError(t, l.Listen(t.Context(), "topic"))
	e := &ticketExecutor{bus: bus}
	require.NoError(t, e.NotifyMany(t.Context(), &riverdriver.NotifyManyParams{Topic: "topic", Payload: []string{"1", "2"}}))
	for _, want := range []string{"1", "2"} {
		n, err := l.WaitForNotification(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, n.Payload)
	}
}

func TestRiverIsQuiet(t *testing.T) {
	var text bytes.Buffer
	logger := quietRiver(slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug})))
	for _, l := range []*slog.Logger{logger, logger.With("a", 1), logger.WithGroup("g")} {
		l.Debug("not heard")
		l.Info("not heard")
		l.Warn("heard", "b", 2)
	}
	require.NotContains(t, text.String(), "not heard")
	require.Equal(t, 3, bytes.Count(text.Bytes(), []byte("msg=heard component=river")))

	text.Reset()
	strict := quietRiver(slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelError})))
	strict.Warn("not heard")
	require.Empty(t, text.String(), "the program's own level counts too")
}
