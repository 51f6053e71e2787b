package tests_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/pgtest"
)

const (
	burstCallers = 1000
	// burstConnections bounds those of the client, which come out of the same limits
	// of the system as the server's.
	burstConnections = 400
)

// A crowd enqueues at the same moment, each once. Every call is answered, and what was
// acknowledged is stored once and runs once.
func TestBurst(t *testing.T) {
	t.Parallel()
	k := built(t)
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		p, c := serveBinary(t, k.plain, k.emptyDataDir(t), inProcess...)
		push(t, c, "flaky", k.readGuest(t, "flaky"))
		burst(t, readFile(t, p.dir), &node{process: p, client: c})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		f := newFleet(t, k, pgtest.Database(t), []string{k.plain, k.plain}, inProcess...)
		f.startAll(t)
		push(t, f.nodes[0].client, "flaky", k.readGuest(t, "flaky"))
		burst(t, readPostgres(t, f.database), f.nodes...)
	})
}

func burst(t *testing.T, stored *tables, nodes ...*node) {
	t.Helper()
	callers := int(setting(t, "TASKHOST_TEST_CALLERS", burstCallers))
	ids, took := make([]string, callers), make([]time.Duration, callers)
	clients := make([]*client, len(nodes))
	for i, n := range nodes {
		clients[i] = newClient(n.url, n.token)
		clients[i].transport.MaxConnsPerHost = burstConnections
		clients[i].transport.MaxIdleConnsPerHost = burstConnections
		defer clients[i].close()
	}
	var calling sync.WaitGroup
	begin := make(chan struct{})
	for i := range callers {
		calling.Go(func() {
			<-begin
			at := time.Now()
			id, a, err := clients[i%len(clients)].enqueue(t.Context(), body{Name: "demo.echo", Args: fmt.Append(nil, i)})
			if err != nil || a.status != http.StatusCreated {
				t.Errorf("caller %d: %v, %d %s", i, err, a.status, a.body)
			}
			ids[i], took[i] = id, time.Since(at)
		})
	}
	at := time.Now()
	close(begin)
	calling.Wait()
	all := time.Since(at)
	require.False(t, t.Failed())
	await(t, 5*time.Minute, "all tasks to end", func() bool {
		counts := stored.counts(t)
		return counts.pending+counts.running == 0
	})
	slices.Sort(took)
	t.Logf("%d callers: %.0f a second, p50 %v, p99 %v, most %v; all tasks had ended after %v", callers, float64(callers)/all.Seconds(),
		took[callers/2].Round(time.Millisecond), took[callers*99/100].Round(time.Millisecond), took[callers-1].Round(time.Millisecond), time.Since(at).Round(time.Millisecond))
	for _, n := range nodes {
		n.stop(t)
	}
	stored.requireTickets(t)
	tasks, attempts := stored.tasks(t), stored.attempts(t)
	require.Len(t, tasks, callers)
	for i, id := range ids {
		require.Contains(t, tasks, id)
		require.Equal(t, "success", tasks[id].status, "%+v", tasks[id])
		require.Equal(t, fmt.Sprint(i), string(tasks[id].result))
		require.Len(t, attempts[id], 1)
	}
}
