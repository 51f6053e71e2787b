package tests_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/pgtest"
)

// taskhost runs the program as somebody at a terminal does who works the server of a
// data directory, and returns what it prints.
func (f *fleet) taskhost(t *testing.T, n *node, args ...string) string {
	t.Helper()
	run := runToEnd(t, command(t.Context(), f.kit.plain, append(args, "--data-dir", n.dir)...))
	require.Zero(t, run.code, "%s", run.stderr)
	return run.stdout
}

// What is asked of one node reaches the task on the other: it is cancelled, in the
// middle of a guest, and retried as a new task.
func TestCancelAndRetryAcrossNodes(t *testing.T) {
	t.Parallel()
	k := built(t)
	f := newFleet(t, k, pgtest.Database(t), []string{k.plain, k.plain})
	f.startAll(t)
	f.pushGuests(t, f.nodes[0])
	var took []time.Duration
	var last taskView
	rounds := int(setting(t, "TASKHOST_TEST_ROUNDS", 12))
	for range rounds {
		id := f.nodes[0].client.mustEnqueue(t, body{Name: "slow.requeue", Args: slowArgs(60_000, "never"), Tags: map[string]string{"kind": "cancelled"}, Priority: 7})
		await(t, time.Minute, "the guest to begin", func() bool { return len(f.nodes[0].client.logs(t, id, 10)) == 1 })
		other := f.nodes[0]
		if other.named(other.client.task(t, id).Node) {
			other = f.nodes[1]
		}
		begun := time.Now()
		require.Equal(t, 200, other.client.request(t, "POST", "/v1/tasks/"+id+"/cancel", nil).status)
		last = other.client.awaitEnd(t, id)
		took = append(took, time.Since(begun))
		require.Equal(t, "cancelled", last.Status)
		require.Equal(t, "cancelled", last.Cause)
		other.client.request(t, "GET", "/v1/tasks/"+id+"/result", nil).problem(t, 409, "task_failed")
	}
	slices.Sort(took)
	t.Logf("%d running guests cancelled from the other node: median %v, most %v", rounds, took[len(took)/2], took[len(took)-1])

	var out struct {
		Old string `json:"original_task_id"`
		New string `json:"new_task_id"`
	}
	printed := f.taskhost(t, f.nodes[1], "task", "retry", last.ID, "--output", "json")
	require.NoError(t, json.Unmarshal([]byte(printed), &out), "%s", printed)
	require.Equal(t, last.ID, out.Old)
	next := out.New
	v := f.nodes[0].client.task(t, next)
	require.Equal(t, last.ID, v.RetriedFrom)
	require.Equal(t, "retry", v.Source)
	require.Equal(t, 7, v.Priority)
	require.Equal(t, map[string]string{"kind": "cancelled"}, v.Tags)
	require.Equal(t, last.ArgsBytes, v.ArgsBytes)
	require.Equal(t, next, f.nodes[0].client.task(t, last.ID).ResolvedBy)
	again := f.nodes[1].client.request(t, "POST", "/v1/tasks/"+last.ID+"/retry", nil).problem(t, 409, "already_retried")
	require.Equal(t, next, again.Task)

	f.taskhost(t, f.nodes[0], "task", "cancel", next)
	require.Equal(t, "cancelled", f.nodes[0].client.awaitEnd(t, next).Status)
	f.stop(t)
	stored := readPostgres(t, f.database)
	stored.requireTickets(t)
	require.Equal(t, counts{tasks: rounds + 1}, stored.counts(t))
}

// A node that is drained finishes what it runs, and begins nothing: the other does.
func TestNodeIsDrained(t *testing.T) {
	t.Parallel()
	k := built(t)
	f := newFleet(t, k, pgtest.Database(t), []string{k.plain, k.plain})
	f.startAll(t)
	f.pushGuests(t, f.nodes[0])
	awaitRun(t, f.nodes[0].client, body{Name: "demo.echo"}, f.nodes[0].process, f.nodes[1].process)
	running := f.nodes[0].client.mustEnqueue(t, body{Name: "slow.once", Args: slowArgs(2000, "kept")})
	await(t, time.Minute, "the guest to begin", func() bool { return len(f.nodes[0].client.logs(t, running, 10)) == 1 })
	name := f.nodes[0].client.task(t, running).Node
	drained, other := f.nodes[0], f.nodes[1]
	if !drained.named(name) {
		drained, other = other, drained
	}

	f.taskhost(t, other, "node", "drain", name, "--wait")
	v := other.client.task(t, running)
	require.Equal(t, "success", v.Status, "the command waits for what runs")
	require.Equal(t, name, v.Node)
	require.Contains(t, f.taskhost(t, other, "node", "list"), "drain")
	for range 40 {
		v := drained.client.awaitEnd(t, drained.client.mustEnqueue(t, body{Name: "demo.echo"}))
		require.Equal(t, "success", v.Status)
		require.True(t, other.named(v.Node), "the drained node began a task")
	}
	f.taskhost(t, other, "node", "undrain", name)
	require.NotContains(t, f.taskhost(t, other, "node", "list"), "drain")
	awaitRun(t, other.client, body{Name: "demo.echo"}, drained.process)
	f.stop(t)
}
