package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/task"
)

// answers are what a server that has everything, and one that has little,
// say to each route.
func answers(t *testing.T) *fake {
	t.Helper()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	id := parsedID(t)
	return &fake{
		enqueue: func(task.Request) (task.ID, error) { return id, nil },
		enqueueMany: func(requests []task.Request) ([]task.Enqueued, error) {
			return []task.Enqueued{{ID: id}, {ID: id, Duplicate: true}}, nil
		},
		task: func(asked task.ID) (*task.Task, error) {
			if asked != id { // one of a Go function, that waits
				return &task.Task{ID: asked, Name: "greet", Status: task.Pending, Executor: task.Async, Priority: 5, Source: task.Manual, CreatedAt: at, RunAt: at, NextAttemptAt: &at, MaxAttempts: 1}, nil
			}
			return &task.Task{
				ID: id, Name: "a", Status: task.Failed, Executor: task.Wasm, Module: &task.ModuleRef{Name: "m", Version: 1, Digest: "d"},
				Priority: 5, Tags: map[string]string{"k": "v"}, Source: task.Manual, CreatedAt: at, RunAt: at, StartedAt: &at, EndedAt: &at,
				Attempt: 1, MaxAttempts: 1, Timeout: time.Minute, Error: "e", Cause: task.CauseTrap, Trace: "t", ResultType: "r",
				Node: "n", IdempotencyKey: "k", RetriedFrom: &id, ResolvedBy: &id, Parent: &id, ExpiresAt: &at,
			}, nil
		},
		logs: func(task.ID, int64, int) ([]task.LogEntry, error) {
			return []task.LogEntry{
				{Seq: 1, Attempt: 1, Time: at, Level: task.Info, Message: "m", Fields: json.RawMessage(`{"a":1}`)},
				{Seq: 2, Attempt: 1, Time: at, Level: task.Info},
			}, nil
		},
		attempts: func(task.ID) ([]task.Attempt, error) {
			return []task.Attempt{
				{Number: 1, Node: "n", Outcome: task.Failed, StartedAt: at, EndedAt: &at, QueueWait: time.Second, Error: "e", Cause: task.CauseTrap, Trace: "t"},
				{Number: 2, Node: "n", Outcome: task.Running, StartedAt: at},
			}, nil
		},
		tasks: func(task.Filter, task.Page) (*task.List, error) {
			return &task.List{Next: "n", Tasks: []task.Task{
				{ID: id, Name: "a", Status: task.Cancelled, Executor: task.Async, Priority: 5, Source: task.Retried, CreatedAt: at, RunAt: at, EndedAt: &at, CancelRequestedAt: &at, MaxAttempts: 1},
			}}, nil
		},
		cancel: func(task.ID) error { return nil },
		retry:  func(task.ID, bool) (task.ID, error) { return task.ID{15: 7}, nil },
		bulk: func(string, []task.ID, *task.Filter, bool, bool) (*task.Bulk, error) {
			return &task.Bulk{Matched: 3, Done: 1, Skipped: map[string]int{"not_found": 2}, Results: []task.Retry{{From: id, To: task.ID{15: 7}}}, More: true}, nil
		},
		clear: func(context.Context, task.HistoryFilter, bool) (*task.HistoryCount, error) {
			return &task.HistoryCount{Tasks: 2, ByStatus: map[task.Status]int64{task.Failed: 2}}, nil
		},
		definitions: func(context.Context) ([]task.Definition, error) {
			return []task.Definition{
				{Name: "greet", Executor: task.Async, Options: task.Options{}.WithDefaults()},
				{Name: "typed", Executor: task.Async, Options: task.Options{}.WithDefaults(), Args: json.RawMessage(`true`)},
				sampleVersion().Definitions[0],
			}, nil
		},
		push: func(string, []byte) (*modules.Version, error) {
			version := sampleVersion()
			return &version, nil
		},
		await:  func(context.Context, task.ID) error { return nil },
		result: func(task.ID) ([]byte, string, error) { return []byte(`{"a":1}`), "application/json", nil },
		nodes: func() ([]task.Node, error) {
			return []task.Node{
				{ID: "n", Version: "v1", StartedAt: at, SeenAt: at, Alive: true, Slots: map[task.Executor]int{task.Wasm: 8}, Running: map[task.Executor]int{}, Functions: []string{"greet"}},
				{ID: "dead", StartedAt: at, SeenAt: at, Slots: map[task.Executor]int{}, Running: map[task.Executor]int{}},
			}, nil
		},
		list:     func() ([]modules.Version, error) { return []modules.Version{sampleVersion()}, nil },
		versions: func(string) ([]modules.Version, error) { return []modules.Version{sampleVersion()}, nil },
	}
}

// TestAnswersAreAsTheDocumentSays holds real answers to the schemas that the
// document gives for them: a client that is generated from it must be able to
// read what it gets.
func TestAnswersAreAsTheDocumentSays(t *testing.T) {
	s := serve(t, answers(t))
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(s.send(t, "GET", "/openapi.json", "").body))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	require.NoError(t, compiler.AddResource("mem:///openapi.json", doc))

	const other = "/v1/tasks/01890a5d-ac96-774b-bcce-b302099a0000"
	for name, test := range map[string]struct{ method, path, body, schema string }{
		"enqueue":              {"POST", "/v1/tasks", `{"name":"a"}`, "paths/~1v1~1tasks/post/responses/201"},
		"enqueue, and wait":    {"POST", "/v1/tasks?wait=1s", `{"name":"a"}`, "paths/~1v1~1tasks/post/responses/200"},
		"nodes":                {"GET", "/v1/nodes", "", "paths/~1v1~1nodes/get/responses/200"},
		"a task":               {"GET", "/v1/tasks/" + sampleID, "", "paths/~1v1~1tasks~1{id}/get/responses/200"},
		"a task of a function": {"GET", other, "", "paths/~1v1~1tasks~1{id}/get/responses/200"},
		"logs":                 {"GET", "/v1/tasks/" + sampleID + "/logs", "", "paths/~1v1~1tasks~1{id}~1logs/get/responses/200"},
		"attempts":             {"GET", "/v1/tasks/" + sampleID + "/attempts", "", "paths/~1v1~1tasks~1{id}~1attempts/get/responses/200"},
		"a list of tasks":      {"GET", "/v1/tasks", "", "paths/~1v1~1tasks/get/responses/200"},
		"cancel":               {"POST", "/v1/tasks/" + sampleID + "/cancel", "", "paths/~1v1~1tasks~1{id}~1cancel/post/responses/200"},
		"retry":                {"POST", "/v1/tasks/" + sampleID + "/retry", "", "paths/~1v1~1tasks~1{id}~1retry/post/responses/201"},
		"bulk cancel":          {"POST", "/v1/tasks/bulk-cancel", `{"ids":["` + sampleID + `"]}`, "paths/~1v1~1tasks~1bulk-cancel/post/responses/200"},
		"bulk retry":           {"POST", "/v1/tasks/bulk-retry", `{"filter":{}}`, "paths/~1v1~1tasks~1bulk-retry/post/responses/200"},
		"retry failed":         {"POST", "/v1/tasks/retry-failed", "", "paths/~1v1~1tasks~1retry-failed/post/responses/200"},
		"history":              {"DELETE", "/v1/history?status=failed", "", "paths/~1v1~1history/delete/responses/200"},
		"definitions":          {"GET", "/v1/definitions", "", "paths/~1v1~1definitions/get/responses/200"},
		"push":                 {"POST", "/v1/modules/m", "wasm", "paths/~1v1~1modules~1{name}/post/responses/201"},
		"modules":              {"GET", "/v1/modules", "", "paths/~1v1~1modules/get/responses/200"},
		"versions":             {"GET", "/v1/modules/m", "", "paths/~1v1~1modules~1{name}/get/responses/200"},
		"a problem":            {"POST", "/v1/tasks", `{"name":"a","priority":11}`, "paths/~1v1~1tasks/post/responses/default"},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.send(t, test.method, test.path, test.body)
			require.Equal(t, name == "a problem", got.status >= 300, "%s", got.body)
			media := strings.ReplaceAll(got.header.Get("Content-Type"), "/", "~1")
			location := strings.NewReplacer("{", "%7B", "}", "%7D", "+", "%2B").Replace(test.schema + "/content/" + media + "/schema")
			schema, err := compiler.Compile("mem:///openapi.json#/" + location)
			require.NoError(t, err)
			value, err := jsonschema.UnmarshalJSON(bytes.NewReader(got.body))
			require.NoError(t, err)
			require.NoError(t, schema.Validate(value), "%s", got.body)
		})
	}
}
