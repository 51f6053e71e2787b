package sqlitestore_test

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

func count(t *testing.T, db *sql.DB, query string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRowContext(t.Context(), query, args...).Scan(&n))
	return n
}

func keyed(name, key string) task.Request {
	return task.Request{Name: name, EnqueueOptions: task.EnqueueOptions{IdempotencyKey: key}}
}

func TestARollbackLeavesNothing(t *testing.T) {
	path := newPath(t)
	store, db := open(t, path), callersDB(t, path)
	push(t, store, "m", task.Definition{Name: "a"})
	tx := beginTx(t, db)
	_, err := tx.ExecContext(t.Context(), "CREATE TABLE app (x)")
	require.NoError(t, err)
	_, err = store.EnqueueTx(t.Context(), tx, keyed("a", "k"))
	require.NoError(t, err)
	ids, err := store.EnqueueManyTx(t.Context(), tx, make20("a"))
	require.NoError(t, err)
	require.Len(t, ids, 20)
	require.NoError(t, tx.Rollback())
	for _, table := range []string{"task", "river_job", "idempotency_key"} {
		require.Zero(t, count(t, db, "SELECT count(*) FROM "+table), table)
	}

	// The key is free, and the tasks of the next one run.
	tx = beginTx(t, db)
	first, err := store.EnqueueTx(t.Context(), tx, keyed("a", "k"))
	require.NoError(t, err)
	again, err := store.EnqueueTx(t.Context(), tx, keyed("a", "k"))
	require.NoError(t, err)
	require.Equal(t, first, again)
	ids, err = store.EnqueueManyTx(t.Context(), tx, make20("a"))
	require.NoError(t, err)
	none, err := store.EnqueueManyTx(t.Context(), tx, nil)
	require.NoError(t, err)
	require.Empty(t, none)
	require.NoError(t, tx.Commit())
	start(t, store, 4, echo)
	for _, id := range append(ids, first) {
		require.Equal(t, task.Success, await(t, store, id).Status)
	}
}

func make20(name string) []task.Request {
	requests := make([]task.Request, 20)
	for i := range requests {
		requests[i].Name = name
	}
	return requests
}

// A caller may commit what else it did after an enqueue was refused.
func TestARefusedEnqueueLeavesTheTransaction(t *testing.T) {
	path := newPath(t)
	store, db := open(t, path), callersDB(t, path)
	push(t, store, "m", task.Definition{Name: "a"})
	tx := beginTx(t, db)
	first, err := store.EnqueueTx(t.Context(), tx, task.Request{Name: "a"})
	require.NoError(t, err)
	with := keyed("a", "k")
	other := with
	other.Args = []byte("1")
	_, err = store.EnqueueManyTx(t.Context(), tx, []task.Request{with, other})
	var conflict *task.KeyConflictError
	require.ErrorAs(t, err, &conflict)
	require.NoError(t, tx.Commit())
	require.Equal(t, 1, count(t, db, "SELECT count(*) FROM task"))
	require.Zero(t, count(t, db, "SELECT count(*) FROM idempotency_key"))
	start(t, store, 1, echo)
	await(t, store, first)
}

func TestATransactionOnAnotherDatabaseIsRefused(t *testing.T) {
	path := newPath(t)
	store := open(t, path)
	push(t, store, "m", task.Definition{Name: "a"})
	elsewhere := filepath.Join(t.TempDir(), "elsewhere.db")
	open(t, elsewhere)
	memory, err := sql.Open("sqlite", ":memory:")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, memory.Close()) })
	for name, db := range map[string]*sql.DB{
		elsewhere:                    callersDB(t, elsewhere),
		"a database that is no file": memory,
	} {
		tx := beginTx(t, db)
		_, err := store.EnqueueTx(t.Context(), tx, task.Request{Name: "a"})
		require.ErrorContains(t, err, "the transaction is on another database, "+name)
		require.ErrorContains(t, err, path)
		require.NoError(t, tx.Rollback())
	}
}

// A transaction that began by reading is refused where another has written
// since, and says that it can be repeated.
func TestATransactionThatCannotWriteIsUnavailable(t *testing.T) {
	path := newPath(t)
	store, db := open(t, path), callersDB(t, path)
	push(t, store, "m", task.Definition{Name: "a"})
	tx := beginTx(t, db)
	var n int
	require.NoError(t, tx.QueryRowContext(t.Context(), "SELECT count(*) FROM task").Scan(&n))
	enqueue(t, store, task.Request{Name: "a"})
	_, err := store.EnqueueTx(t.Context(), tx, task.Request{Name: "a"})
	require.ErrorIs(t, err, task.ErrUnavailable)
	require.NoError(t, tx.Rollback())

	// One that begins with the enqueue waits for its turn instead.
	holder := beginTx(t, db)
	_, err = store.EnqueueTx(t.Context(), holder, task.Request{Name: "a"})
	require.NoError(t, err)
	waiter := beginTx(t, db)
	waited := make(chan error)
	go func() {
		_, err := store.EnqueueTx(t.Context(), waiter, task.Request{Name: "a"})
		waited <- err
	}()
	select {
	case err := <-waited:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	require.NoError(t, holder.Commit())
	require.NoError(t, <-waited)
	require.NoError(t, waiter.Commit())
	require.Equal(t, 3, count(t, db, "SELECT count(*) FROM task"))
}
