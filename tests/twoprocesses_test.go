package tests_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/sqlitestore"
	"github.com/taskhost/taskhost/task"
)

// While a server works the file, another process opens it and enqueues.
func TestTwoProcessesOneFile(t *testing.T) {
	t.Parallel()
	p, c := serve(t, built(t).dataDir(t))
	store, err := sqlitestore.Open(t.Context(), sqlitestore.Config{Path: p.dir + "/taskhost.db"})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()

	const writers, each = 5, 8
	args := func(n int) string { return fmt.Sprintf(`{"n":%d}`, n) }
	ids := make([]string, 0, 60)
	var mu sync.Mutex
	add := func(id string) {
		mu.Lock()
		defer mu.Unlock()
		ids = append(ids, id)
	}
	var enqueuing sync.WaitGroup
	for w := range writers { // 40 one by one
		enqueuing.Go(func() {
			for i := range each {
				id, err := store.Enqueue(t.Context(), task.Request{Name: "demo.echo", Args: []byte(args(w*each + i))})
				if err != nil {
					t.Error(err)
				}
				add(id.String())
			}
		})
	}
	enqueuing.Go(func() { // 10 at once
		requests := make([]task.Request, 10)
		for i := range requests {
			requests[i] = task.Request{Name: "demo.echo", Args: []byte(args(writers*each + i))}
		}
		many, err := store.EnqueueMany(t.Context(), requests)
		if err != nil {
			t.Error(err)
		}
		for _, id := range many {
			add(id.String())
		}
	})
	enqueuing.Go(func() { // and 10 over HTTP meanwhile
		for i := range 10 {
			id, a, err := c.enqueue(t.Context(), body{Name: "demo.echo", Args: json.RawMessage(args(50 + i))})
			if err != nil || a.status != 201 {
				t.Errorf("%v, %d %s", err, a.status, a.body)
			}
			add(id)
		}
	})
	enqueuing.Wait()
	require.False(t, t.Failed())

	results := make(map[string]bool)
	for _, id := range ids {
		require.Equal(t, "success", c.awaitEnd(t, id).Status)
		result, _ := c.result(t, id)
		results[string(result)] = true
	}
	require.Len(t, results, 60)
	for n := range 60 {
		require.Contains(t, results, args(n))
	}

	// The server finds what another process enqueues without being told.
	begun := time.Now()
	id, err := store.Enqueue(t.Context(), task.Request{Name: "demo.echo"})
	require.NoError(t, err)
	v := c.awaitEnd(t, id.String())
	require.Less(t, v.Started.Sub(v.Created), 5*time.Second)
	t.Logf("found after %v, ended after %v", v.Started.Sub(v.Created), time.Since(begun))
	_, err = store.Enqueue(t.Context(), task.Request{Name: "thumbs.resize", Args: []byte(`{}`)})
	var wrong *task.ArgumentError
	require.ErrorAs(t, err, &wrong)

	p.stop(t)
	counts := readFile(t, p.dir).counts(t)
	require.Equal(t, 61, counts.tasks)
	require.Zero(t, counts.tickets)
}
