package sqlitestore_test

import (
	"database/sql"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/storetest"
	"github.com/taskhost/taskhost/sqlitestore"
)

// BenchmarkLateness measures how late retries and delayed tasks start.
func BenchmarkLateness(b *testing.B) {
	store, err := sqlitestore.Open(b.Context(), sqlitestore.Config{Path: filepath.Join(b.TempDir(), "tasks.db")})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, store.Close()) })
	storetest.Lateness(b, store)
}

// BenchmarkRetention deletes tasks that have ended, TASKHOST_BENCH_ROWS of them, while
// others are worked.
func BenchmarkRetention(b *testing.B) {
	path := b.TempDir() + "/taskhost.db"
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?_txlock=immediate&_pragma=busy_timeout(60000)")
	require.NoError(b, err)
	defer db.Close()
	storetest.BenchRetention(b, func() storetest.Store {
		store, err := sqlitestore.Open(b.Context(), sqlitestore.Config{Path: path})
		require.NoError(b, err)
		return store
	}, db)
}
