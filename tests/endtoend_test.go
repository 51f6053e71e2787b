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
)

const (
	endToEndClients = 8
	endToEndTasks   = 200
)

// The server is empty to begin with. Three guests are pushed, 200 tasks of all
// kinds are enqueued by 8 clients, and each is found as it has to be.
func TestEndToEnd(t *testing.T) {
	t.Parallel()
	k := built(t)
	p, c := serve(t, k.emptyDataDir(t))
	for _, name := range []string{"thumbnail", "csvreport", "flaky"} {
		push(t, c, name, k.readGuest(t, name))
	}
	kinds := endToEndKinds(t, k)

	tasks := make([]expected, endToEndTasks)
	for n := range tasks {
		tasks[n] = kinds[n%len(kinds)](n / len(kinds))
	}
	begun := time.Now()
	ids := make([]string, endToEndTasks)
	var clients sync.WaitGroup
	for i := range endToEndClients {
		clients.Go(func() {
			own := newClient(p.url, p.token)
			defer own.close()
			for n := i; n < endToEndTasks; n += endToEndClients {
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
	t.Logf("%d tasks enqueued by %d clients: %.0f a second", endToEndTasks, endToEndClients, endToEndTasks/time.Since(begun).Seconds())

	seen := make(map[string]bool)
	for n, id := range ids {
		require.False(t, seen[id], "one id for two tasks")
		seen[id] = true
		v := tasks[n].check(t, c, id)
		require.Equal(t, 5, v.Priority)
		require.Empty(t, v.Tags)
	}
	t.Logf("all ended within %.1f s", time.Since(begun).Seconds())

	p.stop(t)
	require.NotContains(t, p.stderr.String(), "spaces and lines stay", "arguments are not logged")
	counts := readFile(t, p.dir).counts(t)
	require.Equal(t, endToEndTasks, counts.tasks)
	require.Zero(t, counts.tickets)
	require.Zero(t, counts.pending)
	require.Zero(t, counts.running)
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
