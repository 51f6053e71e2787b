package taskhost_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost"
)

// A start removes compiled code that the database has no module for, and no other.
func TestOldModulesAreRemoved(t *testing.T) {
	t.Parallel()
	wasm, err := flakyGuest()
	require.NoError(t, err)
	dir := t.TempDir()
	config := taskhost.Config{Database: filepath.Join(dir, "tasks.db"), CacheDir: filepath.Join(dir, "cache")}
	h := newHost(t, config)
	version, err := h.Modules().Push(t.Context(), "flaky", wasm)
	require.NoError(t, err)
	require.NoError(t, h.Stop(t.Context()))

	stored, gone := filepath.Join(config.CacheDir, version.Digest), filepath.Join(config.CacheDir, strings.Repeat("ab", 32))
	require.NoError(t, os.Mkdir(gone, 0o700))
	long := time.Now().Add(-2 * time.Hour)
	for _, path := range []string{stored, gone} {
		require.NoError(t, os.Chtimes(path, long, long))
	}
	h = newHost(t, config)
	start(t, h)
	require.Eventually(t, func() bool {
		_, err := os.Stat(gone)
		return os.IsNotExist(err)
	}, time.Minute, 10*time.Millisecond)
	require.NoError(t, h.Stop(t.Context()))
	require.DirExists(t, stored)
}
