package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/httpapi"
	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/task"
)

func TestProblems(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want httpapi.Problem
	}{
		"arguments": {
			&task.ArgumentError{Name: "a", Problems: []task.ArgumentProblem{{Path: "/n", Problem: "got string, want number"}}},
			httpapi.Problem{Status: 422, Code: "invalid_arguments", Detail: "arguments of a are not valid: /n: got string, want number", Errors: []task.ArgumentProblem{{Path: "/n", Problem: "got string, want number"}}},
		},
		"a name that is not known": {
			&task.UnknownNameError{Name: "greeet", Near: []string{"greet"}},
			httpapi.Problem{Status: 404, Code: "unknown_task", Detail: `there is no task named "greeet"; did you mean greet?`, Near: []string{"greet"}},
		},
		"a value that is not allowed": {
			&task.InvalidError{Field: "priority", Problem: "is 11"},
			httpapi.Problem{Status: 422, Code: "invalid", Detail: "priority is 11"},
		},
		"a value that is too large": {
			&task.InvalidError{Field: "args", Problem: "are large", TooLarge: true},
			httpapi.Problem{Status: 413, Code: "too_large", Detail: "args are large"},
		},
		"a conflict": {
			&task.ConflictError{Problem: "the name is taken"},
			httpapi.Problem{Status: 409, Code: "conflict", Detail: "the name is taken"},
		},
		"a key with other arguments": {
			&task.KeyConflictError{Name: "a", Key: "k"},
			httpapi.Problem{Status: 422, Code: "idempotency_key_reused", Detail: `the idempotency key "k" was used for a with other arguments: use another key for another task`},
		},
		"a conflict with a code, and a task": {
			&task.ConflictError{Code: task.CodeAlreadyRetried, Problem: "it was retried", Task: task.ID{15: 7}},
			httpapi.Problem{Status: 409, Code: "already_retried", Detail: "it was retried", TaskID: &task.ID{15: 7}},
		},
		"a module that was rejected": {
			&modules.RejectedError{Reason: "it is no module"},
			httpapi.Problem{Status: 422, Code: "module_rejected", Detail: "the module was rejected: it is no module"},
		},
		"a task that failed": {
			&task.Failure{Cause: task.CauseTrap, Message: "it broke", Trace: "here"},
			httpapi.Problem{Status: 409, Code: "task_failed", Detail: "it broke"},
		},
		"a task whose key is missing": {
			&task.SealedError{What: "the result", KeyID: "k1"},
			httpapi.Problem{Status: 409, Code: "key_missing", Detail: "the result is sealed under the key k1, which was not given here: add it behind the first of the encryption keys, and try again"},
		},
		"not finished": {
			fmt.Errorf("task x is pending: %w", task.ErrNotFinished),
			httpapi.Problem{Status: 409, Code: "not_finished", Detail: "task x is pending: the task has not finished"},
		},
		"not found": {
			fmt.Errorf("task x: %w", task.ErrNotFound),
			httpapi.Problem{Status: 404, Code: "not_found", Detail: "task x: not found"},
		},
		"stopped": {
			fmt.Errorf("read: %w", task.ErrStopped),
			httpapi.Problem{Status: 503, Code: "unavailable", Detail: "the server is stopping: try again"},
		},
		"a database that is locked": {
			fmt.Errorf("%w: database is locked (5) (SQLITE_BUSY)", task.ErrUnavailable),
			httpapi.Problem{Status: 503, Code: "unavailable", Detail: "the database cannot be used at the moment: try again"},
		},
		"a database whose disk is full": {
			fmt.Errorf("%w: database or disk is full (13) (SQLITE_BUSY)", task.ErrFull),
			httpapi.Problem{Status: 507, Code: "storage_full", Detail: "the disk of the database is full, and nothing was stored: make room on it and try again"},
		},
		"anything else": {
			errors.New("open /var/lib/taskhost/taskhost.db: permission denied"),
			httpapi.Problem{Status: 500, Code: "internal", Detail: "something went wrong inside; the server's log says what"},
		},
	} {
		for _, wrapped := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/wrapped=%v", name, wrapped), func(t *testing.T) {
				err := test.err
				if wrapped {
					err = fmt.Errorf("do it: %w", err)
					if strings.HasPrefix(test.want.Detail, "task x") {
						test.want.Detail = "do it: " + test.want.Detail
					}
				}
				s := serve(t, failing(err))
				test.want.Title = http.StatusText(test.want.Status)
				for _, route := range routes[:operations] {
					got := s.send(t, route.method, route.path, bodyOf(route.path))
					require.Equal(t, test.want, requireProblem(t, got, test.want.Status, test.want.Code), "%s %s", route.method, route.path)
					require.Equal(t, test.want.Status == 503 || test.want.Status == 507, got.header.Get("Retry-After") == "1")
				}
				switch {
				case test.want.Status == 500:
					require.Equal(t, operations, strings.Count(s.log.String(), "permission denied"), "each is logged, once")
				case errors.Is(err, task.ErrUnavailable):
					require.Equal(t, operations, strings.Count(s.log.String(), "SQLITE_BUSY"))
				default:
					require.Empty(t, s.log.String())
				}
			})
		}
	}
}

// TestDamage: that what is stored was changed is for the operator to know, too.
func TestDamage(t *testing.T) {
	s := serve(t, failing(&task.SealedError{What: "the result", KeyID: "k1", Damaged: true}))
	got := requireProblem(t, s.send(t, "GET", "/v1/tasks/"+sampleID+"/result", ""), 409, "damaged")
	require.Equal(t, "the result cannot be opened: what is stored was changed, or belongs elsewhere: see who else can write to the database", got.Detail)
	require.Contains(t, s.log.String(), "what is stored of a task was changed")
}

// bodyOf is a body that each operation takes that has one.
func bodyOf(path string) string {
	if strings.HasPrefix(path, "/v1/tasks/bulk-") {
		return `{"ids":[]}`
	}
	return `{"name":"a"}`
}

// failing answers everything with one error.
func failing(err error) *fake {
	return &fake{
		enqueue:     func(task.Request) (task.ID, error) { return task.ID{}, err },
		task:        func(task.ID) (*task.Task, error) { return nil, err },
		result:      func(task.ID) ([]byte, string, error) { return nil, "", err },
		attempts:    func(task.ID) ([]task.Attempt, error) { return nil, err },
		tasks:       func(task.Filter, task.Page) (*task.List, error) { return nil, err },
		cancel:      func(task.ID) error { return err },
		retry:       func(task.ID, bool) (task.ID, error) { return task.ID{}, err },
		bulk:        func(string, []task.ID, *task.Filter, bool, bool) (*task.Bulk, error) { return nil, err },
		logs:        func(task.ID, int64, int) ([]task.LogEntry, error) { return nil, err },
		definitions: func(context.Context) ([]task.Definition, error) { return nil, err },
		push:        func(string, []byte) (*modules.Version, error) { return nil, err },
		list:        func() ([]modules.Version, error) { return nil, err },
		versions:    func(string) ([]modules.Version, error) { return nil, err },
		drain:       func(string, bool) error { return err },
		release:     func(string, int) ([]int, error) { return nil, err },
		nodes:       func() ([]task.Node, error) { return nil, err },
		ping:        func() error { return err },
	}
}

func TestAPanicIsAnInternalProblem(t *testing.T) {
	s := serve(t, &fake{}) // each of its functions is nil
	for _, route := range routes[:operations] {
		got := s.send(t, route.method, route.path, bodyOf(route.path))
		problem := requireProblem(t, got, 500, "internal")
		require.NotContains(t, problem.Detail, "nil")
	}
	require.Equal(t, operations, strings.Count(s.log.String(), "invalid memory address"))
	require.Contains(t, s.log.String(), `"path":"/v1/tasks"`)
	requireProblem(t, s.sendFrom(t, "GET", "/readyz", nil), 500, "internal")
}

func TestAnAbortedRequestIsNotAnswered(t *testing.T) {
	s := serve(t, &fake{definitions: func(context.Context) ([]task.Definition, error) { panic(http.ErrAbortHandler) }})
	request, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/v1/definitions", nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := s.Client().Do(request)
	if err == nil {
		response.Body.Close()
	}
	require.Error(t, err)
	require.Empty(t, s.log.String())
}

func TestARequestThatEndsIsNotAnInternalProblem(t *testing.T) {
	called := make(chan struct{})
	ended := make(chan struct{})
	s := serve(t, &fake{definitions: func(ctx context.Context) ([]task.Definition, error) {
		close(called)
		<-ctx.Done()
		defer close(ended)
		return nil, fmt.Errorf("read definitions: %w", ctx.Err())
	}})
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/v1/definitions", nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	go func() { <-called; cancel() }()
	response, err := s.Client().Do(request)
	if err == nil {
		response.Body.Close()
	}
	require.ErrorIs(t, err, context.Canceled)
	<-ended
	s.Close() // and with it the handler has returned
	require.Empty(t, s.log.String(), "a client that has gone is no error of the server's")
}

func TestWhatIsNotThere(t *testing.T) {
	s := serve(t, &fake{})
	for _, route := range []struct{ method, path string }{
		{"GET", "/"},
		{"GET", "/v1"},
		{"GET", "/v1/"},
		{"GET", "/v1/tasks/"},
		{"GET", "/v1/tasks/" + sampleID + "/unheard-of"},
		{"DELETE", "/v1/tasks/" + sampleID},
		{"PUT", "/v1/modules"},
		{"GET", "/docs"},
		{"GET", "/schemas/Task.json"},
	} {
		problem := requireProblem(t, s.send(t, route.method, route.path, ""), 404, "not_found")
		require.Contains(t, problem.Detail, route.method+" ")
		require.Contains(t, problem.Detail, route.path)
	}
	problem := requireProblem(t, s.send(t, "GET", "/"+strings.Repeat("long", 1000)+"%1b", ""), 404, "not_found")
	require.Less(t, len(problem.Detail), 400)
}

func TestSecurityHeaders(t *testing.T) {
	f := failing(task.ErrNotFound)
	f.result = func(task.ID) ([]byte, string, error) { return []byte("<script>"), "text/html", nil }
	f.list = func() ([]modules.Version, error) { panic("ouch") }
	s := serve(t, f)
	for _, route := range append(routes, []struct{ method, path string }{{"GET", "/healthz"}, {"GET", "/readyz"}, {"GET", "//v1/tasks"}}...) {
		for _, authorization := range []string{"Bearer " + token, ""} {
			got := s.sendFrom(t, route.method, route.path, nil, "Authorization: "+authorization)
			for name, value := range map[string]string{
				"X-Content-Type-Options":  "nosniff",
				"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
				"Referrer-Policy":         "no-referrer",
				"Cache-Control":           "no-store",
			} {
				require.Equal(t, value, got.header.Get(name), "%s %s: %s", route.method, route.path, name)
			}
			require.Empty(t, got.header.Get("Access-Control-Allow-Origin"))
			require.Empty(t, got.header.Get("Server"))
		}
	}
}
