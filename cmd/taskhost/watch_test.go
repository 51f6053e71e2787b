package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

func watchedEvent(t *testing.T, n int) string {
	t.Helper()
	text, err := json.Marshal(task.Event{
		Seq: int64(n), Time: time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.Local), TaskID: task.ID{15: byte(n)}, Name: "a\x1b",
		Status: task.Failed, Attempt: n, Node: "n", Cause: task.CauseTrap, Source: task.Manual,
	})
	require.NoError(t, err)
	return fmt.Sprintf("id: at-%d\nevent: task\ndata: %s\n\n", n, text)
}

// A stream that breaks off is gone on with, behind what came last, which may be no event.
func TestWatchGoesOnAfterABreak(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/v1/events?name=a&status=failed%2Csuccess", r.RequestURI)
		last := r.Header.Get("Last-Event-ID")
		switch asked.Add(1) {
		case 1:
			assert.Empty(t, last)
			fmt.Fprint(w, ": following\nid: at-0\n\n")
		case 2:
			assert.Equal(t, "at-0", last)
			fmt.Fprint(w, watchedEvent(t, 1), watchedEvent(t, 2), ": following\nid: at-7\n\n")
		case 3:
			w.WriteHeader(503)
			fmt.Fprint(w, `{"status":503,"code":"unavailable"}`)
		default:
			assert.Equal(t, "at-7", last)
			fmt.Fprint(w, watchedEvent(t, 8), "event: gone\ndata: {\"status\":410,\"code\":\"events_gone\",\"detail\":\"list the tasks\"}\n\n")
		}
	}))
	t.Cleanup(server.Close)
	var out bytes.Buffer
	a := &app{stdout: &out, settings: &settings{Output: "table"}}
	c := newClient(server.URL, "")
	t.Cleanup(c.http.CloseIdleConnections)
	err := a.watch(t.Context(), c, &watching{name: "a", statuses: []string{"failed", "success"}})
	require.ErrorContains(t, err, "list the tasks")
	line := "03:04:05.006 failed      %d a\uFFFD 00000000-0000-0000-0000-00000000000%d on n (trap)\n"
	require.Equal(t, fmt.Sprintf(line+line+line, 1, 1, 2, 2, 8, 8), out.String())
}

func TestWatchPrintsJSON(t *testing.T) {
	var out bytes.Buffer
	a := &app{stdout: &out, settings: &settings{Output: "json"}}
	require.NoError(t, a.printEvent(&task.Event{Seq: 1, Name: "a", Status: task.Pending, Source: task.Manual}))
	require.JSONEq(t, `{"seq":1,"time":"0001-01-01T00:00:00Z","task_id":"00000000-0000-0000-0000-000000000000","name":"a","status":"pending","attempt":0,"source":"manual"}`, out.String())
}

func TestEventRetention(t *testing.T) {
	for text, want := range map[string]time.Duration{"1h": time.Hour, "0": -1, "0s": -1, "2d": 48 * time.Hour} {
		got, err := (&eventSettings{text}).retention()
		require.NoError(t, err)
		require.Equal(t, want, got, text)
	}
	_, err := (&eventSettings{"30"}).retention()
	require.ErrorContains(t, err, `events.retention: "30" is no duration`)
}

// TestWatch, end to end: a server says what happens until it stops, and the command goes
// on with the next one.
func TestWatch(t *testing.T) {
	s := serve(t, "--shutdown-timeout", "100ms")
	token, err := readToken(s.dir + "/" + tokenFile)
	require.NoError(t, err)
	c := newClient(s.address.URL, token)
	defer c.http.CloseIdleConnections()
	_, err = c.pushModule(t.Context(), "tiny", tinyModule())
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan int, 1)
	stdout, stderr := new(syncBuffer), new(syncBuffer)
	go func() {
		watched <- run(ctx, []string{"task", "watch", "--name", "tiny.fail", "--data-dir", s.dir}, nil, strings.NewReader(""), stdout, stderr)
	}()
	enqueue := func(name string) {
		require.NoError(t, c.do(t.Context(), http.MethodPost, "/v1/tasks?wait=30s", "application/json", []byte(`{"name":"`+name+`"}`), nil, nil))
	}
	require.Eventually(t, func() bool { // it begins when it has connected
		enqueue("tiny.echo")
		enqueue("tiny.fail")
		return strings.Contains(stdout.String(), " failed ")
	}, 30*time.Second, 5*time.Millisecond, "%s", stderr)
	require.NotContains(t, stdout.String(), "tiny.echo")
	require.Regexp(t, `(?m)^[0-9:.]{12} running     1 tiny\.fail [0-9a-f-]{36} on \S+\n[0-9:.]{12} pending     1 tiny\.fail [0-9a-f-]{36} on \S+ \(error\)$`, stdout)
	begun := time.Now()
	require.Zero(t, s.end(t), s.stderr)
	require.Less(t, time.Since(begun), requestGrace, "the stream had to be cut off")
	cancel()
	require.Zero(t, <-watched, stderr)
}
