package sqlitestore_test

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/seal"
	"github.com/taskhost/taskhost/internal/storetest"
	"github.com/taskhost/taskhost/sqlitestore"
	"github.com/taskhost/taskhost/task"
)

func TestConformance(t *testing.T) { conformance(t) }

// TestConformanceSealed: with a key, nothing is different but what is in the file.
func TestConformanceSealed(t *testing.T) { conformance(t, seal.NewKey()) }

func conformance(t *testing.T, keys ...string) {
	t.Parallel()
	// Making the tables takes longer than most tests: they are made once.
	template := sync.OnceValues(func() ([]byte, error) {
		path := filepath.Join(t.TempDir(), "template.db")
		if _, err := sqlitestore.Migrate(t.Context(), path); err != nil {
			return nil, err
		}
		return os.ReadFile(path)
	})
	storetest.Run(t, storetest.Backend{Sealed: len(keys) > 0, New: func(t *testing.T) storetest.Place {
		tables, err := template()
		require.NoError(t, err)
		path := newPath(t)
		require.NoError(t, os.WriteFile(path, tables, 0o600))
		db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?_txlock=immediate&_pragma=busy_timeout(10000)")
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		openWith := func(t *testing.T, keys ...string) (storetest.Store, error) {
			store, err := sqlitestore.Open(t.Context(), sqlitestore.Config{Path: path, EncryptKeys: keys})
			if err != nil {
				return nil, err
			}
			return store, nil
		}
		return storetest.Place{
			Open: func(t *testing.T) storetest.Store {
				store, err := openWith(t, keys...)
				require.NoError(t, err)
				return store
			},
			OpenWith: openWith,
			DB:       db,
			ID:       func(id task.ID) any { return id[:] },
			Micros:   func(column string) string { return column },
			Shift:    func(column string, by time.Duration) string { return fmt.Sprintf("%s + %d", column, by.Microseconds()) },
			Tx:       map[string]storetest.Tx{"sql": sqliteTx(db)},
		}
	}})
}

// sqliteTx enqueues in a transaction of another connection to the file.
func sqliteTx(db *sql.DB) storetest.Tx {
	return func(t *testing.T, store storetest.Store, f func(func(...task.Request) ([]task.ID, error)) bool) {
		tx, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		defer tx.Rollback() // where f fails the test
		own := store.(*sqlitestore.Store)
		if f(func(requests ...task.Request) ([]task.ID, error) {
			if len(requests) == 1 {
				id, err := own.EnqueueTx(t.Context(), tx, requests[0])
				return []task.ID{id}, err
			}
			return own.EnqueueManyTx(t.Context(), tx, requests)
		}) {
			require.NoError(t, tx.Commit())
		}
	}
}
