package pgstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/pgtest"
	"github.com/taskhost/taskhost/internal/seal"
	"github.com/taskhost/taskhost/internal/storetest"
	"github.com/taskhost/taskhost/pgstore"
	"github.com/taskhost/taskhost/task"
)

func TestConformance(t *testing.T) { conformance(t) }

// TestConformanceSealed: with a key, nothing is different but what is in the tables.
func TestConformanceSealed(t *testing.T) { conformance(t, seal.NewKey()) }

func conformance(t *testing.T, keys ...string) {
	t.Parallel()
	database := pgtest.Database(t)
	var places atomic.Int64
	storetest.Run(t, storetest.Backend{Nodes: true, Sealed: len(keys) > 0, New: func(t *testing.T) storetest.Place {
		schema := fmt.Sprintf("place_%d", places.Add(1))
		_, err := pgstore.Migrate(t.Context(), pgstore.Config{URL: database, Schema: schema})
		require.NoError(t, err)
		config, err := pgx.ParseConfig(database)
		require.NoError(t, err)
		config.RuntimeParams["search_path"] = schema
		db := stdlib.OpenDB(*config)
		t.Cleanup(func() { require.NoError(t, db.Close()) })

		openWith := func(t *testing.T, address string, keys []string) (storetest.Store, error) {
			store, err := pgstore.Open(t.Context(), pgstore.Config{URL: address, Schema: schema, EncryptKeys: keys})
			if err != nil {
				return nil, err
			}
			return store, nil
		}
		open := func(t *testing.T, address string) storetest.Store {
			store, err := openWith(t, address, keys)
			require.NoError(t, err)
			return store
		}
		return storetest.Place{
			Open: func(t *testing.T) storetest.Store { return open(t, database) },
			OpenOver: func(t *testing.T) (storetest.Store, *storetest.Cable) {
				address, err := url.Parse(database)
				require.NoError(t, err)
				cable := storetest.NewCable(t, address.Host)
				address.Host = cable.Address()
				return open(t, address.String()), cable
			},
			OpenWith: func(t *testing.T, keys ...string) (storetest.Store, error) { return openWith(t, database, keys) },
			DB:       db,
			ID:       func(id task.ID) any { return id.String() },
			Micros:   func(column string) string { return "(extract(epoch FROM " + column + ") * 1000000)::bigint" },
			Shift: func(column string, by time.Duration) string {
				return fmt.Sprintf("%s + %d * interval '1 microsecond'", column, by.Microseconds())
			},
			Tx: map[string]storetest.Tx{"pgx": pgxTx(database), "sql": sqlTx(database)},
		}
	}})
}

type enqueue = func(...task.Request) ([]task.ID, error)

// pgxTx enqueues in a transaction of pgx.
func pgxTx(database string) storetest.Tx {
	return func(t *testing.T, store storetest.Store, f func(enqueue) bool) {
		conn, err := pgx.Connect(t.Context(), database)
		require.NoError(t, err)
		defer conn.Close(context.WithoutCancel(t.Context()))
		tx, err := conn.Begin(t.Context())
		require.NoError(t, err)
		own := store.(*pgstore.Store)
		if f(func(requests ...task.Request) ([]task.ID, error) {
			if len(requests) == 1 {
				id, err := own.EnqueueTx(t.Context(), tx, requests[0])
				return []task.ID{id}, err
			}
			return own.EnqueueManyTx(t.Context(), tx, requests)
		}) {
			require.NoError(t, tx.Commit(t.Context()))
		}
	}
}

// sqlTx enqueues in a transaction of database/sql.
func sqlTx(database string) storetest.Tx {
	return func(t *testing.T, store storetest.Store, f func(enqueue) bool) {
		db, err := sql.Open("pgx", database)
		require.NoError(t, err)
		defer db.Close()
		tx, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		defer tx.Rollback() // where f fails the test
		own := store.(*pgstore.Store)
		if f(func(requests ...task.Request) ([]task.ID, error) {
			if len(requests) == 1 {
				id, err := own.EnqueueSQLTx(t.Context(), tx, requests[0])
				return []task.ID{id}, err
			}
			return own.EnqueueManySQLTx(t.Context(), tx, requests)
		}) {
			require.NoError(t, tx.Commit())
		}
	}
}
