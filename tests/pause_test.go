package tests_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/pgtest"
)

// A node is stopped like a machine that is suspended, for longer than it takes
// to be called dead. Another takes over what it ran; what it hands in once it goes
// on is refused, and it works like before.
func TestStoppedNodeIsFenced(t *testing.T) {
	t.Parallel()
	k := built(t)
	f := newFleet(t, k, pgtest.Database(t), []string{k.plain, k.plain}, "--log-level", "debug")
	stopped := f.start(t, 0)
	f.pushGuests(t, stopped)
	stored := readPostgres(t, f.database)
	requeue := stopped.client.mustEnqueue(t, body{Name: "slow.requeue", Args: slowArgs(3000, "again")})
	once := stopped.client.mustEnqueue(t, body{Name: "slow.once", Args: slowArgs(3000, "once")})
	for _, id := range []string{requeue, once} {
		await(t, time.Minute, "the guest to begin", func() bool { return len(stopped.client.logs(t, id, 10)) == 1 })
	}
	begun := time.Now()
	signalTo(t, stopped, syscall.SIGSTOP)
	other := f.start(t, 1)
	var v taskView
	await(t, takeOverMost, "another node to take over", func() bool {
		v = other.client.task(t, requeue)
		return v.Status == "running" && other.named(v.Node)
	})
	t.Logf("taken over after %v", time.Since(begun).Round(time.Millisecond))
	require.GreaterOrEqual(t, time.Since(begun), deadAfter-2500*time.Millisecond, "its last sign of life was not older")
	require.Equal(t, 1, v.Crashes)
	require.Equal(t, 1, v.Attempt, "the attempt was given back")
	require.Equal(t, "interrupted", other.client.task(t, once).Status)

	// Both tasks are over their time: the node hands in two results.
	signalTo(t, stopped, syscall.SIGCONT)
	await(t, time.Minute, "the node to hand in what it has", func() bool {
		return fenced(stopped.process) == 2
	})
	v = other.client.task(t, requeue)
	require.Equal(t, "running", v.Status, "the other node's attempt goes on")
	require.True(t, other.named(v.Node))
	require.Equal(t, "interrupted", stopped.client.task(t, once).Status)
	stopped.client.request(t, "GET", "/v1/tasks/"+once+"/result", nil).problem(t, 409, "task_failed")

	v = stopped.client.awaitEnd(t, requeue)
	require.Equal(t, "success", v.Status, "%+v", v)
	result, _ := stopped.client.result(t, requeue)
	require.Equal(t, `"again"`, string(result))
	awaitRun(t, other.client, body{Name: "demo.echo"}, stopped.process, other.process)
	requireFenced(t, stored, stopped, other, requeue, once)
	require.Len(t, other.client.aliveNodes(t), 2)
	f.stop(t)
	stored.requireTickets(t)
	tasks, attempts := stored.tasks(t), stored.attempts(t)
	for id, s := range tasks {
		checkHistory(t, s, attempts[id], 1)
	}
}

// requireFenced checks that of the stopped node nothing is recorded but that it
// was called dead.
func requireFenced(t *testing.T, stored *tables, stopped, other *node, requeue, once string) {
	t.Helper()
	attempts := stored.attempts(t)
	require.Len(t, attempts[once], 1)
	require.Len(t, attempts[requeue], 2)
	for _, id := range []string{requeue, once} {
		first := attempts[id][0]
		require.True(t, stopped.named(first.node))
		require.Equal(t, "interrupted", first.outcome)
		require.Equal(t, "crashed", first.cause)
	}
	require.True(t, other.named(attempts[requeue][1].node))
	require.Equal(t, "success", attempts[requeue][1].outcome)
	require.Equal(t, 1, attempts[requeue][1].attempt)
}

// fenced counts the ends of attempts that were refused, as the process logs them.
func fenced(p *process) int {
	return strings.Count(p.stderr.String(), "an attempt ended after its task had moved on")
}

func signalTo(t *testing.T, n *node, signal syscall.Signal) {
	t.Helper()
	require.NoError(t, n.cmd.Process.Signal(signal))
}
