package httpapi

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

// The document must list the keys that are really sent.
func TestDocumentHasTheKeysThatAreSent(t *testing.T) {
	now, id := time.Now(), task.ID{1}
	for name, value := range map[string]any{
		"OptionsDocument": task.Options{}.WithDefaults(),
		"Task": &task.Task{
			Module: &task.ModuleRef{}, NextAttemptAt: &now, StartedAt: &now, EndedAt: &now, Error: "x", Cause: "x", Trace: "x", SealedUnder: "x",
			WaitingReason: "x", ResultType: "x", Node: "x", IdempotencyKey: "x", RetriedFrom: &id, ResolvedBy: &id, CancelRequestedAt: &now,
			ExpiresAt: &now, Parent: &id,
		},
		"Attempt":  &task.Attempt{Error: "x", Cause: "x", Trace: "x", SealedUnder: "x"},
		"Node":     &task.Node{},
		"Enqueued": &enqueued{Duplicate: true, Status: "x", Result: "x", Base64: []byte("x"), Type: "x", Error: "x", Task: &task.Task{}},
		"Problem":  &Problem{Errors: []task.ArgumentProblem{{}}, Near: []string{"x"}, TaskID: &id},
		"List":     &task.List{},
		"Bulk":     &task.Bulk{Results: []task.Retry{{}}},
		"Filter":   &task.Filter{Statuses: []task.Status{"x"}, Sources: []task.Source{"x"}, Name: "x", Module: "x", Tags: map[string]string{"a": "b"}, CreatedAfter: now, CreatedBefore: now, IDPrefix: "x", Unresolved: true},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(value)
			require.NoError(t, err)
			sent := make(map[string]any)
			require.NoError(t, json.Unmarshal(text, &sent))
			schema := documentSchemas(t)[name]
			require.NotNil(t, schema, "the document has no schema %s", name)
			require.ElementsMatch(t, slices.Collect(maps.Keys(sent)), slices.Collect(maps.Keys(schema.Properties)))
		})
	}
}

func documentSchemas(t *testing.T) map[string]*huma.Schema {
	t.Helper()
	settings := documentSettings("")
	a := &api{}
	routes := huma.NewAPI(settings, noRoutes{})
	a.registerTasks(routes)
	a.registerAttempts(routes)
	a.registerList(routes)
	a.registerControl(routes)
	a.registerBulk(routes)
	a.registerHistory(routes)
	a.registerModules(routes)
	a.registerNodes(routes)
	completeSchemas(settings.Components.Schemas)
	return settings.Components.Schemas.Map()
}

// noRoutes is an adapter that registers nothing.
type noRoutes struct{ huma.Adapter }

func (noRoutes) Handle(*huma.Operation, func(huma.Context)) {}
