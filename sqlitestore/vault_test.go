package sqlitestore_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/seal"
	"github.com/taskhost/taskhost/internal/storetest"
	"github.com/taskhost/taskhost/sqlitestore"
)

// TestNothingPrivateIsInTheFile: nor in what SQLite keeps beside it, nor in the log.
func TestNothingPrivateIsInTheFile(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string][]string{"sealed": {seal.NewKey()}, "in clear": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := newPath(t)
			var log bytes.Buffer
			store, err := sqlitestore.Open(t.Context(), sqlitestore.Config{
				Path: path, EncryptKeys: keys, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
			})
			require.NoError(t, err)
			storetest.UsePrivately(t, store)
			before := filesWith(t, filepath.Dir(path), storetest.Marker)
			require.NoError(t, store.Close())
			after := filesWith(t, filepath.Dir(path), storetest.Marker)
			require.NotContains(t, log.String(), storetest.Marker)
			if keys != nil {
				require.Empty(t, before)
				require.Empty(t, after)
				for _, key := range keys {
					require.Empty(t, filesWith(t, filepath.Dir(path), strings.TrimRight(key, "=")))
				}
				return
			}
			require.Contains(t, before, path+"-wal", "or the test looks at nothing")
			require.Contains(t, after, path)
		})
	}
}

// filesWith lists the files of a folder that have a text in them.
func filesWith(t *testing.T, folder, text string) (found []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		if bytes.Contains(content, []byte(text)) {
			found = append(found, path)
		}
	}
	return found
}

// TestCommitsAreDurable: the promise of the package's documentation.
func TestCommitsAreDurable(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	store := open(t, path)
	durability, err := store.Durability(t.Context())
	require.NoError(t, err)
	require.Equal(t, "synchronous=FULL", durability)
	for name, want := range map[string]string{"synchronous": "2", "journal_mode": "wal"} {
		values, err := store.Pragmas(t.Context(), name)
		require.NoError(t, err)
		require.Equal(t, []string{want, want, want, want, want}, values, name)
	}
}
