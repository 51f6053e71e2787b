package httpapi_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/task"
)

func sampleVersion() modules.Version {
	return modules.Version{
		Module: "thumbs", Version: 2, Digest: "d", Bytes: 3, SDK: "go/1", Live: true,
		CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Definitions: []task.Definition{{
			Name: "a", Description: "What it does.", Executor: task.Wasm, Module: &task.ModuleRef{Name: "thumbs", Version: 2, Digest: "d"},
			Options: task.Options{Executor: task.Wasm}.WithDefaults(),
		}},
	}
}

const sampleVersionJSON = `{"module":"thumbs","version":2,"digest":"d","bytes":3,"sdk":"go/1","live":true,"created_at":"2026-01-02T03:04:05Z",
	"definitions":[{"name":"a","description":"What it does.","executor":"wasm","module":{"name":"thumbs","version":2,"digest":"d"},
		"options":{"retries":0,"delay":"0s","backoff":1,"max_delay":"720h0m0s","jitter":0,"priority":5,"timeout":"1m0s","expires_after":"0s","unique":"none","idempotency_ttl":"0s","eager":false,
			"requeue_on_interrupt":false,"executor":"wasm","memory_bytes":67108864,
	"fuel":0,"depth":10000,"result_bytes":1048576,"log_bytes":1048576,"args_bytes":1048576,"reset":"pooled"}}]}`

func TestPushModule(t *testing.T) {
	wasm := []byte("\x00asm\x01\x00\x00\x00\xff\r\n")
	s := serve(t, &fake{push: func(name string, got []byte) (*modules.Version, error) {
		require.Equal(t, "thumbs", name)
		require.Equal(t, wasm, got)
		version := sampleVersion()
		return &version, nil
	}})
	got := s.send(t, "POST", "/v1/modules/thumbs", string(wasm), "Content-Type: application/wasm")
	require.Equal(t, http.StatusCreated, got.status, "%s", got.body)
	require.Equal(t, "application/json", got.header.Get("Content-Type"))
	require.JSONEq(t, sampleVersionJSON, string(got.body))
}

// TestPushedBytesAreTheModulesOwn: a compiled module may go on to refer to
// them, and the next request must not write over them.
func TestPushedBytesAreTheModulesOwn(t *testing.T) {
	var kept [][]byte
	s := serve(t, &fake{push: func(_ string, wasm []byte) (*modules.Version, error) {
		kept = append(kept, wasm)
		version := sampleVersion()
		return &version, nil
	}})
	for i := range 20 {
		body := strings.Repeat(string(rune('a'+i)), 10_000)
		require.Equal(t, 201, s.send(t, "POST", "/v1/modules/thumbs", body).status)
	}
	for i, wasm := range kept {
		require.Equal(t, strings.Repeat(string(rune('a'+i)), 10_000), string(wasm))
	}
}

func TestListModules(t *testing.T) {
	s := serve(t, &fake{list: func() ([]modules.Version, error) { return []modules.Version{sampleVersion()}, nil }})
	got := s.send(t, "GET", "/v1/modules", "")
	require.Equal(t, 200, got.status)
	require.JSONEq(t, `{"modules":[`+sampleVersionJSON+`]}`, string(got.body))

	empty := serve(t, &fake{list: func() ([]modules.Version, error) { return []modules.Version{}, nil }})
	require.JSONEq(t, `{"modules":[]}`, string(empty.send(t, "GET", "/v1/modules", "").body))
}

func TestListModuleVersions(t *testing.T) {
	s := serve(t, &fake{versions: func(module string) ([]modules.Version, error) {
		require.Equal(t, "thumbs", module)
		return []modules.Version{sampleVersion()}, nil
	}})
	got := s.send(t, "GET", "/v1/modules/thumbs", "")
	require.Equal(t, 200, got.status)
	require.JSONEq(t, `{"versions":[`+sampleVersionJSON+`]}`, string(got.body))
}

// TestModuleNamesAreDecoded: which names there can be is for package modules
// to say, and it must get the one that was meant.
func TestModuleNamesAreDecoded(t *testing.T) {
	for path, want := range map[string]string{
		"thumbs.v2_a-b":   "thumbs.v2_a-b",
		"a%2Fb":           "a/b",
		"a%20b":           "a b",
		"a+b":             "a+b",
		"%C3%A4":          "ä",
		"%00":             "\x00",
		"a%25b":           "a%b",
		"%2e%2e%2fetc":    "../etc",
		"a%0d%0ax":        "a\r\nx",
		"%f0%9f%98%80":    "😀",
		"a;b":             "a;b",
		"a:b@c,d=e$f!*()": "a:b@c,d=e$f!*()",
	} {
		t.Run(want, func(t *testing.T) {
			var pushed, listed string
			s := serve(t, &fake{
				push: func(name string, _ []byte) (*modules.Version, error) {
					pushed = name
					return nil, &task.InvalidError{Field: "name", Problem: "is odd"}
				},
				versions: func(name string) ([]modules.Version, error) {
					listed = name
					return nil, task.ErrNotFound
				},
			})
			requireProblem(t, s.send(t, "POST", "/v1/modules/"+path, "x"), 422, "invalid")
			requireProblem(t, s.send(t, "GET", "/v1/modules/"+path, ""), 404, "not_found")
			require.Equal(t, want, pushed)
			require.Equal(t, want, listed)
		})
	}
}

func TestPushWhatIsTooLarge(t *testing.T) {
	s := serve(t, &fake{push: func(_ string, wasm []byte) (*modules.Version, error) {
		require.Len(t, wasm, modules.MaxBytes, "the most that a module may have gets through")
		version := sampleVersion()
		return &version, nil
	}})
	body := bytes.Repeat([]byte("x"), modules.MaxBytes+2)
	push := func(size int) answer {
		return s.sendFrom(t, "POST", "/v1/modules/thumbs", bytes.NewReader(body[:size]), "Authorization: Bearer "+token)
	}
	require.Equal(t, 201, push(modules.MaxBytes).status)
	requireProblem(t, push(modules.MaxBytes+2), 413, "too_large")
}

func TestPushOfNothing(t *testing.T) {
	s := serve(t, &fake{push: func(string, []byte) (*modules.Version, error) {
		return nil, &modules.RejectedError{Reason: "it is empty"}
	}})
	got := s.send(t, "POST", "/v1/modules/thumbs", "")
	require.Contains(t, []int{400, 422}, got.status)
	require.Equal(t, "application/problem+json", got.header.Get("Content-Type"))
}

func TestReleaseModule(t *testing.T) {
	var asked string
	s := serve(t, &fake{release: func(module string, version int) ([]int, error) {
		if asked = fmt.Sprint(module, version); module == "none" {
			return nil, task.ErrNotFound
		}
		return []int{2, 3}, nil
	}})
	for query, want := range map[string]string{"": "thumbs0", "?version=0": "thumbs0", "?version=3": "thumbs3"} {
		got := s.send(t, "POST", "/v1/modules/thumbs/release"+query, "")
		require.Equal(t, 200, got.status, "%s", got.body)
		require.JSONEq(t, `{"released":[2,3]}`, string(got.body))
		require.Equal(t, want, asked)
	}
	requireProblem(t, s.send(t, "POST", "/v1/modules/none/release", ""), 404, "not_found")
	for _, version := range []string{"x", "-1"} {
		requireProblem(t, s.send(t, "POST", "/v1/modules/thumbs/release?version="+version, ""), 422, "invalid")
	}
}

// A version says where it does not run, and why.
func TestQuarantineIsListed(t *testing.T) {
	version := sampleVersion()
	version.Quarantine = []modules.Quarantine{{Digest: "d", Node: "n-1", Since: version.CreatedAt, Reason: "it died"}}
	s := serve(t, &fake{
		list:     func() ([]modules.Version, error) { return []modules.Version{version}, nil },
		versions: func(string) ([]modules.Version, error) { return []modules.Version{version}, nil },
	})
	for _, path := range []string{"/v1/modules", "/v1/modules/thumbs"} {
		got := s.send(t, "GET", path, "")
		require.Equal(t, 200, got.status, "%s", got.body)
		require.Contains(t, string(got.body), `"quarantine":[{"node":"n-1","since":"2026-01-02T03:04:05Z","reason":"it died"}]`)
	}
}
