package pgstore_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/pgtest"
	"github.com/taskhost/taskhost/pgstore"
	"github.com/taskhost/taskhost/task"
)

// caller is a connection that enqueues in transactions of its own.
type caller struct {
	conn    *pgx.Conn
	tx      pgx.Tx // nil where none is open
	pending []task.ID
}

// TestEventsOfTransactionsThatOverlap: whatever the order in which transactions begin and
// end, and wherever a reader is cut off, it hears once of each that was committed.
func TestEventsOfTransactionsThatOverlap(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	store := open(t, pgstore.Config{URL: database})
	require.NoError(t, store.DeclareFunctions(t.Context(), []task.Definition{{Name: "a", Executor: task.Async, Options: task.Options{Executor: task.Async}.WithDefaults()}}))
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	callers := make([]*caller, 5)
	for i := range callers {
		conn, err := pgx.Connect(t.Context(), database)
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) }) // it is done with
		callers[i] = &caller{conn: conn}
	}
	_, cursor, err := store.Events(t.Context(), "", 1)
	require.NoError(t, err)
	committed, seen := make(map[task.ID]bool), make(map[task.ID]int)
	read := func() int {
		limit := 1 + random.IntN(5)
		events, next, err := store.Events(t.Context(), cursor, limit)
		require.NoError(t, err)
		require.LessOrEqual(t, len(events), limit)
		n := random.IntN(len(events) + 1) // how many it takes before it is cut off
		for _, event := range events[:n] {
			seen[event.TaskID]++
			cursor = event.Cursor
		}
		if n == len(events) {
			cursor = next
		}
		return len(events)
	}
	for range 300 {
		callers[random.IntN(len(callers))].step(t, store, random, committed)
		for range random.IntN(3) {
			read()
		}
	}
	for _, c := range callers {
		c.end(t, true, committed)
	}
	for read() > 0 {
	}
	require.Len(t, seen, len(committed))
	for id, times := range seen {
		require.True(t, committed[id], "it was rolled back")
		require.Equal(t, 1, times)
	}
}

// step begins a transaction, enqueues in it, or ends it.
func (c *caller) step(t *testing.T, store *pgstore.Store, random *rand.Rand, committed map[task.ID]bool) {
	t.Helper()
	if c.tx != nil && random.IntN(3) == 0 {
		c.end(t, random.IntN(4) > 0, committed)
		return
	}
	if c.tx == nil {
		var err error
		c.tx, err = c.conn.Begin(t.Context())
		require.NoError(t, err)
	}
	requests := make([]task.Request, 1+random.IntN(4))
	for i := range requests {
		requests[i].Name = "a"
	}
	ids, err := store.EnqueueManyTx(t.Context(), c.tx, requests)
	require.NoError(t, err)
	c.pending = append(c.pending, ids...)
}

func (c *caller) end(t *testing.T, commit bool, committed map[task.ID]bool) {
	t.Helper()
	switch {
	case c.tx == nil:
		return
	case commit:
		require.NoError(t, c.tx.Commit(t.Context()))
		for _, id := range c.pending {
			committed[id] = true
		}
	default:
		require.NoError(t, c.tx.Rollback(t.Context()))
	}
	c.tx, c.pending = nil, nil
}

// TestEventsAfterARestore: a dump holds numbers of the transactions of another server,
// which may be higher than those that are given here.
func TestEventsAfterARestore(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	store := open(t, pgstore.Config{URL: database})
	start(t, store, echo)
	enqueue := func() task.ID {
		id, err := store.Enqueue(t.Context(), task.Request{Name: "work", EnqueueOptions: task.EnqueueOptions{Delay: time.Hour}})
		require.NoError(t, err)
		return id
	}
	_, begin, err := store.Events(t.Context(), "", 1)
	require.NoError(t, err)
	enqueue()
	execute(t, database,
		"UPDATE taskhost.event SET xid = '5000000000', at = at - interval '2 hours'",
		"UPDATE taskhost.event_pruned SET xid = '4000000000'")
	_, _, err = store.Events(t.Context(), "5000000001", 10)
	require.ErrorIs(t, err, task.ErrEventsGone)
	next := enqueue()
	events, _, err := store.Events(t.Context(), begin, 10)
	require.NoError(t, err)
	require.Len(t, events, 1)
	require.Equal(t, next, events[0].TaskID)
	more, err := store.PruneEvents(t.Context(), time.Hour, 10)
	require.NoError(t, err)
	require.False(t, more)
	var n int
	conn, err := pgx.Connect(t.Context(), database)
	require.NoError(t, err)
	defer conn.Close(context.WithoutCancel(t.Context()))
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM taskhost.event").Scan(&n))
	require.Equal(t, 1, n, "what was restored is old enough to go")
	execute(t, database, "UPDATE taskhost.event SET at = at - interval '2 hours'")
	_, err = store.PruneEvents(t.Context(), time.Hour, 10)
	require.NoError(t, err)
	_, _, err = store.Events(t.Context(), begin, 10)
	require.ErrorIs(t, err, task.ErrEventsGone, "and what is deleted here is noted again")
}
