package wasmfile_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host/wasmfile"
)

// FuzzRead looks for bytes that make Read panic, that it refuses in a way
// that cannot be shown, or that it accepts and the runtime does not survive.
func FuzzRead(f *testing.F) {
	for _, wasm := range smallModules() {
		f.Add(wasm)
	}
	for _, wasm := range bombs() {
		f.Add(wasm)
	}
	f.Fuzz(func(t *testing.T, wasm []byte) {
		m, err := wasmfile.Read(wasm)
		if err != nil {
			_ = requireReadable(t, wasm, err)
			return
		}
		end := 8
		for _, s := range m.Sections {
			require.Equal(t, end, s.Offset)
			end = s.End
		}
		require.Equal(t, len(wasm), end)
		for _, e := range m.Exports {
			_, ok := m.ExportedFunc(e.Name)
			require.Equal(t, e.Kind == wasmfile.KindFunc, ok)
		}
		_ = compile(wasm)
	})
}
