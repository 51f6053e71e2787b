package pgstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/pgtest"
	"github.com/taskhost/taskhost/pgstore"
	"github.com/taskhost/taskhost/task"
)

// TestDatabaseGoesAwayAndComesBack: the server is killed under two nodes that work,
// and under callers. What was acknowledged is not lost, callers hear that the
// database cannot be used, tasks that ran all the while run once, and everything
// goes on by itself.
func TestDatabaseGoesAwayAndComesBack(t *testing.T) {
	t.Parallel()
	server, err := pgtest.Start(t.Context(), pgtest.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	url := server.URL("postgres")

	var runs sync.Map // by task, how often it began
	goOn := make(chan struct{})
	handler := func(ctx context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		n, _ := runs.LoadOrStore(exec.Task.ID, new(atomic.Int32))
		n.(*atomic.Int32).Add(1)
		if string(exec.Args) == `"slow"` {
			select {
			case <-goOn:
			case <-ctx.Done():
			}
		}
		return echo(ctx, exec, nil)
	}
	nodes := make([]*pgstore.Store, 2)
	for i := range nodes {
		nodes[i] = open(t, pgstore.Config{URL: url})
		require.NoError(t, nodes[i].Start(t.Context(), handlerFunc(handler), serveConfig(fmt.Sprintf("node-%d", i))))
	}
	store := nodes[0]

	var slow []task.ID
	for range 4 {
		id, err := store.Enqueue(t.Context(), task.Request{Name: "work", Args: json.RawMessage(`"slow"`)})
		require.NoError(t, err)
		slow = append(slow, id)
	}
	for _, id := range slow {
		await(t, 10*time.Second, "a slow task to begin", func() bool { _, begun := runs.Load(id); return begun })
	}
	acknowledged, refusals := enqueueThrough(t, store, func() {
		for range 2 {
			require.NoError(t, server.Kill())
			await(t, 10*time.Second, "the outage to show", func() bool { return errors.Is(store.Ping(t.Context()), task.ErrUnavailable) })
			<-time.After(700 * time.Millisecond)
			require.NoError(t, server.Restart(t.Context()))
			await(t, 10*time.Second, "the end of the outage to show", func() bool { return store.Ping(t.Context()) == nil })
			<-time.After(300 * time.Millisecond)
		}
	})
	close(goOn)
	t.Logf("%d tasks acknowledged, %d calls refused", len(acknowledged), refusals)
	require.NotZero(t, refusals)
	for _, id := range append(acknowledged, slow...) {
		got := within(t, store, id, 20*time.Second)
		require.Equal(t, task.Success, got.Status)
		require.Zero(t, got.Crashes, "its node lived all the while")
	}
	for _, id := range slow {
		n, _ := runs.Load(id)
		require.Equal(t, int32(1), n.(*atomic.Int32).Load(), "it was running when the database went")
	}
	require.Zero(t, number(t, url, "SELECT count(*) FROM taskhost.task WHERE status IN ('pending', 'running')"))
	require.Zero(t, number(t, url, "SELECT count(*) FROM taskhost.river_job"))
	require.Equal(t, 2, number(t, url, "SELECT count(*) FROM taskhost.node"))
}

// enqueueThrough has callers enqueue all the while, and returns what was
// acknowledged and how often they were refused.
func enqueueThrough(t *testing.T, store *pgstore.Store, while func()) (acknowledged []task.ID, refusals int64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	var refused atomic.Int64
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			pause := time.NewTicker(5 * time.Millisecond)
			defer pause.Stop()
			for ctx.Err() == nil {
				<-pause.C
				id, err := store.Enqueue(t.Context(), task.Request{Name: "work"})
				switch {
				case err == nil:
					mu.Lock()
					acknowledged = append(acknowledged, id)
					mu.Unlock()
				case errors.Is(err, task.ErrUnavailable):
					refused.Add(1)
				default:
					t.Errorf("neither stored nor refused for the right reason: %v", err)
					return
				}
			}
		})
	}
	while()
	cancel()
	callers.Wait()
	return acknowledged, refused.Load()
}

// TestStartWithoutDatabase: a node that cannot make itself known does not start,
// and says why at once.
func TestStartWithoutDatabase(t *testing.T) {
	t.Parallel()
	server, err := pgtest.Start(t.Context(), pgtest.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	store := open(t, pgstore.Config{URL: server.URL("postgres")})
	require.NoError(t, server.Halt())
	begun := time.Now()
	require.ErrorIs(t, store.Start(t.Context(), handlerFunc(echo), serveConfig("node")), task.ErrUnavailable)
	require.Less(t, time.Since(begun), 5*time.Second)
	_, err = store.Enqueue(t.Context(), task.Request{Name: "work"})
	require.ErrorIs(t, err, task.ErrUnavailable)

	require.NoError(t, server.Restart(t.Context()))
	start(t, store, echo)
	id, err := store.Enqueue(t.Context(), task.Request{Name: "work"})
	require.NoError(t, err)
	require.Equal(t, task.Success, within(t, store, id, 10*time.Second).Status)
}
