package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"make"}, {"install", "all"}, {"build"}, {"build", "folder"}} {
		require.ErrorContains(t, run(t.Context(), args), "usage", args)
	}
	require.NoError(t, run(t.Context(), []string{"install"}))
	out := filepath.Join(t.TempDir(), "guests")
	require.NoError(t, run(t.Context(), []string{"build", out, "../../../host/testdata/raw-c/"}))
	wasm, err := os.ReadFile(filepath.Join(out, "raw-c.wasm"))
	require.NoError(t, err)
	require.Equal(t, "\x00asm", string(wasm[:4]))
	require.ErrorContains(t, run(t.Context(), []string{"build", out, ".."}), "is no guest")
}
