package tests_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever the document lists, and whatever it does not, needs a credential;
// only the two questions about health do not.
func TestEveryRouteNeedsACredential(t *testing.T) {
	t.Parallel()
	p, c := serve(t, built(t).dataDir(t))
	var document struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	c.read(t, "/openapi.json", &document)
	routes := [][2]string{
		{"GET", "/openapi.json"},
		{"GET", "/openapi.yaml"},
		{"GET", "/nothing-here"},
		{"GET", "/"},
		{"GET", "/healthz/x"},
		{"POST", "/healthz"},
	}
	operations := 0
	for path, methods := range document.Paths {
		path = strings.NewReplacer("{id}", "01890a5d-ac96-774b-bcce-b302099a8057", "{name}", "flaky").Replace(path)
		require.NotContains(t, path, "{")
		if path == "/v1/events" {
			path += "?after=nowhere" // the answer would not end
		}
		for method := range methods {
			routes = append(routes, [2]string{strings.ToUpper(method), path})
			operations++
		}
	}
	for _, known := range []string{"/v1/tasks", "/v1/tasks/{id}", "/v1/tasks/{id}/result", "/v1/tasks/{id}/logs", "/v1/modules/{name}", "/v1/modules", "/v1/definitions", "/v1/nodes"} {
		require.Contains(t, document.Paths, known)
	}
	require.GreaterOrEqual(t, operations, 8)

	anonymous := newClient(p.url, "")
	defer anonymous.close()
	for name, authorization := range map[string]string{
		"none":             "",
		"empty":            "Bearer ",
		"wrong":            "Bearer th_" + strings.Repeat("A", 52),
		"almost":           "Bearer " + p.token[:len(p.token)-1],
		"and a letter":     "Bearer " + p.token + "A",
		"other case":       "Bearer " + strings.ToLower(p.token),
		"other scheme":     "Basic " + p.token,
		"no scheme":        p.token,
		"a space too many": "Bearer  " + p.token,
		"long":             "Bearer " + strings.Repeat("x", 4096),
	} {
		t.Run(name, func(t *testing.T) {
			for _, route := range routes {
				var header []string
				if authorization != "" {
					header = []string{"Authorization", authorization}
				}
				a := anonymous.request(t, route[0], route[1], nil, header...)
				require.Equal(t, 401, a.status, "%s %s: %s", route[0], route[1], a.body)
				require.Contains(t, a.header.Get("WWW-Authenticate"), "Bearer")
				if route[0] != "HEAD" {
					a.problem(t, 401, "unauthorized")
				}
				require.NotContains(t, string(a.body), p.token)
			}
		})
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		a := anonymous.request(t, "GET", path, nil)
		require.Equal(t, 200, a.status)
		require.Equal(t, "ok\n", string(a.body))
	}
	// The same routes are there for who has a credential.
	for _, route := range routes {
		require.NotEqual(t, 401, c.request(t, route[0], route[1], nil).status, "%v", route)
	}
	p.stop(t)
}
