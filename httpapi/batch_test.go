package httpapi_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

// TestEnqueueOfADuplicate: the code alone says that nothing was stored.
func TestEnqueueOfADuplicate(t *testing.T) {
	f := answers(t)
	f.duplicate = true
	s := serve(t, f)
	got := s.send(t, "POST", "/v1/tasks", `{"name":"a"}`, "Idempotency-Key: k")
	require.Equal(t, 200, got.status)
	require.Equal(t, "/v1/tasks/"+sampleID, got.header.Get("Location"))
	require.JSONEq(t, `{"task_id":"`+sampleID+`","duplicate":true}`, string(got.body))

	got = s.send(t, "POST", "/v1/tasks?wait=1s", `{"name":"a"}`, "Idempotency-Key: k")
	require.Equal(t, 200, got.status)
	require.Contains(t, string(got.body), `"duplicate":true`)
	require.Contains(t, string(got.body), `"status":"failed"`)

	f.duplicate = false
	got = s.send(t, "POST", "/v1/tasks", `{"name":"a"}`)
	require.Equal(t, 201, got.status)
	require.NotContains(t, string(got.body), "duplicate")
}

// TestEnqueueKeyInTheBody: it is the header's, for whom a header is hard to set.
func TestEnqueueKeyInTheBody(t *testing.T) {
	require.Equal(t, "k", enqueued(t, `{"name":"a","idempotency_key":"k"}`).IdempotencyKey)
	require.Equal(t, "k", enqueued(t, `{"name":"a","idempotency_key":"k"}`, "Idempotency-Key: k").IdempotencyKey)
	s := serve(t, &fake{})
	problem := requireProblem(t, s.send(t, "POST", "/v1/tasks", `{"name":"a","idempotency_key":"k"}`, "Idempotency-Key: l"), 422, "invalid")
	require.Contains(t, problem.Detail, "another one than the header")
}

func TestBatch(t *testing.T) {
	ids := []task.ID{{1}, {2}, {3}}
	var got []task.Request
	s := serve(t, &fake{enqueueMany: func(requests []task.Request) ([]task.Enqueued, error) {
		got = requests
		return []task.Enqueued{{ID: ids[0]}, {ID: ids[1], Duplicate: true}, {ID: ids[2]}}, nil
	}})
	answer := s.send(t, "POST", "/v1/tasks/batch", `{"tasks":[{"name":"a","args":[1, 2]},{"name":"b","idempotency_key":"k","delay":"1s"},{"name":"a","priority":9}]}`)
	require.Equal(t, 201, answer.status, "%s", answer.body)
	require.JSONEq(t, fmt.Sprintf(`{"tasks":[{"task_id":%q},{"task_id":%q,"duplicate":true},{"task_id":%q}]}`, ids[0], ids[1], ids[2]), string(answer.body))
	require.Equal(t, []task.Request{
		{Name: "a", Args: []byte(`[1, 2]`)},
		{Name: "b", EnqueueOptions: task.EnqueueOptions{IdempotencyKey: "k", Delay: time.Second}},
		{Name: "a", EnqueueOptions: task.EnqueueOptions{Priority: 9}},
	}, got)
}

func TestBatchRefused(t *testing.T) {
	s := serve(t, &fake{enqueueMany: func([]task.Request) ([]task.Enqueued, error) {
		return nil, fmt.Errorf("request 1: %w", &task.ArgumentError{Name: "a", Problems: []task.ArgumentProblem{{Path: "/n", Problem: "is no number"}}})
	}})
	problem := requireProblem(t, s.send(t, "POST", "/v1/tasks/batch", `{"tasks":[{"name":"a"},{"name":"a"}]}`), 422, "invalid_arguments")
	require.Equal(t, "request 1: arguments of a are not valid: /n: is no number", problem.Detail)
	problem = requireProblem(t, s.send(t, "POST", "/v1/tasks/batch", `{"tasks":[{"name":"a"},{"name":"a","delay":"soon"}]}`), 422, "invalid")
	require.Equal(t, "request 1: delay must be a duration such as 90s or 1m30s", problem.Detail)
	for body, words := range map[string]string{
		`{}`:                                   "tasks",
		`{"tasks":[]}`:                         "tasks",
		`{"tasks":[{}]}`:                       "name",
		`{"tasks":[{"name":"a","prio":1}]}`:    "prio",
		`{"tasks":[{"name":"a","version":0}]}`: "version",
		`{"tasks":[` + strings.Repeat(`{"name":"a"},`, 10_000) + `{"name":"a"}]}`: "10000",
	} {
		got := s.send(t, "POST", "/v1/tasks/batch", body)
		requireProblem(t, got, 422, "invalid")
		require.Contains(t, string(got.body), words)
	}
}
