package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestQuarantineIsShownAndReleased asks a server that has a module in quarantine.
func TestQuarantineIsShownAndReleased(t *testing.T) {
	const version = `{"module":"thumbs","version":3,"digest":"0123456789abcdef","bytes":9,"live":true,"created_at":"2026-01-02T03:04:05Z","definitions":[],
		"quarantine":[{"node":"n-1","since":"2026-01-02T03:04:05Z","reason":"its workers died"}]}`
	var posts []string
	released := "[3]"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body string
		switch {
		case r.Method == http.MethodPost:
			posts = append(posts, r.URL.RequestURI())
			body = `{"released":` + released + `}`
		case r.URL.Path == "/v1/modules":
			body = `{"modules":[` + version + `]}`
		default:
			body = `{"versions":[` + version + `]}`
		}
		_, _ = w.Write([]byte(body)) // what is cut short the client notices
	}))
	defer server.Close()
	call := func(args ...string) (string, int) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), append(args, "--server", server.URL), []string{"HOME=" + t.TempDir(), "TASKHOST_TOKEN=th_x"}, strings.NewReader(""), &stdout, &stderr)
		return stdout.String() + stderr.String(), code
	}
	for _, args := range [][]string{{"module", "list"}, {"module", "show", "thumbs"}} {
		out, code := call(args...)
		require.Zero(t, code, out)
		require.Contains(t, out, "thumbs@3 is in quarantine on node n-1 since ")
		require.Contains(t, out, ": its workers died\n")
	}
	out, code := call("module", "release", "thumbs@3")
	require.Zero(t, code, out)
	require.Equal(t, "released thumbs@3\n", out)
	released = "[]"
	out, code = call("module", "release", "thumbs")
	require.Zero(t, code, out)
	require.Equal(t, "nothing of thumbs is in quarantine\n", out)
	require.Equal(t, []string{"/v1/modules/thumbs/release?version=3", "/v1/modules/thumbs/release"}, posts)
	for _, wrong := range []string{"thumbs@", "thumbs@0", "thumbs@x"} {
		out, code = call("module", "release", wrong)
		require.Equal(t, 2, code, out)
		require.Contains(t, out, "give NAME@VERSION")
	}
}
