package taskhost_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx" of database/sql
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost"
	"github.com/taskhost/taskhost/internal/pgtest"
	"github.com/taskhost/taskhost/task"
)

// onEach runs a test on a new database of each kind. driver is one of database/sql
// that opens it by name.
func onEach(t *testing.T, test func(t *testing.T, database, driver, name string)) {
	t.Run("Postgres", func(t *testing.T) {
		database := pgtest.Database(t)
		test(t, database, "pgx", database)
	})
	t.Run("SQLite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "tasks.db")
		test(t, path, "sqlite", "file:"+path+"?_txlock=immediate&_pragma=busy_timeout(10000)")
	})
}

func returns(t *testing.T, h *taskhost.Host, id task.ID, want string) {
	t.Helper()
	require.Equal(t, task.Success, await(t, h, id).Status)
	result, _, err := h.Result(t.Context(), id)
	require.NoError(t, err)
	require.JSONEq(t, want, string(result))
}

func TestEnqueueInATransactionOfDatabaseSQL(t *testing.T) {
	onEach(t, func(t *testing.T, database, driver, name string) {
		h := newHost(t, taskhost.Config{Database: database})
		greet := register(t, h, "greet", hello, task.Options{})
		start(t, h)
		db, err := sql.Open(driver, name)
		require.NoError(t, err)
		defer db.Close()
		_, err = db.ExecContext(t.Context(), "CREATE TABLE orders (item text)")
		require.NoError(t, err)
		// in enqueues a task by the name of the function and one by the function, beside
		// a row of the caller's own.
		in := func(end func(*sql.Tx) error) (ids []task.ID) {
			tx, err := db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			defer tx.Rollback()
			_, err = tx.ExecContext(t.Context(), "INSERT INTO orders VALUES ('bread')")
			require.NoError(t, err)
			var unknown *task.UnknownNameError
			_, err = h.EnqueueSQLTx(t.Context(), tx, "great", "you", taskhost.EnqueueOptions{})
			require.ErrorAs(t, err, &unknown, "and the transaction is none the worse for it")
			id, err := h.EnqueueSQLTx(t.Context(), tx, "greet", "you", taskhost.EnqueueOptions{Priority: 7})
			require.NoError(t, err)
			typed, err := greet.EnqueueSQLTx(t.Context(), tx, "me", taskhost.EnqueueOptions{})
			require.NoError(t, err)
			ids = []task.ID{id, typed}
			for _, id := range ids {
				_, err := h.Task(t.Context(), id)
				require.ErrorIs(t, err, task.ErrNotFound, "it is not committed")
			}
			require.NoError(t, end(tx))
			return ids
		}
		orders := func() (n int) {
			require.NoError(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM orders").Scan(&n))
			return n
		}

		for _, id := range in((*sql.Tx).Rollback) {
			_, err := h.Task(t.Context(), id)
			require.ErrorIs(t, err, task.ErrNotFound)
		}
		require.Zero(t, orders())
		ids := in((*sql.Tx).Commit)
		require.Equal(t, 1, orders())
		returns(t, h, ids[0], `"hello you"`)
		returns(t, h, ids[1], `"hello me"`)
		require.Equal(t, 7, get(t, h, ids[0]).Priority)

		var argument *task.ArgumentError
		_, err = h.EnqueueSQLTx(t.Context(), nil, "greet", make(chan int), taskhost.EnqueueOptions{})
		require.ErrorAs(t, err, &argument)
		stop(t, h)
		_, err = h.EnqueueSQLTx(t.Context(), nil, "greet", "you", taskhost.EnqueueOptions{})
		require.ErrorIs(t, err, task.ErrStopped)
	})
}

func TestSQLiteTakesNoTransactionOfPgx(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	register(t, h, "greet", hello, task.Options{})
	_, err := h.EnqueueTx(t.Context(), nil, "greet", "you", taskhost.EnqueueOptions{})
	require.ErrorContains(t, err, "use EnqueueSQLTx")
}

// TestThePoolIsTheCallers: it is used, also for the caller's own transactions, in place
// of Config.Database, and it is left open.
func TestThePoolIsTheCallers(t *testing.T) {
	pool, err := pgxpool.New(t.Context(), pgtest.Database(t))
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	unused := filepath.Join(t.TempDir(), "tasks.db")
	h := newHost(t, taskhost.Config{Pool: pool, Database: unused, Schema: "mine"})
	greet := register(t, h, "greet", hello, task.Options{})
	start(t, h)

	tx, err := pool.Begin(t.Context())
	require.NoError(t, err)
	id, err := greet.EnqueueTx(t.Context(), tx, "you", taskhost.EnqueueOptions{})
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context()))
	returns(t, h, id, `"hello you"`)
	used := pool.Stat().AcquireCount()
	id, err = greet.Enqueue(t.Context(), "me", taskhost.EnqueueOptions{})
	require.NoError(t, err)
	require.Greater(t, pool.Stat().AcquireCount(), used)
	returns(t, h, id, `"hello me"`)

	stop(t, h)
	var tasks int
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM mine.task WHERE status = 'success'").Scan(&tasks), "the pool is open")
	require.Equal(t, 2, tasks)
	require.NoFileExists(t, unused)
}

func TestMigrationsMayBeForbidden(t *testing.T) {
	onEach(t, func(t *testing.T, database, driver, name string) {
		config := taskhost.Config{Database: database, NoMigrate: true}
		h, err := taskhost.New(t.Context(), config)
		require.ErrorContains(t, err, "taskhost migrate up --database")
		require.Nil(t, h)
		if driver == "pgx" {
			db, err := sql.Open(driver, name)
			require.NoError(t, err)
			defer db.Close()
			var schemas int
			require.NoError(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM pg_namespace WHERE nspname = 'taskhost'").Scan(&schemas))
			require.Zero(t, schemas, "nothing was made")
		} else {
			_, err := os.Stat(database)
			require.ErrorIs(t, err, os.ErrNotExist, "nothing was made")
		}

		migrating := newHost(t, taskhost.Config{Database: database})
		stop(t, migrating)
		h = newHost(t, config)
		greet := register(t, h, "greet", hello, task.Options{})
		start(t, h)
		id, err := greet.Enqueue(t.Context(), "you", taskhost.EnqueueOptions{})
		require.NoError(t, err)
		returns(t, h, id, `"hello you"`)
	})
}
