package sqlitestore_test

import (
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
