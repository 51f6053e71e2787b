package httpapi_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

// routes are those that need a credential: all that the document lists, the
// document, and what is not there.
var routes = []struct{ method, path string }{
	{"POST", "/v1/tasks"},
	{"GET", "/v1/tasks/" + sampleID},
	{"GET", "/v1/tasks/" + sampleID + "/result"},
	{"GET", "/v1/tasks/" + sampleID + "/logs"},
	{"GET", "/v1/tasks/" + sampleID + "/attempts"},
	{"GET", "/v1/tasks"},
	{"POST", "/v1/tasks/" + sampleID + "/cancel"},
	{"POST", "/v1/tasks/" + sampleID + "/retry"},
	{"POST", "/v1/tasks/bulk-cancel"},
	{"POST", "/v1/tasks/bulk-retry"},
	{"POST", "/v1/tasks/retry-failed"},
	{"GET", "/v1/definitions"},
	{"POST", "/v1/modules/thumbs"},
	{"GET", "/v1/modules"},
	{"GET", "/v1/modules/thumbs"},
	{"GET", "/v1/nodes"},
	{"POST", "/v1/modules/thumbs/release"},
	{"POST", "/v1/nodes/n-1/drain"},
	{"POST", "/v1/nodes/n-1/undrain"},
	{"GET", "/openapi.json"},
	{"GET", "/openapi.yaml"},
	{"GET", "/openapi-3.0.json"},
	{"GET", "/openapi-3.0.yaml"},
	{"GET", "/docs"},
	{"GET", "/schemas/Task.json"},
	{"GET", "/"},
	{"GET", "/v1/unheard-of"},
	{"DELETE", "/v1/tasks"},
	{"OPTIONS", "/v1/tasks"},
	{"HEAD", "/v1/definitions"},
	{"PUT", "/healthz"},
	{"GET", "/healthz/"},
}

// operations is how many of the routes do something, from the first on.
const operations = 18

// TestEveryRouteNeedsACredential: the fake has no functions, so a request that
// came through would end as an internal error.
func TestEveryRouteNeedsACredential(t *testing.T) {
	s := serve(t, &fake{})
	for name, headers := range map[string][]string{
		"none":             nil,
		"a wrong one":      {"Authorization: Bearer th_other"},
		"a longer one":     {"Authorization: Bearer " + token + "x"},
		"no secret":        {"Authorization: Bearer "},
		"no scheme":        {"Authorization: " + token},
		"another scheme":   {"Authorization: Basic dGg6c2VjcmV0"},
		"a scheme too few": {"Authorization: Bearer"},
		"another header":   {"X-Api-Key: " + token},
		"a cookie":         {"Cookie: token=" + token},
		"two words":        {"Authorization: Bearer " + token + " " + token},
	} {
		t.Run(name, func(t *testing.T) {
			for _, route := range routes {
				got := s.sendFrom(t, route.method, route.path+"?token="+token, nil, headers...)
				require.Equal(t, http.StatusUnauthorized, got.status, "%s %s", route.method, route.path)
				require.Equal(t, `Bearer realm="taskhost"`, got.header.Get("WWW-Authenticate"))
				if route.method != "HEAD" {
					problem := requireProblem(t, got, http.StatusUnauthorized, "unauthorized")
					require.NotContains(t, problem.Detail, "th_")
				}
			}
		})
	}
	require.Empty(t, s.log.String())
}

func TestTheSchemeIsInAnyCase(t *testing.T) {
	s := serve(t, &fake{definitions: noDefinitions})
	for _, scheme := range []string{"Bearer", "bearer", "BEARER"} {
		require.Equal(t, 200, s.sendFrom(t, "GET", "/v1/definitions", nil, "Authorization: "+scheme+" "+token).status)
	}
}

func noDefinitions(context.Context) ([]task.Definition, error) { return []task.Definition{}, nil }

// TestALongSecretIsNotLookedUp: it is a cheap way to make the server hash.
func TestALongSecretIsNotLookedUp(t *testing.T) {
	asked := ""
	s := serve(t, &fake{authenticate: func(secret string) (string, bool, error) {
		asked = secret
		return "", false, nil
	}})
	requireProblem(t, s.sendFrom(t, "GET", "/v1/definitions", nil, "Authorization: Bearer "+strings.Repeat("s", 512)), 401, "unauthorized")
	require.Len(t, asked, 512)
	asked = ""
	requireProblem(t, s.sendFrom(t, "GET", "/v1/definitions", nil, "Authorization: Bearer "+strings.Repeat("s", 513)), 401, "unauthorized")
	require.Empty(t, asked)
}

func TestAFailingLookUpLetsNobodyIn(t *testing.T) {
	s := serve(t, &fake{authenticate: func(string) (string, bool, error) {
		return "admin", true, errors.New("disk I/O error")
	}})
	problem := requireProblem(t, s.send(t, "GET", "/v1/definitions", ""), 500, "internal")
	require.NotContains(t, problem.Detail, "disk")
	require.Contains(t, s.log.String(), "disk I/O error")
}

func TestHealthNeedsNoCredential(t *testing.T) {
	s := serve(t, &fake{ping: func() error { return nil }})
	for _, path := range []string{"/healthz", "/readyz"} {
		got := s.sendFrom(t, "GET", path, nil)
		require.Equal(t, 200, got.status)
		require.Equal(t, "ok\n", string(got.body))
		require.Equal(t, "text/plain; charset=utf-8", got.header.Get("Content-Type"))
	}
}

func TestReadyAsksTheDatabase(t *testing.T) {
	s := serve(t, &fake{ping: func() error { return errors.New("disk I/O error") }})
	got := s.sendFrom(t, "GET", "/readyz", nil)
	problem := requireProblem(t, got, 503, "unavailable")
	require.Equal(t, "1", got.header.Get("Retry-After"))
	require.NotContains(t, problem.Detail, "disk")
	require.Contains(t, s.log.String(), "disk I/O error")
	require.Equal(t, 200, s.sendFrom(t, "GET", "/healthz", nil).status, "the process is up all the same")
}
