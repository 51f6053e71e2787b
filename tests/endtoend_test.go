package tests_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image/jpeg"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/examples/inputs"
	"github.com/taskhost/taskhost/internal/pgtest"
)

const (
	endToEndClients = 8
	endToEndTasks   = 200
)

// The store is empty to begin with. Three guests are pushed to one server, 200
// tasks of all kinds are enqueued by 8 clients, and each is found as it has to be.
func TestEndToEnd(t *testing.T) {
	t.Parallel()
	k := built(t)
	kinds := endToEndKinds(t, k)
	tasks := make([]expected, endToEndTasks)
	for n := range tasks {
		tasks[n] = kinds[n%len(kinds)](n / len(kinds))
	}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		p, c := serve(t, k.emptyDataDir(t))
		endToEnd(t, k, tasks, readFile(t, p.dir), &node{process: p, client: c})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		f := newFleet(t, k, pgtest.Database(t), []string{k.plain})
		f.startAll(t)
		endToEnd(t, k, tasks, readPostgres(t, f.database), f.nodes...)
	})
	t.Run("postgres_three_nodes", func(t *testing.T) {
		t.Parallel()
		f := newFleet(t, k, pgtest.Database(t), []string{k.plain, k.race, k.plain})
		f.startAll(t) // one of them makes the tables
		endToEnd(t, k, tasks, readPostgres(t, f.database), f.nodes...)
	})
}

func endToEnd(t *testing.T, k *kit, tasks []expected, stored *tables, nodes ...*node) {
	t.Helper()
	for _, name := range []string{"thumbnail", "csvreport", "flaky"} {
		push(t, nodes[0].client, name, k.readGuest(t, name))
	}
	begun := time.Now()
	ids := enqueueAll(t, tasks, nodes)
	t.Logf("%d tasks enqueued by %d clients: %.0f a second", len(tasks), endToEndClients, float64(len(tasks))/time.Since(begun).Seconds())

	seen := make(map[string]bool)
	ran := make(map[*node]int)
	for n, id := range ids {
		require.False(t, seen[id], "one id for two tasks")
		seen[id] = true
		v := tasks[n].check(t, nodes[n%len(nodes)].client, id) // any of them knows
		require.Equal(t, 5, v.Priority)
		require.Empty(t, v.Tags)
		for _, node := range nodes {
			if node.named(v.Node) {
				ran[node]++
			}
		}
	}
	t.Logf("all ended within %.1f s", time.Since(begun).Seconds())
	total := 0
	for i, node := range nodes {
		require.Positive(t, ran[node], "node %d has run nothing", i)
		t.Logf("node %d ran %d", i, ran[node])
		total += ran[node]
	}
	require.Equal(t, len(tasks), total, "each ran on a node that there is")
	fetchEverywhere(t, nodes)

	extra := stored.counts(t).tasks - len(tasks)
	for _, node := range nodes {
		node.stop(t)
		require.NotContains(t, node.stderr.String(), "spaces and lines stay", "arguments are not logged")
	}
	stored.requireTickets(t)
	require.Equal(t, counts{tasks: len(tasks) + extra}, stored.counts(t))
}

// enqueueAll has clients enqueue, each at one of the nodes.
func enqueueAll(t *testing.T, tasks []expected, nodes []*node) []string {
	t.Helper()
	ids := make([]string, len(tasks))
	var clients sync.WaitGroup
	for i := range endToEndClients {
		clients.Go(func() {
			node := nodes[i%len(nodes)]
			own := newClient(node.url, node.token)
			defer own.close()
			for n := i; n < len(tasks); n += endToEndClients {
				id, a, err := own.enqueue(t.Context(), tasks[n].body)
				if err != nil || a.status != 201 {
					t.Errorf("enqueue %s: %v, %d %s", tasks[n].body.Name, err, a.status, a.body)
					return
				}
				ids[n] = id
			}
		})
	}
	clients.Wait()
	require.False(t, t.Failed())
	return ids
}

// fetchEverywhere pushes to the first node a module of which there is no compiled
// code anywhere: each node has to fetch it to run it.
func fetchEverywhere(t *testing.T, nodes []*node) {
	t.Helper()
	push(t, nodes[0].client, "tiny", declaring(`{"definitions":[{"name":"tiny.nothing"}]}`))
	var processes []*process
	for _, node := range nodes {
		processes = append(processes, node.process)
	}
	awaitRun(t, nodes[len(nodes)-1].client, body{Name: "tiny.nothing"}, processes...)
}

// endToEndKinds are makers of tasks, of which the n-th is made for n.
func endToEndKinds(t *testing.T, k *kit) []func(n int) expected {
	thumbnails := referenceThumbnails(t, k)
	return []func(n int) expected{
		func(n int) expected { return thumbnails[n%len(thumbnails)] },
		func(n int) expected { return expectEcho(fmt.Sprintf(echoArgs(n), n)) },
		func(n int) expected { return expectFlaky(n % 3) },
		func(n int) expected { return expectReport(int64(n), 2400+100*n) },
		func(n int) expected { return expectEcho(fmt.Sprintf(echoArgs(n+3), n)) },
		func(n int) expected { return expectBroken() },
		func(n int) expected { return expectFlaky(3 + n%2) },
	}
}

// referenceThumbnails has the same binary make each thumbnail without a server,
// and looks at what it made.
func referenceThumbnails(t *testing.T, k *kit) []expected {
	t.Helper()
	sizes := []struct{ w, h, width, height int }{{300, 200, 120, 80}, {200, 300, 16, 24}, {120, 90, 1024, 90}}
	out := make([]expected, len(sizes))
	var runs sync.WaitGroup
	for i, size := range sizes {
		photo := inputs.Photo(int64(i), size.w, size.h)
		args := mustJSON(map[string]any{"image": photo, "width": size.width})
		file := filepath.Join(t.TempDir(), "args.json")
		require.NoError(t, os.WriteFile(file, args, 0o600))
		runs.Go(func() {
			run := runToEnd(t, command(t.Context(), k.plain, "run", k.guests["thumbnail"], "thumbs.resize", "--args", "@"+file))
			if run.code != 0 {
				t.Errorf("taskhost run: exit code %d\n%s", run.code, run.stderr)
			}
			out[i] = expected{
				body: body{Name: "thumbs.resize", Args: args}, status: "success", attempts: 1, result: []byte(run.stdout),
			}
		})
	}
	runs.Wait()
	require.False(t, t.Failed())
	for i, size := range sizes {
		var made struct {
			Image         []byte `json:"image"`
			Width, Height int
		}
		require.NoError(t, json.Unmarshal(out[i].result, &made))
		picture, err := jpeg.DecodeConfig(bytes.NewReader(made.Image))
		require.NoError(t, err)
		want := []int{min(size.width, size.w), size.height}
		require.Equal(t, want, []int{picture.Width, picture.Height})
		require.Equal(t, want, []int{made.Width, made.Height})
		out[i].logs = []expectedLine{{1, "info", "resized", fmt.Sprintf(
			`{"from_width":%d,"from_height":%d,"from_bytes":%d,"width":%d,"height":%d,"bytes":%d}`,
			size.w, size.h, len(inputs.Photo(int64(i), size.w, size.h)), want[0], want[1], len(made.Image))}}
	}
	return out
}

// push pushes a guest that must be taken.
func push(t *testing.T, c *client, name string, wasm []byte) {
	t.Helper()
	a := c.request(t, "POST", "/v1/modules/"+name, wasm, "Content-Type", "application/wasm")
	require.Equal(t, 201, a.status, "%s", a.body)
	var version struct {
		Module  string `json:"module"`
		Version int    `json:"version"`
		Live    bool   `json:"live"`
	}
	require.NoError(t, json.Unmarshal(a.body, &version))
	require.Equal(t, name, version.Module)
	require.Equal(t, 1, version.Version)
	require.True(t, version.Live)
}
