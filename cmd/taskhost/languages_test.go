package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/guestbuild"
)

// TestRunOfEveryLanguage runs the example guests that are not in Go, as their
// comments tell a reader to.
func TestRunOfEveryLanguage(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ guest, args, stdout, stderr string }{
		{"checksum", `"some bytes"`, `{"bytes":12,"crc32":"f8a46089"}`, "bytes.checksum: compiled in "},
		{"duplicates", `"ann\nbob\nann"`, `[{"line":"ann","at":[1, 3]}]`, `looked {"lines":3,"different":2}`},
		{"slug", `"Crème brûlée, twice"`, `"creme-brulee-twice"`, "text.slug: compiled in "},
	} {
		t.Run(test.guest, func(t *testing.T) {
			t.Parallel()
			wasm := guestbuild.Build(t, filepath.Join("..", "..", "examples", "wasm-tasks", test.guest))
			file := filepath.Join(t.TempDir(), test.guest+".wasm")
			require.NoError(t, os.WriteFile(file, wasm, 0o600))
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), []string{"run", file, "--args", test.args}, []string{"HOME=" + t.TempDir()}, strings.NewReader(""), &stdout, &stderr)
			require.Zero(t, code, stderr.String())
			require.Equal(t, test.stdout, stdout.String())
			require.Contains(t, stderr.String(), test.stderr)
		})
	}
}
