package wasmfile_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/taskhost/taskhost/host/wasmfile"
)

// errPanicked is a panic of the runtime that was recovered from.
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

// What the runtime compiles, Read does not refuse. The files are the
// runtime's own, most of them the tests of the specification.
func TestReadAcceptsWhatCompiles(t *testing.T) {
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	require.NoError(t, err)
	root := strings.TrimSpace(string(dir))
	found, accepted, later := 0, 0, 0
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".wasm" {
			return err
		}
		wasm, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		found++
		if _, err = wasmfile.Read(wasm); err == nil {
			accepted++
			return nil
		}
		refusal := requireReadable(t, wasm, err)
		if compile(wasm) != nil {
			return nil
		}
		// The runtime decodes types of this later proposal whether or not the
		// feature is on, so it compiles modules that are not of version 2.0.
		require.Equal(t, wasmfile.RuleFeature, refusal.Rule, "%s: %v", path, err)
		require.Contains(t, filepath.ToSlash(path), "/typed-function-references/", "%s: %v", path, err)
		later++
		return nil
	})
	require.NoError(t, err)
	t.Logf("%d files, %d accepted, %d refused that compile", found, accepted, later)
	require.Greater(t, found, 500)
	require.Greater(t, accepted, found/2)
}

// Damage that Read does not see the runtime survives: in bounded memory and
// time, and with no worse than a panic that can be recovered from.
func TestRuntimeSurvivesWhatReadAccepts(t *testing.T) {
	const each = 600
	random := rand.New(rand.NewPCG(1, 2))
	accepted, panicked := 0, 0
	for name, wasm := range smallModules() {
		for range each {
			mutant := mutate(random, wasm)
			if _, err := wasmfile.Read(mutant); err != nil {
				_ = requireReadable(t, mutant, err)
				continue
			}
			accepted++
			var err error
			start := time.Now()
			grown := allocated(func() { err = compile(mutant) })
			require.Less(t, grown, uint64(32<<20), "%s: %x", name, mutant)
			require.Less(t, time.Since(start), 2*time.Second, "%s: %x", name, mutant)
			if errors.Is(err, errPanicked) {
				panicked++
			}
		}
	}
	t.Logf("%d mutants accepted, of which %d made the runtime panic", accepted, panicked)
	require.Greater(t, accepted, 100)
}

// mutate returns a copy of wasm with a few places changed.
func mutate(random *rand.Rand, wasm []byte) []byte {
	mutant := bytes.Clone(wasm)
	for range 1 + random.IntN(2) {
		at := 8 + random.IntN(len(mutant)-8)
		switch random.IntN(5) {
		case 0: // one bit
			mutant[at] ^= 1 << random.IntN(8)
		case 1: // one byte
			mutant[at] = byte(random.Uint32())
		case 2: // a small number a little larger
			mutant[at] += byte(1 + random.IntN(3))
		case 3: // a great number
			mutant = append(mutant[:at], append([]byte{0xff, 0xff, 0xff, 0xff, 0x0f}, mutant[at+1:]...)...)
		case 4: // bytes that are gone
			mutant = append(mutant[:at], mutant[min(at+1+random.IntN(4), len(mutant)):]...)
		}
		if len(mutant) < 16 {
			break
		}
	}
	return mutant
}
