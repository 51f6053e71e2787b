package tests_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/pgtest"
)

// handoverMost is how soon a task begins elsewhere whose node has stopped in good
// order: nobody has to find out that it is gone.
const handoverMost = 3 * time.Second

// One of two nodes is told to stop while it runs tasks, and has not the time to
// finish them. What may be begun again runs on the other at once, and no attempt
// is used up; what may not ends as interrupted. The node is gone from the list.
func TestSIGTERMHandsOver(t *testing.T) {
	t.Parallel()
	k := built(t)
	f := newFleet(t, k, pgtest.Database(t), []string{k.plain, k.race}, "--shutdown-timeout", "100ms")
	leaving := f.start(t, 0)
	f.pushGuests(t, leaving)
	var requeue, once []string
	for range 3 {
		requeue = append(requeue, leaving.client.mustEnqueue(t, body{Name: "slow.requeue", Args: slowArgs(50_000, "again")}))
		once = append(once, leaving.client.mustEnqueue(t, body{Name: "slow.once", Args: slowArgs(50_000, "once")}))
	}
	for _, id := range append(requeue, once...) {
		leaving.client.awaitStatus(t, id, "running")
	}
	staying := f.start(t, 1)
	require.Len(t, staying.client.aliveNodes(t), 2)

	leaving.alive = false
	leaving.stop(t)
	names := staying.client.aliveNodes(t)
	require.Len(t, names, 1)
	require.True(t, staying.named(names[0]))
	stored := readPostgres(t, f.database)
	require.Equal(t, 1, stored.number(t, "SELECT count(*) FROM node"), "it does not count as dead either")
	for _, id := range once {
		v := staying.client.task(t, id)
		require.Equal(t, "interrupted", v.Status)
		require.Equal(t, "interrupted", v.Cause)
		require.Zero(t, v.Crashes)
	}
	for _, id := range requeue {
		v := staying.client.awaitStatus(t, id, "running")
		require.True(t, staying.named(v.Node))
		require.Equal(t, 1, v.Attempt, "an interrupt uses up no attempt")
		require.Zero(t, v.Crashes)
	}

	f.stop(t)
	stored.requireTickets(t)
	require.Equal(t, counts{tasks: 6, pending: 3, tickets: 3}, stored.counts(t))
	require.Zero(t, stored.number(t, "SELECT count(*) FROM node"))
	requireHandedOver(t, stored, requeue, leaving, staying)
}

// requireHandedOver checks that each task was begun on one node and soon after on
// the other, and that both gave it back.
func requireHandedOver(t *testing.T, stored *tables, requeue []string, leaving, staying *node) {
	t.Helper()
	tasks, attempts := stored.tasks(t), stored.attempts(t)
	var longest time.Duration
	for _, id := range requeue {
		require.Zero(t, tasks[id].attempt)
		list := attempts[id]
		require.Len(t, list, 2)
		require.Equal(t, []string{"interrupted", "interrupted"}, []string{list[0].cause, list[1].cause})
		require.True(t, leaving.named(list[0].node))
		require.True(t, staying.named(list[1].node))
		longest = max(longest, time.Duration(list[1].started-list[0].ended)*time.Microsecond)
	}
	t.Logf("begun on the other node after %v at the latest", longest)
	require.Less(t, longest, handoverMost)
}
