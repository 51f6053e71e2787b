package pgstore_test

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/pgtest"
	"github.com/taskhost/taskhost/internal/seal"
	"github.com/taskhost/taskhost/internal/storetest"
	"github.com/taskhost/taskhost/pgstore"
)

// TestNothingPrivateIsOnTheServer: not in its tables, nor in its write-ahead log, nor
// in a log of all that it is asked.
func TestNothingPrivateIsOnTheServer(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string][]string{"sealed": {seal.NewKey()}, "in clear": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said, log output
			server, err := pgtest.Start(t.Context(), pgtest.Options{
				Settings: map[string]string{"log_statement": "all", "log_min_messages": "debug1"}, Log: &said,
			})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, server.Stop()) })
			database := server.URL("postgres")
			store := open(t, pgstore.Config{
				URL: database, EncryptKeys: keys, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
			})
			storetest.UsePrivately(t, store)
			if keys == nil { // where it stands together, and is not compressed
				execute(t, database, "CREATE TABLE control AS SELECT '"+storetest.Marker+"' AS text")
			}
			execute(t, database, "CHECKPOINT")
			found := dataWith(t, server.Data(), storetest.Marker)
			require.NotContains(t, log.String(), storetest.Marker)
			if keys != nil {
				require.Empty(t, found)
				require.NotContains(t, said.String(), storetest.Marker)
				require.Contains(t, said.String(), "task_log", "or the test looks at nothing")
				return
			}
			require.NotEmpty(t, found["base"], "or the test looks at nothing")
			require.NotEmpty(t, found["pg_wal"])
			require.Contains(t, said.String(), storetest.Marker)
		})
	}
}

// output is written to by goroutines of others.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(text)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// dataWith lists the files of a server that have a text in them, by the folder that
// they are in.
func dataWith(t *testing.T, data, text string) map[string][]string {
	t.Helper()
	found := make(map[string][]string)
	err := filepath.WalkDir(data, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // the server lives on
			return nil
		}
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if bytes.Contains(content, []byte(text)) {
			rel, _ := filepath.Rel(data, path)
			top, _, _ := bytes.Cut([]byte(filepath.ToSlash(rel)), []byte("/"))
			found[string(top)] = append(found[string(top)], rel)
		}
		return err
	})
	require.NoError(t, err)
	return found
}
