package host_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host"
)

// buildGuest builds testdata/guest, once.
var buildGuest = sync.OnceValues(func() ([]byte, error) { return buildGo("guest", "c-shared", goDigest) })

// buildGo builds a package in testdata, to be prepared under a digest.
func buildGo(name, mode, digest string) ([]byte, error) {
	// Opening the sources makes go test notice when they change.
	for _, pattern := range []string{"testdata/*/*.go", "../guest-sdk/*.go", "../abi/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if _, err := os.ReadFile(file); err != nil {
				return nil, err
			}
		}
	}
	file := filepath.Join(workDir(), name+".wasm")
	if err := runGo([]string{"GOOS=wasip1", "GOARCH=wasm"}, "build", "-buildmode="+mode, "-o", file, "./testdata/"+name); err != nil {
		return nil, err
	}
	if err := precompile(digest, file); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
}

// precompile compiles modules without the race detector. The arguments are a digest
// and a file for each.
func precompile(modules ...string) error {
	// wazero finds no version of itself in the binary of a test, and calls it
	// "dev". It takes compiled code only from its own version.
	args := []string{"run", "-ldflags=-X=github.com/tetratelabs/wazero/internal/version.version=dev", "./testdata/precompile", compiledDir()}
	return runGo(nil, append(args, modules...)...)
}

func runGo(env []string, args ...string) error {
	cmd := exec.CommandContext(context.Background(), "go", args...)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

func goModule(t testing.TB) []byte {
	t.Helper()
	wasm, err := buildGuest()
	require.NoError(t, err)
	return wasm
}

// goDigest is what the Go guest is prepared under.
const goDigest = "the Go guest"

// declared are the indexes of the definitions of the Go guest, by name.
var declared = sync.OnceValues(func() (map[string]int, error) {
	wasm, err := buildGuest()
	if err != nil {
		return nil, err
	}
	if err := sharedEngine().Prepare(context.Background(), goDigest, wasm); err != nil {
		return nil, err
	}
	text, err := sharedEngine().Describe(context.Background(), goDigest)
	if err != nil {
		return nil, err
	}
	var m abi.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, err
	}
	names := make(map[string]int)
	for i, d := range m.Definitions {
		names[d.Name] = i
	}
	return names, nil
})

func digestOf(wasm []byte) string {
	sum := sha256.Sum256(wasm)
	return hex.EncodeToString(sum[:])
}

// goAttempt is an attempt at a definition of the Go guest.
func goAttempt(t testing.TB, name, input string) host.Attempt {
	t.Helper()
	names, err := declared()
	require.NoError(t, err)
	require.Contains(t, names, name)
	return host.Attempt{Digest: goDigest, Index: names[name], Name: name, Input: []byte(input), MaxAttempts: 1, Deadline: time.Now().Add(time.Minute)}
}

// What was compiled without the race detector is what the tests run.
func TestGuestsArePrecompiled(t *testing.T) {
	e := newEngine(t, host.Config{CacheDir: compiledDir()})
	require.NoError(t, e.Prepare(context.Background(), goDigest, goModule(t)))
	stats := e.Stats()
	require.EqualValues(t, 1, stats.Loaded)
	require.Zero(t, stats.Compiled)
}
