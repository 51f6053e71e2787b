package languages_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host/wasi"
	"github.com/taskhost/taskhost/internal/guestbuild"
)

// TestWork: what is measured in several languages is the same work.
func TestWork(t *testing.T) {
	t.Parallel()
	var block [1024]byte
	for range 3 {
		sum := sha256.Sum256(block[:])
		copy(block[:], sum[:])
	}
	sha := int64(binary.LittleEndian.Uint32(block[:]))

	for _, dir := range []string{"work", "work-c", "work-rust"} {
		t.Run(dir, func(t *testing.T) {
			t.Parallel()
			m := instance(t, guestbuild.Build(t, "../testdata/"+dir))
			for _, test := range []struct {
				name    string
				n, want int64
			}{
				{"sieve", 1000, 168},
				{"sieve", 1009, 169},
				{"sha", 3, sha},
				{"sorted", 1, 1015568748},
				{"sorted", 1001, 2209033545},
				{"fibonacci", 1, 1},
				{"fibonacci", 15, 610},
				{"matrix", 1, 0},
				{"matrix", 10, 5900},
			} {
				got, err := m.ExportedFunction(test.name).Call(t.Context(), api.EncodeI64(test.n))
				require.NoError(t, err)
				require.Equal(t, test.want, int64(got[0]), "%s(%d)", test.name, test.n)
			}
		})
	}
}

// instance is interpreted, since to compile a Go guest under the race detector
// takes half a minute.
func instance(t *testing.T, wasm []byte) api.Module {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	t.Cleanup(func() { require.NoError(t, r.Close(ctx)) })
	_, err := wasi.Instantiate(ctx, r)
	require.NoError(t, err)
	m, err := r.InstantiateWithConfig(ctx, wasm, wazero.NewModuleConfig().WithStartFunctions())
	require.NoError(t, err)
	if initialize := m.ExportedFunction(abi.ExportInitialize); initialize != nil {
		_, err := initialize.Call(ctx)
		require.NoError(t, err)
	}
	return m
}
