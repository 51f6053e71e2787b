package pgstore_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/pgtest"
	"github.com/taskhost/taskhost/pgstore"
	"github.com/taskhost/taskhost/task"
)

// TestSweepsAreFewAndComplainOnce: at most every three seconds, only once 20,000
// tickets were taken, and one line for all that fail in a row.
func TestSweepsAreFewAndComplainOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sweeps atomic.Int64
		var locked atomic.Bool
		var log bytes.Buffer
		run, take := pgstore.SweepWith(func(context.Context) error {
			sweeps.Add(1)
			if locked.Load() {
				return errors.New("it is locked")
			}
			return nil
		}, slog.New(slog.NewTextHandler(&log, nil)))
		ctx, cancel := context.WithCancel(t.Context())
		go run(ctx)
		sweptIn := func(wait time.Duration) int64 {
			before := sweeps.Load()
			<-time.After(wait)
			synctest.Wait()
			return sweeps.Load() - before
		}

		take(19_999)
		require.Zero(t, sweptIn(time.Minute))
		take(1)
		require.EqualValues(t, 1, sweptIn(3*time.Second))
		require.Zero(t, sweptIn(time.Minute))
		take(1_000_000)
		require.Zero(t, sweptIn(2900*time.Millisecond))
		require.EqualValues(t, 1, sweptIn(time.Minute))

		locked.Store(true)
		take(20_000)
		require.EqualValues(t, 10, sweptIn(30*time.Second), "it is tried again")
		require.Equal(t, 1, strings.Count(log.String(), "it is locked"))
		locked.Store(false)
		require.EqualValues(t, 1, sweptIn(30*time.Second))
		locked.Store(true)
		take(20_000)
		require.EqualValues(t, 1, sweptIn(3*time.Second))
		require.Equal(t, 2, strings.Count(log.String(), "it is locked"))
		cancel()
		synctest.Wait()
	})
}

const vacuums = "SELECT vacuum_count FROM pg_stat_all_tables WHERE schemaname = 'taskhost' AND relname = 'river_job'"

// workMany has a store work tasks, one after the other.
func workMany(t *testing.T, store *pgstore.Store, tasks int) {
	t.Helper()
	for range tasks {
		id, err := store.Enqueue(t.Context(), task.Request{Name: "work"})
		require.NoError(t, err)
		require.Equal(t, task.Success, within(t, store, id, 10*time.Second).Status)
	}
}

func TestQueueIsSweptWhileItIsWorked(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	store := open(t, pgstore.Config{URL: database})
	store.SetSweep(5*time.Millisecond, 3)
	start(t, store, echo)
	for _, sweeps := range []int{1, 2} {
		workMany(t, store, 3)
		await(t, 20*time.Second, "a sweep", func() bool { return number(t, database, vacuums) >= sweeps })
	}
	require.Equal(t, 2, number(t, database, vacuums), "six tickets are worth no more")
}

// TestRoleThatMayNotSweep: it does not own the tables, and works all the same.
func TestRoleThatMayNotSweep(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	_, err := pgstore.Migrate(t.Context(), pgstore.Config{URL: database})
	require.NoError(t, err)
	user := pgtest.Role(t, database)
	address, err := url.Parse(user)
	require.NoError(t, err)
	role := address.User.Username()
	execute(t, database, "GRANT USAGE ON SCHEMA taskhost TO "+role,
		"GRANT ALL ON ALL TABLES IN SCHEMA taskhost TO "+role, "GRANT ALL ON ALL SEQUENCES IN SCHEMA taskhost TO "+role)

	var log bytes.Buffer
	store := open(t, pgstore.Config{URL: user, NoMigrate: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	store.SetSweep(time.Millisecond, 1)
	start(t, store, echo)
	workMany(t, store, 3)
	require.NoError(t, store.Sweep(t.Context()))
	require.NoError(t, store.Stop(t.Context()))
	require.Empty(t, log.String())
	require.Zero(t, number(t, database, vacuums))
}
