package fuel_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// FuzzRewrite looks for modules that are valid and no longer so when rewritten, or
// the other way round: an index that is one too many would mean what was added.
func FuzzRewrite(f *testing.F) {
	for _, wasm := range seeds(f) {
		f.Add(wasm)
	}
	f.Fuzz(func(t *testing.T, wasm []byte) {
		rewritten, err := rewrite(wasm)
		if err != nil {
			return
		}
		before, after := compile(wasm), compile(rewritten)
		if errors.Is(before, errPanicked) { // some modules that are not valid
			return
		}
		require.Equal(t, before == nil, after == nil, "%v, and rewritten %v", before, after)
	})
}

// seeds are small modules of the specification's tests, of each script a few.
func seeds(t testing.TB) (out [][]byte) {
	dir, err := exec.CommandContext(context.Background(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "internal/integration_test/spectest/v2/testdata/*.[0-3].wasm"))
	require.NoError(t, err)
	for _, file := range files {
		wasm, err := os.ReadFile(file)
		require.NoError(t, err)
		if len(wasm) < 4<<10 {
			out = append(out, wasm)
		}
	}
	require.Greater(t, len(out), 100)
	return out
}

var errPanicked = errors.New("the runtime panicked")

// compile is what the runtime says of a module.
func compile(wasm []byte) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%w: %v", errPanicked, cause)
		}
	}()
	ctx := context.Background()
	config := wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2).WithDebugInfoEnabled(false)
	runtime := wazero.NewRuntimeWithConfig(ctx, config)
	defer func() { _ = runtime.Close(ctx) }()
	_, err = runtime.CompileModule(ctx, wasm)
	return err
}
