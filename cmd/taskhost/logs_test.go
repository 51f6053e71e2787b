package main

import (
	"bytes"
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

func logOf(lease, n int64, attempt int, message string) task.LogEntry {
	return task.LogEntry{Seq: lease<<task.LogSeqBits | n, Attempt: attempt, Time: time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.Local), Level: task.Info, Message: message}
}

func eventOf(t *testing.T, entry task.LogEntry) string {
	t.Helper()
	text, err := json.Marshal(entry)
	require.NoError(t, err)
	return fmt.Sprintf("id: %d\nevent: log\ndata: %s\n\n", entry.Seq, text)
}

// A line stands between attempts, also where one was given back and the next has its
// number.
func TestLogsShowWhereAttemptsEnd(t *testing.T) {
	var out bytes.Buffer
	p := &logPrinter{app: &app{stdout: &out, settings: &settings{Output: "table"}}}
	for _, entry := range []task.LogEntry{
		logOf(1, 0, 1, "a"), logOf(1, 1, 1, "b"), logOf(3, 0, 1, "again"), logOf(5, 0, 2, "c"),
	} {
		require.NoError(t, p.print(entry))
	}
	require.Equal(t, "03:04:05.006 1 info  a \n03:04:05.006 1 info  b \n--- attempt 1 ---\n03:04:05.006 1 info  again \n--- attempt 2 ---\n03:04:05.006 2 info  c \n", out.String())
}

// A server that goes away breaks the stream off. It is asked again, after the line that
// was printed last.
func TestFollowGoesOnAfterABreak(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "true", r.URL.Query().Get("follow"))
		after := r.URL.Query().Get("after")
		switch asked.Add(1) {
		case 1:
			assert.Equal(t, "0", after)
			fmt.Fprint(w, ": nothing new\n\n", eventOf(t, logOf(1, 0, 1, "first")))
		case 2:
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(503)
			fmt.Fprint(w, `{"status":503,"code":"unavailable"}`)
		default:
			assert.Equal(t, fmt.Sprint(int64(1)<<task.LogSeqBits), after)
			fmt.Fprint(w, eventOf(t, logOf(1, 1, 1, "second")), "event: end\ndata: {\"status\":\"success\"}\n\n")
		}
	}))
	t.Cleanup(server.Close)
	var out bytes.Buffer
	a := &app{stdout: &out, stderr: &out, settings: &settings{Output: "table"}}
	c := newClient(server.URL, "")
	t.Cleanup(c.http.CloseIdleConnections)
	require.NoError(t, a.followLogs(t.Context(), c, task.ID{1}, &logPrinter{app: a}))
	require.EqualValues(t, 3, asked.Load())
	require.Equal(t, 2, strings.Count(out.String(), "\n"))
}

func TestFollowSaysWhatIsRefused(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(404)
		fmt.Fprint(w, `{"status":404,"code":"not_found","detail":"task x: not found"}`)
	}))
	t.Cleanup(server.Close)
	a := &app{stdout: new(bytes.Buffer), settings: &settings{}}
	err := a.followLogs(t.Context(), newClient(server.URL, ""), task.ID{1}, &logPrinter{app: a})
	require.ErrorContains(t, err, "not found")
}
