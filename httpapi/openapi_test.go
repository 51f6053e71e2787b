package httpapi_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// document is the part of an OpenAPI document that the tests look at.
type document struct {
	OpenAPI string `json:"openapi"`
	Info    struct {
		Title, Version string
	}
	Security []map[string][]string
	Paths    map[string]map[string]struct {
		OperationID string `json:"operationId"`
		Summary     string
		Parameters  []documentParameter
		RequestBody *struct {
			Content map[string]any
		} `json:"requestBody"`
		Responses map[string]struct {
			Content map[string]struct{ Schema map[string]any }
		}
	}
	Components struct {
		Schemas         map[string]documentSchema
		SecuritySchemes map[string]struct{ Type, Scheme string } `json:"securitySchemes"`
	}
}

type documentParameter struct {
	Name, In string
	Required bool
}

type documentSchema struct {
	Type       string
	Properties map[string]struct {
		Type   any
		Format string
		Ref    string `json:"$ref"`
	}
	Required []string
}

func getDocument(t *testing.T) document {
	t.Helper()
	got := serve(t, &fake{}).send(t, "GET", "/openapi.json", "")
	require.Equal(t, 200, got.status)
	require.Equal(t, "application/openapi+json", got.header.Get("Content-Type"))
	require.True(t, json.Valid(got.body))
	var doc document
	require.NoError(t, json.Unmarshal(got.body, &doc))
	return doc
}

func TestDocumentListsTheRoutes(t *testing.T) {
	doc := getDocument(t)
	require.True(t, strings.HasPrefix(doc.OpenAPI, "3.1."), doc.OpenAPI)
	require.Equal(t, "Taskhost", doc.Info.Title)
	require.Equal(t, "v1.2.3", doc.Info.Version)

	var listed []string
	for path, operations := range doc.Paths {
		for method, operation := range operations {
			listed = append(listed, strings.ToUpper(method)+" "+path)
			require.NotEmpty(t, operation.OperationID)
			require.NotEmpty(t, operation.Summary)
			for _, parameter := range operation.Parameters {
				require.Equal(t, parameter.In == "path", parameter.Required, "%s of %s", parameter.Name, path)
			}
		}
	}
	require.ElementsMatch(t, []string{
		"POST /v1/tasks",
		"POST /v1/tasks/batch",
		"GET /v1/tasks/{id}",
		"GET /v1/tasks/{id}/result",
		"GET /v1/tasks/{id}/logs",
		"GET /v1/tasks/{id}/attempts",
		"GET /v1/tasks",
		"POST /v1/tasks/{id}/cancel",
		"POST /v1/tasks/{id}/retry",
		"POST /v1/tasks/bulk-cancel",
		"POST /v1/tasks/bulk-retry",
		"POST /v1/tasks/retry-failed",
		"GET /v1/definitions",
		"DELETE /v1/history",
		"GET /v1/events",
		"POST /v1/modules/{name}",
		"GET /v1/modules",
		"GET /v1/modules/{name}",
		"POST /v1/modules/{name}/release",
		"GET /v1/nodes",
		"POST /v1/nodes/{id}/drain",
		"POST /v1/nodes/{id}/undrain",
	}, listed)
}

func TestDocumentNamesTheParametersOfEachPath(t *testing.T) {
	for path, operations := range getDocument(t).Paths {
		for method, operation := range operations {
			for _, part := range strings.Split(path, "/") {
				if name, ok := strings.CutPrefix(part, "{"); ok {
					name = strings.TrimSuffix(name, "}")
					require.Contains(t, operation.Parameters, documentParameter{Name: name, In: "path", Required: true},
						"%s %s does not say what %s is", method, path, name)
				}
			}
		}
	}
}

func TestDocumentAsksForACredential(t *testing.T) {
	doc := getDocument(t)
	require.Equal(t, []map[string][]string{{"token": {}}}, doc.Security)
	require.Equal(t, "http", doc.Components.SecuritySchemes["token"].Type)
	require.Equal(t, "bearer", doc.Components.SecuritySchemes["token"].Scheme)
}

func TestDocumentOfATask(t *testing.T) {
	doc := getDocument(t)
	properties := doc.Components.Schemas["Task"].Properties
	for name, want := range map[string]any{
		"task_id":         "string",
		"name":            "string",
		"status":          "string",
		"timeout":         "number",
		"duration":        []any{"number", "null"},
		"queue_wait":      "number",
		"run_time":        "number",
		"total_time":      []any{"number", "null"},
		"retries_used":    "integer",
		"attempt":         "integer",
		"created_at":      "string",
		"next_attempt_at": []any{"string", "null"},
		"start_time":      []any{"string", "null"},
		"end_time":        []any{"string", "null"},
		"tags":            "object",
		"retried_from":    "string",
	} {
		require.Contains(t, properties, name)
		require.Equal(t, want, properties[name].Type, name)
	}
	require.NotContains(t, slices.Collect(maps.Keys(properties)), "Timeout")
}

func TestDocumentOfAnEnqueue(t *testing.T) {
	doc := getDocument(t)
	operation := doc.Paths["/v1/tasks"]["post"]
	require.NotNil(t, operation.RequestBody)
	require.Contains(t, operation.RequestBody.Content, "application/json")
	require.Contains(t, operation.Responses, "201")
	var key bool
	for _, parameter := range operation.Parameters {
		key = key || parameter.In == "header" && parameter.Name == "Idempotency-Key"
	}
	require.True(t, key, "the header that makes a call safe to repeat")
}

func TestDocumentOfErrorsIsOfProblems(t *testing.T) {
	for path, operations := range getDocument(t).Paths {
		for method, operation := range operations {
			content := operation.Responses["default"].Content
			require.Contains(t, content, "application/problem+json", "%s %s", method, path)
			require.Equal(t, "#/components/schemas/Problem", content["application/problem+json"].Schema["$ref"])
		}
	}
}

// TestOtherFormsOfTheDocument are served by huma: they must be as closed, and
// say the same.
func TestOtherFormsOfTheDocument(t *testing.T) {
	s := serve(t, &fake{})
	for _, path := range []string{"/openapi.yaml", "/openapi-3.0.json", "/openapi-3.0.yaml"} {
		got := s.send(t, "GET", path, "")
		require.Equal(t, 200, got.status)
		require.Contains(t, string(got.body), "/v1/tasks/{id}/result")
	}
}
