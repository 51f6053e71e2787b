package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/httpapi"
	"github.com/taskhost/taskhost/task"
)

// ask has a server answer a request of the client's.
func ask(t *testing.T, answer http.HandlerFunc) (*client, error) {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	c := newClient(server.URL+"/", "th_secret")
	t.Cleanup(c.http.CloseIdleConnections)
	_, err := c.modules(t.Context())
	return c, err
}

func TestClientSendsItsToken(t *testing.T) {
	_, err := ask(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer th_secret" || r.URL.Path != "/v1/modules" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		_, _ = w.Write([]byte(`{"modules":[]}`))
	})
	require.NoError(t, err)
}

func TestClientFollowsNoRedirect(t *testing.T) {
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was followed") }))
	defer thief.Close()
	c, err := ask(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, thief.URL, http.StatusTemporaryRedirect)
	})
	require.EqualError(t, err, "the server at "+c.url+" answered 307 Temporary Redirect")
}

func TestClientReadsProblems(t *testing.T) {
	_, err := ask(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"status":404,"title":"Not Found","code":"not_found","detail":"no such thing"}`))
	})
	var problem *httpapi.Problem
	require.ErrorAs(t, err, &problem)
	require.EqualError(t, err, "no such thing")
	require.Equal(t, "not_found", problem.Code)
}

// TestClientSaysWhatIsWrong: where a problem has several places, the detail
// alone ("validation failed") would leave the reader with nothing.
func TestClientSaysWhatIsWrong(t *testing.T) {
	_, err := ask(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = w.Write([]byte(`{"status":422,"title":"Unprocessable Entity","code":"invalid","detail":"validation failed",
			"errors":[{"path":"body.priority","problem":"expected number <= 10"},{"path":"body.tags","problem":"expected object"}]}`))
	})
	require.ErrorContains(t, err, "body.priority")
	require.ErrorContains(t, err, "expected number <= 10")
	require.ErrorContains(t, err, "body.tags")
}

func TestClientOfAnotherServer(t *testing.T) {
	for name, test := range map[string]struct {
		status     int
		body, want string
	}{
		"a proxy's page":   {http.StatusBadGateway, "<html>", " answered 502 Bad Gateway"},
		"another's JSON":   {http.StatusNotFound, `{"error":"no"}`, " answered 404 Not Found"},
		"a page":           {http.StatusOK, "<html>", " answered something unexpected: "},
		"an empty success": {http.StatusOK, "", " answered something unexpected: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ask(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(test.status)
				_, _ = w.Write([]byte(test.body))
			})
			require.ErrorContains(t, err, test.want)
		})
	}
}

// awaited has a client wait for a task of a server that says these things in turn,
// and returns what it asked for.
func awaited(t *testing.T, bodies ...string) (got *task.Task, seen []task.Status, asked []string, err error) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := bodies[len(asked)]
		asked = append(asked, r.URL.Query().Get("wait"))
		if strings.Contains(body, "503") {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write([]byte(body))
	}))
	defer server.Close()
	c := newClient(server.URL, "")
	defer c.http.CloseIdleConnections()
	got, err = c.await(t.Context(), task.ID{1}, 20*time.Second, func(t *task.Task) { seen = append(seen, t.Status) })
	return got, seen, asked, err
}

// TestClientAwaits: the first answer comes at once, the server waits with the
// others. The second is early here, as of a server that knows of no waiting.
func TestClientAwaits(t *testing.T) {
	got, seen, asked, err := awaited(t, `{"status":"pending"}`, `{"status":"running"}`, `{"status":"failed"}`)
	require.NoError(t, err)
	require.Equal(t, task.Failed, got.Status)
	require.Equal(t, []task.Status{task.Pending, task.Running}, seen)
	require.Equal(t, []string{"", "20s", "20s"}, asked)
}

func TestClientAwaitsABusyServer(t *testing.T) {
	got, seen, _, err := awaited(t, `{"status":503,"code":"unavailable","detail":"try again"}`, `{"status":"success"}`)
	require.NoError(t, err)
	require.Equal(t, task.Success, got.Status)
	require.Empty(t, seen)
	_, _, _, err = awaited(t, `{"status":503}`)
	require.ErrorContains(t, err, "answered 503", "it is a proxy's, for all one knows")
}
