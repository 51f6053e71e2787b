package sqlitestore_test

import (
	"context"
	"database/sql"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

// callersDB opens the file as a program of its own would, with nothing set.
func callersDB(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?_pragma=busy_timeout(5000)")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func beginTx(t testing.TB, db *sql.DB) *sql.Tx {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	return tx
}

// What others commit is seen, and does not wait for the next poll.
func TestOthersCommitsAreSeen(t *testing.T) {
	path := newPath(t)
	store := open(t, path)
	store.SetPoll(time.Hour)
	started := make(chan time.Time)
	serve(t, store, 1, func(context.Context, *task.Execution, task.LogSink) task.Outcome {
		started <- time.Now()
		return task.Outcome{}
	}, task.Definition{Name: "a"})
	other, db := open(t, path), callersDB(t, path)
	for name, enqueue := range map[string]func(){
		"a transaction": func() {
			tx := beginTx(t, db)
			_, err := store.EnqueueTx(t.Context(), tx, task.Request{Name: "a"})
			require.NoError(t, err)
			require.NoError(t, tx.Commit())
		},
		"a process": func() { enqueue(t, other, task.Request{Name: "a"}) },
	} {
		for range 51 {
			enqueue()
			select {
			case <-started:
			case <-time.After(time.Minute):
				require.FailNow(t, "what was committed is not seen", name)
			}
		}
	}
}
