package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

// TestCtrlCLeavesTheTask: what was waited for goes on, and can be found again.
func TestCtrlCLeavesTheTask(t *testing.T) {
	const id = "01890a5d-ac96-774b-bcce-b302099a8057"
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost:
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write([]byte(`{"task_id":"` + id + `"}`))
		case r.URL.Query().Has("wait"):
			cancel()
			<-r.Context().Done()
		default:
			_, _ = w.Write([]byte(`{"status":"running"}`))
		}
	}))
	defer server.Close()
	var stdout, stderr bytes.Buffer
	environ := []string{"HOME=" + t.TempDir(), "TASKHOST_TOKEN=th_secret"}
	code := run(ctx, []string{"task", "enqueue", "a", "--wait", "--server", server.URL}, environ, strings.NewReader(""), &stdout, &stderr)
	require.Equal(t, exitInterrupted, code)
	require.Empty(t, stdout.String())
	require.Equal(t, "task "+id+" is stored, whatever happens here; to look at it: taskhost task show "+id+" --server "+server.URL+"\ntaskhost: interrupted\n", stderr.String())
}

// TestAStopAnswersThoseWhoWait: the task goes on at the next start, and they are
// told how to find it.
func TestAStopAnswersThoseWhoWait(t *testing.T) {
	s := serve(t, "--shutdown-timeout", "100ms")
	token, err := readToken(s.dir + "/" + tokenFile)
	require.NoError(t, err)
	c := newClient(s.address.URL, token)
	defer c.http.CloseIdleConnections()
	_, err = c.pushModule(t.Context(), "tiny", tinyModule())
	require.NoError(t, err)

	var answer struct {
		ID     task.ID     `json:"task_id"`
		Status task.Status `json:"status"`
	}
	answered := make(chan error, 1)
	go func() {
		answered <- c.do(t.Context(), http.MethodPost, "/v1/tasks?wait=5m", "application/json", []byte(`{"name":"tiny.forever"}`), nil, &answer)
	}()
	require.Eventually(t, func() bool {
		nodes, err := c.nodes(t.Context())
		return err == nil && len(nodes) == 1 && nodes[0].Running[task.Wasm] == 1
	}, 30*time.Second, 5*time.Millisecond, "the task does not start")
	stopped := time.Now()
	require.Zero(t, s.end(t), s.stderr)
	require.Less(t, time.Since(stopped), requestGrace, "nobody had to be cut off")
	require.NoError(t, <-answered)
	require.False(t, answer.ID.IsZero())
	require.False(t, answer.Status.Terminal())
}

// TestEnqueueAnswersWithTheResult, end to end.
func TestEnqueueAnswersWithTheResult(t *testing.T) {
	address, _ := secretDatabase(t)
	for name, flags := range map[string][]string{"sqlite": nil, "postgres": {"--database", address}} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, flags...)
			token, err := readToken(s.dir + "/" + tokenFile)
			require.NoError(t, err)
			c := newClient(s.address.URL, token)
			defer c.http.CloseIdleConnections()
			_, err = c.pushModule(t.Context(), "tiny", tinyModule())
			require.NoError(t, err)
			for body, want := range map[string]string{
				`{"name":"tiny.echo","args":{"n":[1,2.50]}}`: `{"status":"success","result":{"n":[1,2.50]},"result_type":"application/json"}`,
				`{"name":"tiny.echo"}`:                       `{"status":"success","result":null,"result_type":"application/json"}`,
				`{"name":"tiny.fail"}`:                       `{"status":"failed","error":"it failed as asked"}`,
			} {
				var got map[string]json.RawMessage
				require.NoError(t, c.do(t.Context(), http.MethodPost, "/v1/tasks?wait=1m", "application/json", []byte(body), nil, &got))
				require.Contains(t, string(got["task"]), string(got["task_id"]))
				delete(got, "task")
				delete(got, "task_id")
				text, err := json.Marshal(got)
				require.NoError(t, err)
				require.JSONEq(t, want, string(text))
			}
			require.Zero(t, s.end(t), s.stderr)
		})
	}
}
