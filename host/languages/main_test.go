// Package languages_test runs guests of every language in the engine: the SDKs, the
// examples, and the guests in host/testdata that other tests and benchmarks rely on.
package languages_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host"
	"github.com/taskhost/taskhost/internal/guestbuild"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(suite{m}) }

// suite is the tests, and the engine that they share.
type suite struct{ *testing.M }

func (s suite) Run() (code int) {
	defer func() {
		if err := errors.Join(sharedEngine().Close(context.Background()), os.RemoveAll(workDir())); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	return s.M.Run()
}

var workDir = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "taskhost-languages-")
	if err != nil {
		panic(err)
	}
	return dir
})

func compiledDir() string { return filepath.Join(workDir(), "compiled") }

var sharedEngine = sync.OnceValue(func() *host.Engine {
	e, err := host.New(context.Background(), host.Config{CacheDir: compiledDir()})
	if err != nil {
		panic(err)
	}
	return e
})

// A guest is a module that has been prepared.
type guest struct {
	digest   string
	manifest abi.Manifest
	index    map[string]int
}

// load builds a guest, prepares it and reads its manifest, as strictly as an upload does.
func load(t *testing.T, dir string) *guest {
	t.Helper()
	wasm := guestbuild.Build(t, dir)
	g := &guest{digest: digestOf(wasm), index: make(map[string]int)}
	require.NoError(t, sharedEngine().Prepare(t.Context(), g.digest, wasm))
	text, err := sharedEngine().Describe(t.Context(), g.digest)
	require.NoError(t, err)
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&g.manifest), "%s", text)
	for i, d := range g.manifest.Definitions {
		g.index[d.Name] = i
	}
	return g
}

func digestOf(wasm []byte) string {
	sum := sha256.Sum256(wasm)
	return hex.EncodeToString(sum[:])
}

// loadGo loads a guest in Go, which is so large that its code is compiled without
// the race detector: package host does the same, and says how.
func loadGo(t *testing.T, dir string) *guest {
	t.Helper()
	file := filepath.Join(workDir(), filepath.Base(dir)+".wasm")
	wasm := guestbuild.Build(t, dir)
	require.NoError(t, os.WriteFile(file, wasm, 0o600))
	compile := exec.CommandContext(t.Context(), "go", "run",
		"-ldflags=-X=github.com/tetratelabs/wazero/internal/version.version=dev", "../testdata/precompile", compiledDir(), digestOf(wasm), file)
	output, err := compile.CombinedOutput()
	require.NoError(t, err, "%s", output)
	return load(t, dir)
}

func (g *guest) attempt(t *testing.T, name, input string) host.Attempt {
	t.Helper()
	require.Contains(t, g.index, name)
	return host.Attempt{
		Digest: g.digest, Index: g.index[name], Name: name, TaskID: "0197b6ee-8dcf-7a3b-b6b6-5ad1ed0a7d5e",
		MaxAttempts: 1, Input: []byte(input), InputType: abi.ContentJSON, Deadline: time.Now().Add(time.Minute),
	}
}

// logged keeps what is logged.
type logged struct{ lines []host.LogLine }

func (l *logged) Log(_ context.Context, line host.LogLine) { l.lines = append(l.lines, line) }

func execute(t *testing.T, attempt host.Attempt) (host.Outcome, []host.LogLine) {
	t.Helper()
	log := &logged{}
	return sharedEngine().Execute(t.Context(), attempt, log), log.lines
}

func succeed(t *testing.T, attempt host.Attempt) host.Outcome {
	t.Helper()
	out, _ := execute(t, attempt)
	require.Nil(t, out.Failure, "%+v", out.Failure)
	return out
}

func fail(t *testing.T, attempt host.Attempt) *host.Failure {
	t.Helper()
	out, _ := execute(t, attempt)
	require.NotNil(t, out.Failure)
	return out.Failure
}
