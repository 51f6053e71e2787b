package httpapi_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

func TestGetTask(t *testing.T) {
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	want := &task.Task{
		ID: parsedID(t), Name: "a", Status: task.Pending, Executor: task.Async, Priority: 5, Source: task.Manual,
		Tags: map[string]string{}, CreatedAt: created, RunAt: created, NextAttemptAt: &created, MaxAttempts: 1, Timeout: 1500 * time.Millisecond,
	}
	s := serve(t, &fake{task: func(id task.ID) (*task.Task, error) {
		require.Equal(t, parsedID(t), id)
		return want, nil
	}})
	got := s.send(t, "GET", "/v1/tasks/"+sampleID, "")
	require.Equal(t, 200, got.status)
	require.Equal(t, "application/json", got.header.Get("Content-Type"))
	text, err := json.Marshal(want)
	require.NoError(t, err)
	require.JSONEq(t, string(text), string(got.body))
	require.Contains(t, string(got.body), `"timeout":1.5`)

	var read task.Task
	require.NoError(t, json.Unmarshal(got.body, &read))
	require.Equal(t, want, &read)
}

func TestIDsThatAreNone(t *testing.T) {
	s := serve(t, &fake{})
	for _, id := range []string{"x", sampleID[:35], sampleID + "0", "01890a5d-ac96-774b-bcce-b302099a805g", "%00", "..%2f" + sampleID, "%F0%9F%98%80"} {
		for _, path := range []string{"", "/result", "/logs", "/attempts"} {
			requireProblem(t, s.send(t, "GET", "/v1/tasks/"+id+path, ""), 422, "invalid")
		}
	}
}

// TestIDsInUpperCase are the same ids, on every route.
func TestIDsInUpperCase(t *testing.T) {
	f := failing(task.ErrNotFound)
	s := serve(t, f)
	for _, path := range []string{"", "/result", "/logs", "/attempts"} {
		requireProblem(t, s.send(t, "GET", "/v1/tasks/"+strings.ToUpper(sampleID)+path, ""), 404, "not_found")
	}
}

func TestGetResult(t *testing.T) {
	for name, test := range map[string]struct {
		result            []byte
		contentType, want string
	}{
		"JSON":              {[]byte(` {"a": 1} `), "application/json", "application/json"},
		"an image":          {[]byte("\x89PNG\r\n\x1a\n\x00\xff"), "image/png", "image/png"},
		"nothing":           {nil, "", "application/octet-stream"},
		"no type":           {[]byte("x"), "", "application/octet-stream"},
		"a page":            {[]byte("<script>alert(1)</script>"), "text/html; charset=utf-8", "text/html; charset=utf-8"},
		"a type of its own": {[]byte("x"), "x/y+z; a=\"b\"", "x/y+z; a=\"b\""},
		"a forged header":   {[]byte("x"), "text/plain\r\nSet-Cookie: a=b", "text/plain  Set-Cookie: a=b"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, &fake{result: func(id task.ID) ([]byte, string, error) {
				require.Equal(t, parsedID(t), id)
				return test.result, test.contentType, nil
			}})
			got := s.send(t, "GET", "/v1/tasks/"+sampleID+"/result", "", "Accept: text/plain")
			require.Equal(t, 200, got.status)
			require.Equal(t, test.want, got.header.Get("Content-Type"))
			require.Empty(t, got.header.Get("Set-Cookie"))
			require.Equal(t, string(test.result), string(got.body))
		})
	}
}

func TestGetLogs(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	entries := []task.LogEntry{
		{Seq: 1 << 24, Attempt: 1, Time: at, Level: task.Info, Message: "a", Fields: json.RawMessage(`{"n":1}`)},
		{Seq: 3 << 24, Attempt: 2, Time: at, Level: task.Error, Message: "b"},
	}
	type page struct {
		Logs []task.LogEntry `json:"logs"`
		Next int64           `json:"next"`
	}
	var after int64
	var limit int
	s := serve(t, &fake{logs: func(id task.ID, a int64, l int) ([]task.LogEntry, error) {
		require.Equal(t, parsedID(t), id)
		after, limit = a, l
		return entries, nil
	}})
	for query, want := range map[string]struct {
		after int64
		limit int
	}{
		"":                        {0, 1000},
		"?after=0":                {0, 1000},
		"?after=50331648&limit=1": {50331648, 1},
		"?limit=10000":            {0, 10000},
	} {
		got := s.send(t, "GET", "/v1/tasks/"+sampleID+"/logs"+query, "")
		require.Equal(t, 200, got.status, "%s: %s", query, got.body)
		var read page
		got.into(t, &read)
		require.Equal(t, page{entries, 3 << 24}, read)
		require.Equal(t, want.after, after, query)
		require.Equal(t, want.limit, limit, query)
	}

	entries = []task.LogEntry{}
	got := s.send(t, "GET", "/v1/tasks/"+sampleID+"/logs?after=77", "")
	require.JSONEq(t, `{"logs":[],"next":77}`, string(got.body), "where there is nothing new, ask for the same again")
}

func TestListAttempts(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	want := []task.Attempt{
		{Number: 1, Node: "n", Outcome: task.Failed, StartedAt: at, EndedAt: &at, QueueWait: time.Second, Error: "e", Cause: task.CauseError, Usage: task.Usage{Fuel: 7, Pooled: true}},
		{Number: 2, Node: "m", Outcome: task.Running, StartedAt: at},
	}
	s := serve(t, &fake{attempts: func(id task.ID) ([]task.Attempt, error) {
		require.Equal(t, parsedID(t), id)
		return want, nil
	}})
	got := s.send(t, "GET", "/v1/tasks/"+sampleID+"/attempts", "")
	require.Equal(t, 200, got.status)
	require.Contains(t, string(got.body), `"queue_wait":1`)
	var read struct {
		Attempts []task.Attempt `json:"attempts"`
	}
	require.NoError(t, json.Unmarshal(got.body, &read))
	require.Equal(t, want, read.Attempts)

	want = []task.Attempt{}
	got = s.send(t, "GET", "/v1/tasks/"+sampleID+"/attempts", "")
	require.JSONEq(t, `{"attempts":[]}`, string(got.body))
}

func TestGetLogsRefuses(t *testing.T) {
	s := serve(t, &fake{})
	for _, query := range []string{"after=-1", "after=x", "after=1.5", "after=9223372036854775808", "limit=0", "limit=-1", "limit=10001", "limit=x"} {
		got := s.send(t, "GET", "/v1/tasks/"+sampleID+"/logs?"+query, "")
		problem := requireProblem(t, got, 422, "invalid")
		name, _, _ := strings.Cut(query, "=")
		require.Equal(t, "query."+name, problem.Errors[0].Path, query)
	}
}

func TestListDefinitions(t *testing.T) {
	s := serve(t, &fake{definitions: func(context.Context) ([]task.Definition, error) {
		return []task.Definition{{
			Name: "a", Executor: task.Wasm, Module: &task.ModuleRef{Name: "m", Version: 1, Digest: "d"}, Index: 3,
			Options: task.Options{Executor: task.Wasm}.WithDefaults(), Args: json.RawMessage(`{"type":"object"}`),
		}}, nil
	}})
	got := s.send(t, "GET", "/v1/definitions", "")
	require.Equal(t, 200, got.status)
	require.JSONEq(t, `{"definitions":[{"name":"a","executor":"wasm","module":{"name":"m","version":1,"digest":"d"},
		"options":{"retries":0,"delay":"0s","backoff":1,"max_delay":"720h0m0s","jitter":0,"priority":5,"timeout":"1m0s","expires_after":"0s","unique":"none","idempotency_ttl":"0s","eager":false,
			"requeue_on_interrupt":false,"executor":"wasm","memory_bytes":67108864,
			"fuel":0,"depth":10000,"result_bytes":1048576,"log_bytes":1048576,"args_bytes":1048576,"reset":"pooled"},
		"args":{"type":"object"}}]}`, string(got.body))
}

// TestAnswersAreJSONWhateverIsAccepted: a client that accepts anything, or
// nothing that there is, still gets what the document promises.
func TestAnswersAreJSONWhateverIsAccepted(t *testing.T) {
	s := serve(t, &fake{definitions: noDefinitions, task: failing(task.ErrNotFound).task})
	for _, accept := range []string{"*/*", "text/html", "application/cbor", "application/json;q=0", "x", ""} {
		got := s.send(t, "GET", "/v1/definitions", "", "Accept: "+accept)
		require.Equal(t, 200, got.status, accept)
		require.Equal(t, "application/json", got.header.Get("Content-Type"), accept)
		require.JSONEq(t, `{"definitions":[]}`, string(got.body))
		requireProblem(t, s.send(t, "GET", "/v1/tasks/"+sampleID, "", "Accept: "+accept), 404, "not_found")
	}
}

func TestManyRequestsAtOnce(t *testing.T) {
	s := serve(t, &fake{task: func(id task.ID) (*task.Task, error) { return &task.Task{ID: id, Name: id.String()}, nil }})
	for i := range 16 {
		id := task.ID{15: byte(i)}
		t.Run(id.String(), func(t *testing.T) {
			t.Parallel()
			got := s.send(t, "GET", "/v1/tasks/"+id.String(), "")
			require.Contains(t, string(got.body), `"name":"`+id.String()+`"`)
		})
	}
}
