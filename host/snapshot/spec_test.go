package snapshot_test

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/taskhost/taskhost/host/snapshot"
	"github.com/taskhost/taskhost/host/spectest"
	"github.com/taskhost/taskhost/host/wasmfile"
)

// A module whose data has left it, and whose memory is ours, does what it did; and
// what its memory and globals were before all of that can be had again.
func TestSpecification(t *testing.T) {
	space := newSpace(t, "")
	resets := 0
	spectest.Test(t, func(t *testing.T, wasm []byte) (*spectest.Rewritten, error) {
		file, err := wasmfile.Read(bytes.Clone(wasm))
		if err != nil {
			return nil, err
		}
		// The host refuses modules that import anything but functions, and those
		// whose data goes to a place that is taken from a global.
		foreign := slices.ContainsFunc(file.Imports, func(i wasmfile.Import) bool { return i.Kind != wasmfile.KindFunc })
		variable := slices.ContainsFunc(file.Data, func(d wasmfile.Data) bool { return d.Active && !d.Constant })
		if foreign || variable {
			return &spectest.Rewritten{Code: wasm}, nil
		}
		module, err := snapshot.Prepare(file, wasm)
		if err != nil {
			return nil, err
		}
		code, err := file.Edit(wasm, module.Edit(file))
		if err != nil {
			return nil, err
		}
		image, err := space.Initial(module)
		require.NoError(t, err)
		most := uint64(1 << 32)
		memory, err := space.NewMemory(image, most)
		require.NoError(t, err)
		t.Cleanup(func() {
			memory.Free()
			require.NoError(t, image.Close())
		})
		memory.Begin(most)
		s := &subject{module: module, image: image, memory: memory}
		out := &spectest.Rewritten{Code: code, Context: experimental.WithMemoryAllocator(t.Context(), memory)}
		if file.HasStart { // it has run by the time that we could look
			return out, nil
		}
		var first []byte
		out.Start = func(_ context.Context, instance api.Module) (err error) {
			s.guest = instance
			if s.globals, err = module.Globals(instance); err == nil && len(file.Memories) > 0 {
				first = bytes.Clone(memory.Contents())
			}
			image.Note(s.globals)
			return err
		}
		out.Done = func(context.Context, api.Module) {
			if len(file.Memories) == 0 || s.globals == nil {
				return
			}
			if err := s.reset(); err != nil { // at its declared maximum it cannot be
				require.True(t, file.Memories[0].HasMax || memory.Size() == most, "%v", err)
				return
			}
			require.True(t, bytes.Equal(first, memory.Contents()))
			require.True(t, memory.Equal())
			require.True(t, image.Has(s.globals))
			resets++
		}
		return out, nil
	})
	t.Logf("%d instances were reset", resets)
	require.Greater(t, resets, 100)
}
