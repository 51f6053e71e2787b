package pgstore_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/pgtest"
	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/internal/storetest"
	"github.com/taskhost/taskhost/pgstore"
	"github.com/taskhost/taskhost/task"
)

// backlog is a store with a number of tasks that wait for a claim.
func backlog(b *testing.B, tasks int) (store *pgstore.Store, database string) {
	b.Helper()
	database = pgtest.Database(b)
	store = open(b, pgstore.Config{URL: database})
	require.NoError(b, store.DeclareFunctions(b.Context(), []task.Definition{work()}))
	requests := make([]task.Request, 1000)
	for i := range requests {
		requests[i] = task.Request{Name: "work", Args: []byte(`"some arguments"`)}
	}
	for range tasks / len(requests) {
		_, err := store.EnqueueMany(b.Context(), requests)
		require.NoError(b, err)
	}
	return store, database
}

func claim(b *testing.B, store *pgstore.Store, tasks int) {
	b.Helper()
	claims, err := store.Claim(b.Context(), riverstore.ClaimParams{Node: "n", Queue: "async", Kinds: []string{"go:work"}, Limit: tasks})
	require.NoError(b, err)
	require.Len(b, claims, tasks)
}

// BenchmarkClaim claims a hundred tasks, after 100,000 were taken, with and without a
// sweep since. Give it a -benchtime of up to 100x.
func BenchmarkClaim(b *testing.B) {
	for name, swept := range map[string]bool{"swept": true, "unswept": false} {
		b.Run(name, func(b *testing.B) {
			store, database := backlog(b, 110_000)
			execute(b, database, "ALTER TABLE taskhost.river_job SET (autovacuum_enabled = false)")
			for range 1000 {
				claim(b, store, 100)
			}
			if swept {
				require.NoError(b, store.Sweep(b.Context()))
			}
			b.ReportAllocs()
			for b.Loop() {
				claim(b, store, 100)
			}
		})
	}
}

// BenchmarkLateness measures how late retries and delayed tasks start.
func BenchmarkLateness(b *testing.B) {
	storetest.Lateness(b, open(b, pgstore.Config{URL: pgtest.Database(b)}))
}

// BenchmarkRetention deletes tasks that have ended, TASKHOST_BENCH_ROWS of them, while
// others are worked.
func BenchmarkRetention(b *testing.B) {
	database := pgtest.Database(b)
	config, err := pgx.ParseConfig(database)
	require.NoError(b, err)
	config.RuntimeParams["search_path"] = pgstore.DefaultSchema
	db := stdlib.OpenDB(*config)
	defer db.Close()
	storetest.BenchRetention(b, func() storetest.Store { return open(b, pgstore.Config{URL: database}) }, db)
}
