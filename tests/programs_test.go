package tests_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/pgtest"
)

// buildProgram builds a program of testdata.
func buildProgram(t *testing.T, name string) string {
	t.Helper()
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	binary := filepath.Join(t.TempDir(), name)
	require.NoError(t, goBuild(t.Context(), root, nil, "-o", binary, "./tests/testdata/"+name))
	return binary
}

// startEmbed starts the program of testdata/embed, which ends with the test.
func startEmbed(t *testing.T, binary, database, cache string) *process {
	t.Helper()
	p := &process{cmd: command(t.Context(), binary, database, cache), stderr: new(output), done: make(chan struct{})}
	stdout := new(output)
	p.cmd.Stdout, p.cmd.Stderr = stdout, p.stderr
	p.cmd.WaitDelay = 5 * time.Second
	require.NoError(t, p.cmd.Start())
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		require.NoError(t, p.kill())
		if t.Failed() {
			t.Logf("standard error of the program:\n%s", tail(p.stderr.String(), 4000))
		}
	})
	await(t, startTimeout, "the program to start", func() bool { return stdout.String() == "started\n" })
	return p
}

// A program with a Go function works the database beside taskhost serve. The
// function runs there alone, and waits while the program is away; modules run on
// both.
func TestFunctionsRunWhereTheyAre(t *testing.T) {
	t.Parallel()
	k := built(t)
	binary := buildProgram(t, "embed")
	f := newFleet(t, k, pgtest.Database(t), []string{k.race})
	f.startAll(t)
	server := f.nodes[0]
	f.pushGuests(t, server)
	cache := filepath.Join(k.template, "cache")
	program := startEmbed(t, binary, f.database, cache)
	require.Len(t, server.client.aliveNodes(t), 2)

	ids := make([]string, 20)
	for i := range ids {
		ids[i] = server.client.mustEnqueue(t, body{Name: "embed.greet", Args: json.RawMessage(fmt.Sprintf(`"%d"`, i))})
	}
	for i, id := range ids {
		requireGreeted(t, server.client, id, fmt.Sprint(i), program)
	}
	awaitRun(t, server.client, body{Name: "demo.echo"}, server.process, program)

	require.NoError(t, program.end())
	program.requireClean(t)
	id := server.client.mustEnqueue(t, body{Name: "embed.greet", Args: json.RawMessage(`"late"`)})
	await(t, time.Minute, "the task to have a reason to wait", func() bool {
		v := server.client.task(t, id)
		require.Equal(t, "pending", v.Status)
		return strings.Contains(v.Waiting, "embed.greet")
	})
	require.Equal(t, "success", server.client.awaitEnd(t, server.client.mustEnqueue(t, body{Name: "demo.echo"})).Status)
	require.Equal(t, "pending", server.client.task(t, id).Status)

	program = startEmbed(t, binary, f.database, cache)
	requireGreeted(t, server.client, id, "late", program)
	require.NoError(t, program.end())
	program.requireClean(t)
	f.stop(t)
}

func requireGreeted(t *testing.T, c *client, id, name string, by *process) {
	t.Helper()
	v := c.awaitEnd(t, id)
	require.Equal(t, "success", v.Status, "%+v", v)
	require.Equal(t, "async", v.Executor)
	require.True(t, by.named(v.Node), "%+v", v)
	require.Empty(t, v.Waiting)
	result, _ := c.result(t, id)
	require.Equal(t, fmt.Sprintf("%q", "Hello, "+name), string(result))
}

// A program that only enqueues does so in a transaction with rows of its own. It
// links no engine.
func TestEnqueueInATransaction(t *testing.T) {
	t.Parallel()
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "./testdata/enqueue")
	listed, err := list.Output()
	require.NoError(t, err)
	require.Contains(t, string(listed), "github.com/taskhost/taskhost/pgstore\n")
	for _, engine := range []string{"wazero", "taskhost/taskhost/host", "modernc.org", "taskhost/taskhost/sqlitestore"} {
		require.NotContains(t, string(listed), engine)
	}

	k := built(t)
	binary := buildProgram(t, "enqueue")
	f := newFleet(t, k, pgtest.Database(t), []string{k.plain})
	f.startAll(t)
	server := f.nodes[0]
	f.pushGuests(t, server)
	run := runToEnd(t, command(t.Context(), binary, f.database))
	require.Equal(t, 0, run.code, "%s", run.stderr)
	ids := strings.Fields(run.stdout)
	require.Len(t, ids, 2)
	v := server.client.awaitEnd(t, ids[0])
	require.Equal(t, "success", v.Status)
	t.Logf("from the commit to the start, by another process: %v", v.Started.Sub(v.Created))
	result, _ := server.client.result(t, ids[0])
	require.Equal(t, `"from a transaction"`, string(result))
	server.client.request(t, "GET", "/v1/tasks/"+ids[1], nil).problem(t, 404, "not_found")
	stored := readPostgres(t, f.database)
	require.Equal(t, ids[:1], stored.texts(t, "SELECT task_id::text FROM public.orders"))
	require.Equal(t, 1, stored.counts(t).tasks)
	f.stop(t)
}
