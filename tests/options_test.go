package tests_test

import (
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What one call chooses is what is stored, shown and done.
func TestEnqueueOptions(t *testing.T) {
	t.Parallel()
	_, c := serve(t, built(t).dataDir(t))

	t.Run("tags, priority and timeout", func(t *testing.T) {
		tags := map[string]string{"customer": "Müller & Söhne", "empty": "", "spaces are fine": `"'\`}
		v := c.task(t, c.mustEnqueue(t, body{Name: "demo.echo", Args: json.RawMessage("1"), Priority: 9, Tags: tags, Timeout: "1m30s"}))
		require.Equal(t, tags, v.Tags)
		require.Equal(t, 9, v.Priority)
		require.InDelta(t, 90, v.Timeout, 0)
		require.Equal(t, "flaky", v.Module.Name)
		require.Equal(t, 1, v.Module.Version)
		require.Equal(t, 1, v.MaxAttempts)
	})
	t.Run("delay", func(t *testing.T) {
		id := c.mustEnqueue(t, body{Name: "demo.echo", Args: json.RawMessage("1"), Delay: "700ms"})
		v := c.task(t, id)
		require.Equal(t, "pending", v.Status)
		require.Equal(t, v.Created.Add(700*time.Millisecond), v.RunAt)
		require.NotNil(t, v.Next)
		require.Equal(t, v.RunAt, *v.Next)
		require.Nil(t, v.Started)
		v = c.awaitEnd(t, id)
		require.Equal(t, "success", v.Status)
		require.Less(t, v.Started.Sub(v.RunAt), 5*time.Second)
		require.GreaterOrEqual(t, v.Started.Sub(v.RunAt), -time.Millisecond, "how exact it is has a test of its own")
	})
	t.Run("run_at", func(t *testing.T) {
		at := time.Now().Add(600 * time.Millisecond).In(time.FixedZone("", 5*3600+1800)).Truncate(time.Millisecond)
		id := c.mustEnqueue(t, body{Name: "demo.echo", Args: json.RawMessage("1"), RunAt: at.Format(time.RFC3339Nano)})
		v := c.task(t, id)
		require.True(t, v.RunAt.Equal(at), "%v, asked for %v", v.RunAt, at)
		require.False(t, c.awaitEnd(t, id).Started.Before(at))
	})
	t.Run("run_at in the past", func(t *testing.T) {
		v := c.awaitEnd(t, c.mustEnqueue(t, body{Name: "demo.echo", Args: json.RawMessage("1"), RunAt: "2001-02-03T04:05:06Z"}))
		require.Equal(t, v.Created, v.RunAt)
		require.Equal(t, "success", v.Status)
	})
	t.Run("a retry waits", func(t *testing.T) {
		id := c.mustEnqueue(t, body{Name: "demo.flaky", Args: json.RawMessage(`{"fail_times":3}`)})
		var v taskView
		await(t, 30*time.Second, "the wait before the third retry", func() bool {
			v = c.task(t, id)
			return v.Attempt == 3 && v.Status == "pending" || v.terminal()
		})
		require.Equal(t, "pending", v.Status)
		require.Equal(t, "attempt 3 of 3 that fail", v.Error)
		require.True(t, v.Next.After(v.RunAt))
		v = c.awaitEnd(t, id)
		require.Equal(t, "success", v.Status)
		require.Empty(t, v.Error)
		require.GreaterOrEqual(t, v.Ended.Sub(*v.Started), 1400*time.Millisecond, "200, 400 and 800 ms")
	})
}

// An idempotency key enqueues once, for many who call at once.
func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	p, c := serve(t, built(t).dataDir(t))
	once := body{Name: "demo.echo", Args: json.RawMessage(`{"order":17}`)}

	const callers = 16
	ids := make([]string, callers)
	var stored atomic.Int64
	var calls sync.WaitGroup
	for i := range callers {
		calls.Go(func() {
			id, a, err := c.enqueue(t.Context(), once, "Idempotency-Key", "order 17")
			if err != nil || !a.taken() {
				t.Errorf("%v, %d %s", err, a.status, a.body)
			}
			if a.status == 201 {
				stored.Add(1)
			}
			ids[i] = id
		})
	}
	calls.Wait()
	for _, id := range ids {
		require.Equal(t, ids[0], id)
	}
	require.EqualValues(t, 1, stored.Load(), "the others are told that it was there")
	require.Equal(t, "order 17", c.awaitEnd(t, ids[0]).Key)
	require.Equal(t, ids[0], c.mustEnqueue(t, once, "Idempotency-Key", "order 17"), "also after it has succeeded")

	other := once
	other.Args = json.RawMessage(`{"order":18}`)
	c.request(t, "POST", "/v1/tasks", other.text(), "Idempotency-Key", "order 17").problem(t, 422, "idempotency_key_reused")
	require.NotEqual(t, ids[0], c.mustEnqueue(t, other, "Idempotency-Key", "order 18"))

	// A task that has failed lets go of its key: the next call is another try.
	broken := body{Name: "demo.broken"}
	failed := c.mustEnqueue(t, broken, "Idempotency-Key", "order 17")
	require.NotEqual(t, ids[0], failed, "a key is a definition's own")
	require.Equal(t, "failed", c.awaitEnd(t, failed).Status)
	require.NotEqual(t, failed, c.mustEnqueue(t, broken, "Idempotency-Key", "order 17"))

	p.stop(t)
	p, c = serve(t, p.dir)
	require.Equal(t, ids[0], c.mustEnqueue(t, once, "Idempotency-Key", "order 17"), "also after a restart")
	p.stop(t)
}

// A task does not start before it is due, however often tickets are looked at:
// each task that is stored has the server look.
func TestNothingStartsEarly(t *testing.T) {
	t.Parallel()
	k := built(t)
	p, c := serveBinary(t, k.plain, k.dataDir(t))
	push(t, c, "tiny", declaring(`{"definitions":[{"name":"tiny.nothing"}]}`)) // it takes no time
	var idle []time.Duration
	for range 21 {
		v := c.awaitEnd(t, c.mustEnqueue(t, body{Name: "tiny.nothing"}))
		idle = append(idle, v.Started.Sub(v.Created))
	}
	slices.Sort(idle)
	t.Logf("from being stored to being claimed, on an idle server: %s", spread(idle))

	const tasks, apart = 400, 4 * time.Millisecond
	base := time.Now().Add(3 * time.Second).Truncate(time.Second)
	ids := make([]string, tasks)
	for i := range ids {
		at := base.Add(time.Duration(i)*apart + 999*time.Microsecond)
		ids[i] = c.mustEnqueue(t, body{Name: "tiny.nothing", RunAt: at.Format(time.RFC3339Nano)})
	}
	var others sync.WaitGroup
	var stored atomic.Int64
	begun := time.Now()
	for range 3 {
		others.Go(func() {
			own := newClient(p.url, p.token)
			defer own.close()
			for time.Now().Before(base.Add(tasks * apart)) {
				if _, a, err := own.enqueue(t.Context(), body{Name: "tiny.nothing", Delay: "10m"}); err != nil || a.status != 201 {
					t.Errorf("%v, %d %s", err, a.status, a.body)
					return
				}
				stored.Add(1)
			}
		})
	}
	others.Wait()
	t.Logf("3 clients enqueued %.0f tasks a second", float64(stored.Load())/time.Since(begun).Seconds())
	early := 0
	for _, id := range ids {
		if v := c.awaitEnd(t, id); v.Started.Before(v.RunAt) {
			if early++; early > 3 {
				continue
			}
			t.Logf("%s was due at %v and started %v earlier", id, v.RunAt, v.RunAt.Sub(*v.Started))
		}
	}
	require.Zero(t, early, "of %d", tasks)
}
