package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

// ending is a fake whose task has that status and result once its Await returns.
func ending(t *testing.T, status task.Status, result []byte, contentType string) *fake {
	t.Helper()
	return &fake{
		enqueue: func(task.Request) (task.ID, error) { return parsedID(t), nil },
		await:   func(context.Context, task.ID) error { return nil },
		task: func(id task.ID) (*task.Task, error) {
			out := &task.Task{ID: id, Name: "a", Status: status}
			if status == task.Failed {
				out.Error = "it broke"
			}
			return out, nil
		},
		result: func(task.ID) ([]byte, string, error) { return result, contentType, nil },
	}
}

func untilContextEnds(ctx context.Context, _ task.ID) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

func TestEnqueueWaitsForTheResult(t *testing.T) {
	var order []string
	f := ending(t, task.Success, []byte(`{"width": 240, "of": "<&>"}`), "application/json")
	f.enqueue = func(task.Request) (task.ID, error) {
		order = append(order, "enqueue")
		return parsedID(t), nil
	}
	f.await = func(ctx context.Context, id task.ID) error {
		order = append(order, "await")
		require.Equal(t, parsedID(t), id)
		deadline, ok := ctx.Deadline()
		require.True(t, ok)
		require.WithinDuration(t, time.Now().Add(90*time.Second), deadline, 10*time.Second)
		return nil
	}
	got := serve(t, f).send(t, "POST", "/v1/tasks?wait=1m30s", `{"name":"a"}`)
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	require.Equal(t, []string{"enqueue", "await"}, order)
	require.Equal(t, "/v1/tasks/"+sampleID, got.header.Get("Location"))
	require.Equal(t, "application/json", got.header.Get("Content-Type"))
	record, err := json.Marshal(&task.Task{ID: parsedID(t), Name: "a", Status: task.Success})
	require.NoError(t, err)
	require.JSONEq(t, `{"task_id":"`+sampleID+`","status":"success","result":{"width":240,"of":"<&>"},"result_type":"application/json","task":`+string(record)+`}`, string(got.body))
}

// TestResultsInAnAnswer: whatever a guest returns, the answer can be read, and
// holds it.
func TestResultsInAnAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		result            string
		contentType, want string
	}{
		"a number":               {`12345678901234567890123`, "application/json", `"result":12345678901234567890123`},
		"JSON's null":            {`null`, "application/json", `"result":null`},
		"nothing":                {``, "", `"result":null`},
		"nothing of a type":      {``, "image/png", `"result":null`},
		"JSON by another name":   {`[1]`, "application/geo+json; charset=utf-8", `"result":[1]`},
		"text":                   {"a\n<b> ü", "text/plain; charset=utf-8", `"result":"a\n<b> ü"`},
		"text without a charset": {"a", "text/csv", `"result":"a"`},
		"text of another time":   {"a", "text/plain; charset=latin1", `"result_base64":"YQ=="`},
		"text that is none":      {"\xff", "text/plain", `"result_base64":"/w=="`},
		"no JSON":                {`{"a":`, "application/json", `"result_base64":"eyJhIjo="`},
		"JSON and more":          {`{} {}`, "application/json", `"result_base64":"e30ge30="`},
		"JSON of broken text":    {"\"\xff\"", "application/json", `"result_base64":"Iv8i"`},
		"JSON too deep to read":  {strings.Repeat("[", 20_000), "application/json", `"result_base64":"W1tb`},
		"bytes":                  {"\x89PNG", "image/png", `"result_base64":"iVBORw=="`},
		"bytes of no type":       {"{}", "", `"result_base64":"e30="`},
		"bytes of a broken type": {"{}", "application/json; =", `"result_base64":"e30="`},
	} {
		t.Run(name, func(t *testing.T) {
			got := serve(t, ending(t, task.Success, []byte(test.result), test.contentType)).send(t, "POST", "/v1/tasks?wait=1s", `{"name":"a"}`)
			require.Equal(t, http.StatusOK, got.status, "%s", got.body)
			require.True(t, json.Valid(got.body))
			require.Contains(t, string(got.body), test.want)
			require.Equal(t, 1, strings.Count(string(got.body), `"result":`)+strings.Count(string(got.body), `"result_base64":`))
			require.Equal(t, test.contentType != "", strings.Contains(string(got.body), `"result_type":"`))
		})
	}
}

func TestALargeResultInAnAnswer(t *testing.T) {
	text, err := json.Marshal(strings.Repeat("x", 1<<20-2))
	require.NoError(t, err)
	got := serve(t, ending(t, task.Success, text, "application/json")).send(t, "POST", "/v1/tasks?wait=1s", `{"name":"a"}`)
	require.Equal(t, http.StatusOK, got.status)
	require.Contains(t, string(got.body), `"result":`+string(text))
}

// TestATaskThatFailsIsNoErrorOfTheRequest.
func TestATaskThatFailsIsNoErrorOfTheRequest(t *testing.T) {
	for _, status := range []task.Status{task.Failed, task.Interrupted, task.Cancelled} {
		f := ending(t, status, nil, "")
		f.result = nil // it is not asked for
		got := serve(t, f).send(t, "POST", "/v1/tasks?wait=1s", `{"name":"a"}`)
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
		require.Contains(t, string(got.body), `"status":"`+string(status)+`"`)
		require.Equal(t, status == task.Failed, strings.Contains(string(got.body), `"error":"it broke","task":`))
		require.NotContains(t, string(got.body), `"result":`)
	}
}

func TestTheTimeIsUp(t *testing.T) {
	for _, status := range []task.Status{task.Pending, task.Running, task.Success} {
		f := ending(t, status, []byte("1"), "application/json")
		f.task = func(id task.ID) (*task.Task, error) {
			return &task.Task{ID: id, Status: status, Error: "an attempt broke"}, nil
		}
		f.await = untilContextEnds
		s := serve(t, f)
		got := s.send(t, "POST", "/v1/tasks?wait=1ms", `{"name":"a"}`)
		want := http.StatusAccepted
		if status == task.Success { // just in time
			want = http.StatusOK
		}
		require.Equal(t, want, got.status, "%s", got.body)
		require.Equal(t, "/v1/tasks/"+sampleID, got.header.Get("Location"))
		require.Contains(t, string(got.body), `"task_id":"`+sampleID+`","status":"`+string(status)+`"`)
		require.Equal(t, status == task.Success, strings.Contains(string(got.body), `"result":1`))
		require.Equal(t, 1, strings.Count(string(got.body), `"error":`), "only the record tells of an attempt's error")
		require.Empty(t, s.log.String())
	}
}

func TestWaitRefuses(t *testing.T) {
	s := serve(t, &fake{})
	for _, wait := range []string{"0", "0s", "-1s", "10", "10S", "true", "forever", "5m1ns", "1h", "+"} {
		for _, route := range routes[:3] {
			problem := requireProblem(t, s.send(t, route.method, route.path+"?wait="+wait, `{"name":"a"}`), 422, "invalid")
			require.Equal(t, "wait must be a duration such as 10s, of more than 0 and at most 5m", problem.Detail, "%s %s", wait, route.path)
		}
	}
	require.Empty(t, s.log.String(), "nothing was called")
}

// TestAStopEndsTheWaiting: else the server's shutdown would wait for it, and cut
// it off in the end.
func TestAStopEndsTheWaiting(t *testing.T) {
	f := ending(t, task.Running, nil, "")
	f.stopping = make(chan struct{})
	var once sync.Once
	f.await = func(ctx context.Context, id task.ID) error {
		once.Do(func() { close(f.stopping) })
		return untilContextEnds(ctx, id)
	}
	f.result = func(task.ID) ([]byte, string, error) { return nil, "", task.ErrNotFinished }
	s := serve(t, f)
	for range 2 { // while one waits, and after that
		require.Equal(t, http.StatusAccepted, s.send(t, "POST", "/v1/tasks?wait=5m", `{"name":"a"}`).status)
		require.Equal(t, http.StatusOK, s.send(t, "GET", "/v1/tasks/"+sampleID+"?wait=5m", "").status)
		requireProblem(t, s.send(t, "GET", "/v1/tasks/"+sampleID+"/result?wait=5m", ""), 409, "not_finished")
	}
}

// TestAnEnqueuedTaskIsNoError: whatever goes wrong after the enqueue, the task is
// stored, and the client has to hear of its id.
func TestAnEnqueuedTaskIsNoError(t *testing.T) {
	for name, test := range map[string]struct {
		spoil  func(*fake)
		logged string
	}{
		"stopped": {func(f *fake) {
			f.await = func(context.Context, task.ID) error { return task.ErrStopped }
			f.task = func(task.ID) (*task.Task, error) { return nil, task.ErrStopped }
		}, ""},
		"a database that went away": {func(f *fake) {
			f.task = func(task.ID) (*task.Task, error) { return nil, task.ErrUnavailable }
		}, "the database cannot be used"},
		"a result that cannot be read": {func(f *fake) {
			f.result = func(task.ID) ([]byte, string, error) { return nil, "", errors.New("disk I/O error") }
		}, "disk I/O error"},
		"a wait that breaks off": {func(f *fake) {
			f.await = func(context.Context, task.ID) error { return task.ErrUnavailable }
			f.task = func(id task.ID) (*task.Task, error) { return &task.Task{ID: id, Status: task.Pending}, nil }
		}, "waiting for a task failed"},
	} {
		t.Run(name, func(t *testing.T) {
			f := ending(t, task.Success, []byte("1"), "application/json")
			test.spoil(f)
			s := serve(t, f)
			got := s.send(t, "POST", "/v1/tasks?wait=1m", `{"name":"a"}`)
			require.Equal(t, http.StatusAccepted, got.status, "%s", got.body)
			require.Equal(t, "/v1/tasks/"+sampleID, got.header.Get("Location"))
			require.Contains(t, string(got.body), `"task_id":"`+sampleID+`"`)
			require.NotContains(t, string(got.body), "disk")
			require.Contains(t, s.log.String(), test.logged)
			require.Equal(t, test.logged == "", s.log.String() == "")
		})
	}
}

func TestAnEnqueueThatFailsDoesNotWait(t *testing.T) {
	s := serve(t, failing(&task.InvalidError{Field: "priority", Problem: "is 11"}))
	requireProblem(t, s.send(t, "POST", "/v1/tasks?wait=1m", `{"name":"a"}`), 422, "invalid")
}

func TestGettingATaskWaits(t *testing.T) {
	awaited := 0
	f := ending(t, task.Success, []byte("1"), "application/json")
	f.await = func(context.Context, task.ID) error { awaited++; return nil }
	s := serve(t, f)
	got := s.send(t, "GET", "/v1/tasks/"+sampleID+"?wait=1m", "")
	require.Equal(t, http.StatusOK, got.status)
	var read task.Task
	got.into(t, &read)
	require.Equal(t, task.Success, read.Status)
	got = s.send(t, "GET", "/v1/tasks/"+sampleID+"/result?wait=1m", "")
	require.Equal(t, http.StatusOK, got.status)
	require.Equal(t, "1", string(got.body))
	require.Equal(t, 2, awaited)

	f.await = func(context.Context, task.ID) error { return task.ErrNotFound }
	f.task = func(task.ID) (*task.Task, error) { return nil, task.ErrNotFound }
	requireProblem(t, s.send(t, "GET", "/v1/tasks/"+sampleID+"?wait=1m", ""), 404, "not_found")
	require.Empty(t, s.log.String())
}

// TestAClientThatGoesAwayStopsWaiting.
func TestAClientThatGoesAwayStopsWaiting(t *testing.T) {
	called, ended := make(chan struct{}), make(chan error, 1)
	f := ending(t, task.Running, nil, "")
	f.await = func(ctx context.Context, id task.ID) error {
		close(called)
		err := untilContextEnds(ctx, id)
		ended <- err
		return err
	}
	s := serve(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, "POST", s.URL+"/v1/tasks?wait=5m", strings.NewReader(`{"name":"a"}`))
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	go func() { <-called; cancel() }()
	response, err := s.Client().Do(request)
	if err == nil {
		response.Body.Close()
	}
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, <-ended, context.Canceled)
	s.Close() // and with it the handler has returned
	require.Empty(t, s.log.String())
}

// TestOnlySoManyWait: the one too many is told so, and has stored nothing.
func TestOnlySoManyWait(t *testing.T) {
	const most = 1000
	var enqueues atomic.Int32
	waiting, release := make(chan struct{}, most), make(chan struct{})
	f := ending(t, task.Success, []byte("1"), "application/json")
	f.enqueue = func(task.Request) (task.ID, error) {
		enqueues.Add(1)
		return parsedID(t), nil
	}
	f.await = func(context.Context, task.ID) error {
		waiting <- struct{}{}
		<-release
		return nil
	}
	h := handler(f, new(syncBuffer))
	ask := func(method, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(`{"name":"a"}`))
		r.Header.Set("Authorization", "Bearer "+token)
		h.ServeHTTP(w, r)
		return w
	}
	var group sync.WaitGroup
	for range most {
		group.Go(func() { ask("POST", "/v1/tasks?wait=5m") })
	}
	for range most {
		<-waiting
	}
	for _, route := range routes[:3] {
		w := ask(route.method, route.path+"?wait=1s")
		require.Equal(t, http.StatusServiceUnavailable, w.Code)
		require.Equal(t, "1", w.Header().Get("Retry-After"))
		require.Contains(t, w.Body.String(), `"code":"too_many_waiting"`)
	}
	require.EqualValues(t, most, enqueues.Load())
	require.Equal(t, http.StatusCreated, ask("POST", "/v1/tasks").Code, "who does not wait is not in the way")
	close(release)
	group.Wait()
	require.Equal(t, http.StatusOK, ask("POST", "/v1/tasks?wait=1s").Code, "the places are free again")
}

// TestWaitingHasNoReadDeadline: the one for the request's body would end the
// request's context, as if its client had gone.
func TestWaitingHasNoReadDeadline(t *testing.T) {
	conns := &deadlines{}
	f := ending(t, task.Success, []byte("1"), "application/json")
	f.await = func(context.Context, task.ID) error {
		require.True(t, conns.set(), "the body had a deadline")
		require.Eventually(t, func() bool { return conns.last().IsZero() }, 10*time.Second, time.Millisecond)
		return nil
	}
	server := httptest.NewUnstartedServer(handler(f, new(syncBuffer)))
	conns.Listener, server.Listener = server.Listener, conns
	server.Start()
	defer server.Close()
	require.Equal(t, http.StatusOK, (&served{server, nil}).send(t, "POST", "/v1/tasks?wait=5m", `{"name":"a"}`).status)
}

// deadlines is a listener that notes what read deadlines its connections get.
type deadlines struct {
	net.Listener

	mu  sync.Mutex
	all []time.Time
}

func (d *deadlines) Accept() (net.Conn, error) {
	conn, err := d.Listener.Accept()
	return deadlineConn{conn, d}, err
}

func (d *deadlines) set() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, deadline := range d.all {
		if !deadline.IsZero() {
			return true
		}
	}
	return false
}

func (d *deadlines) last() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.all[len(d.all)-1]
}

type deadlineConn struct {
	net.Conn

	of *deadlines
}

func (c deadlineConn) SetReadDeadline(deadline time.Time) error {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.of.all = append(c.of.all, deadline)
	return c.Conn.SetReadDeadline(deadline)
}

func TestListNodes(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := serve(t, &fake{nodes: func() ([]task.Node, error) {
		return []task.Node{{
			ID: "n", Version: "v1", StartedAt: at, SeenAt: at.Add(time.Second), Alive: true, State: task.NodeDraining,
			Slots: map[task.Executor]int{task.Wasm: 8}, Running: map[task.Executor]int{task.Wasm: 2}, Functions: []string{"greet"},
		}}, nil
	}})
	got := s.send(t, "GET", "/v1/nodes", "")
	require.Equal(t, 200, got.status)
	require.JSONEq(t, `{"nodes":[{"id":"n","version":"v1","started_at":"2026-01-02T03:04:05Z","seen_at":"2026-01-02T03:04:06Z","alive":true,"state":"draining",
		"slots":{"wasm":8},"running":{"wasm":2},"functions":["greet"]}]}`, string(got.body))
}
