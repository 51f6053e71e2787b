package wasmfile_test

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host/wasmfile"
)

// buildGuest builds a guest of a few lines with the Go toolchain.
func buildGuest(t testing.TB) []byte {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module guest\n\ngo 1.26\n",
		"main.go": `package main

import (
	"encoding/json"
	"os"
)

//go:wasmimport taskhost_v1 value_len
func valueLen(key uint32) int32

//go:wasmexport taskhost_run
func run(index int32) int32 {
	if json.NewEncoder(os.Stdout).Encode(valueLen(0)) != nil {
		return 1
	}
	return 0
}

func main() {}
`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildmode=c-shared", "-o", "guest.wasm", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	wasm, err := os.ReadFile(filepath.Join(dir, "guest.wasm"))
	require.NoError(t, err)
	return wasm
}

func TestGoGuest(t *testing.T) {
	wasm := buildGuest(t)
	m, err := wasmfile.Read(wasm)
	require.NoError(t, err)

	run, ok := m.ExportedFunc("taskhost_run")
	require.True(t, ok)
	require.Equal(t, "(i32) -> i32", run.String())
	initialize, ok := m.ExportedFunc("_initialize")
	require.True(t, ok)
	require.Equal(t, "() -> ()", initialize.String())
	modules := map[string]int{}
	for _, i := range m.Imports {
		require.Equal(t, wasmfile.KindFunc, i.Kind)
		modules[i.Module]++
	}
	require.Equal(t, 1, modules["taskhost_v1"])
	require.Len(t, modules, 2, "the other is WASI")
	require.Len(t, m.Memories, 1)
	require.False(t, m.HasStart)

	boundaries := []int{8}
	for _, s := range m.Sections {
		boundaries = append(boundaries, s.Offset, s.Start, s.End)
	}
	for _, b := range boundaries {
		for _, n := range []int{b - 1, b, b + 1} {
			requireTruncated(t, m, wasm, n)
		}
	}
	random := rand.New(rand.NewPCG(3, 4))
	for range 100 { // each reads all instructions up to there
		requireTruncated(t, m, wasm, random.IntN(len(wasm)))
	}
}

func TestTruncated(t *testing.T) {
	for _, wasm := range smallModules() {
		m, err := wasmfile.Read(wasm)
		require.NoError(t, err)
		for n := range wasm {
			requireTruncated(t, m, wasm, n)
		}
	}
}

// requireTruncated checks that the first n bytes of the module are refused.
// Where they end between two sections they may be a smaller module, unless
// functions lack their bodies, or data was announced.
func requireTruncated(t *testing.T, m *wasmfile.Module, wasm []byte, n int) {
	t.Helper()
	cut := wasm[:min(n, len(wasm)):min(n, len(wasm))]
	_, err := wasmfile.Read(cut)
	whole, declared, bodies, announced, data := n == 8, false, false, false, false
	for _, s := range m.Sections {
		whole = whole || s.End == n
		if s.End <= n {
			declared = declared || s.ID == secFunction
			bodies = bodies || s.ID == secCode
			announced = announced || s.ID == secDataCount
			data = data || s.ID == secData
		}
	}
	if n >= len(wasm) || whole && declared == bodies && (data || !announced) {
		require.NoError(t, err, "cut at byte %d", n)
		return
	}
	_ = requireReadable(t, cut, err)
}

func BenchmarkRead(b *testing.B) {
	wasm := buildGuest(b)
	b.SetBytes(int64(len(wasm)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wasmfile.Read(wasm); err != nil {
			b.Fatal(err)
		}
	}
}
