package tests_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// client talks HTTP and nothing more: it tries once, and takes every status.
type client struct {
	url, token string
	transport  *http.Transport
	http       *http.Client
}

func newClient(url, token string) *client {
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	return &client{url: url, token: token, transport: transport, http: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (c *client) close() { c.transport.CloseIdleConnections() }

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// send sends one request. The header is names and values by turns.
func (c *client) send(ctx context.Context, method, path string, body []byte, header ...string) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := c.http.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, text}, err
}

// request sends one request that must be answered.
func (c *client) request(t *testing.T, method, path string, body []byte, header ...string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	a, err := c.send(ctx, method, path, body, header...)
	require.NoError(t, err)
	return a
}

// read sends a GET that must succeed, and decodes the answer.
func (c *client) read(t *testing.T, path string, into any) {
	t.Helper()
	a := c.request(t, "GET", path, nil)
	require.Equal(t, 200, a.status, "%s", a.body)
	require.NoError(t, json.Unmarshal(a.body, into), "%s", a.body)
}

// body writes the body of an enqueue.
type body struct {
	Name     string            `json:"name"`
	Args     json.RawMessage   `json:"args,omitempty"`
	Priority int               `json:"priority,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
	Delay    string            `json:"delay,omitempty"`
	RunAt    string            `json:"run_at,omitempty"`
	Timeout  string            `json:"timeout,omitempty"`
}

// text writes args as they are: json.Marshal would make them compact.
func (b body) text() []byte {
	args := b.Args
	b.Args = nil
	text, err := json.Marshal(b)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	if len(args) == 0 {
		return text
	}
	return append(append(append(text[:len(text)-1], `,"args":`...), args...), '}')
}

// enqueue enqueues and returns the id. It may be called from any goroutine.
func (c *client) enqueue(ctx context.Context, b body, header ...string) (id string, a answer, err error) {
	a, err = c.send(ctx, "POST", "/v1/tasks", b.text(), header...)
	if err != nil || !a.taken() {
		return "", a, err
	}
	var out struct {
		ID        string `json:"task_id"`
		Duplicate bool   `json:"duplicate"`
	}
	err = json.Unmarshal(a.body, &out)
	if err == nil && out.Duplicate != (a.status == 200) {
		err = fmt.Errorf("answered %d: %s", a.status, a.body)
	}
	return out.ID, a, err
}

// taken reports whether an enqueue stored a task, or found the one that it means.
func (a answer) taken() bool { return a.status == 201 || a.status == 200 }

// mustEnqueue enqueues what must be accepted.
func (c *client) mustEnqueue(t *testing.T, b body, header ...string) string {
	t.Helper()
	id, a, err := c.enqueue(t.Context(), b, header...)
	require.NoError(t, err)
	require.True(t, a.taken(), "%d %s", a.status, a.body)
	require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, id)
	require.Equal(t, "/v1/tasks/"+id, a.header.Get("Location"))
	return id
}

func (c *client) task(t *testing.T, id string) taskView {
	t.Helper()
	var v taskView
	c.read(t, "/v1/tasks/"+id, &v)
	require.Equal(t, id, v.ID)
	return v
}

// awaitEnd waits until a task is terminal.
func (c *client) awaitEnd(t *testing.T, id string) taskView {
	t.Helper()
	var v taskView
	await(t, 60*time.Second, "the end of task "+id, func() bool {
		v = c.task(t, id)
		return v.terminal()
	})
	return v
}

// awaitStatus waits until a task has a state.
func (c *client) awaitStatus(t *testing.T, id, status string) taskView {
	t.Helper()
	var v taskView
	await(t, 60*time.Second, "task "+id+" to be "+status, func() bool {
		v = c.task(t, id)
		require.False(t, v.terminal() && v.Status != status, "%+v", v)
		return v.Status == status
	})
	return v
}

// problem is a problem document.
type problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Errors []struct {
		Path    string `json:"path"`
		Problem string `json:"problem"`
	} `json:"errors"`
	Near []string `json:"near"`
	Task string   `json:"task_id"`
}

// inside are the traces that the program's inside leaves in a text: types and
// packages of Go, its sources, and paths of the host.
var inside = regexp.MustCompile(`\bGo (value|struct)|goroutine|\.go:\d|runtime\.|0x[0-9a-f]{6,}|(?:^|[\s"'(])/(?:root|home|work|tmp|var|usr|etc)/|` +
	`\b(?:json|task|modules|huma|httpapi|sql|sqlite|host|wazero|strconv|url|time|context|errors|fmt|riverstore|sqlitestore|pgstore|pgx|pgconn|pgxpool)\.[A-Za-z]`)

// problem checks that an answer is a problem document that tells nothing of the
// inside.
func (a answer) problem(t *testing.T, status int, code string) problem {
	t.Helper()
	require.Equal(t, status, a.status, "%s", a.body)
	require.Equal(t, "application/problem+json", a.header.Get("Content-Type"), "%s", a.body)
	require.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"))
	var p problem
	decoder := json.NewDecoder(bytes.NewReader(a.body))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&p), "%s", a.body)
	require.Equal(t, status, p.Status)
	require.Equal(t, http.StatusText(status), p.Title)
	require.Equal(t, code, p.Code, "%s", a.body)
	require.NotEmpty(t, p.Detail)
	require.NotRegexp(t, inside, p.Detail)
	require.NotContains(t, string(a.body), scratch)
	for _, e := range p.Errors {
		require.NotRegexp(t, inside, e.Problem)
		require.NotEmpty(t, strings.TrimSpace(e.Problem))
	}
	return p
}
