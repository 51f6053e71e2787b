package sqlitestore_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/sqlitestore"
	"github.com/taskhost/taskhost/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// handlerFunc makes a handler of a function.
type handlerFunc func(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome

func (f handlerFunc) Prepare(context.Context, *task.Execution) error { return nil }

func (f handlerFunc) Handle(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
	return f(ctx, exec, log)
}

func open(t *testing.T, path string) *sqlitestore.Store {
	t.Helper()
	store, err := sqlitestore.Open(t.Context(), sqlitestore.Config{Path: path})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

func newPath(t *testing.T) string { return filepath.Join(t.TempDir(), "odd name?#%41.db") }

// serve starts a store that has one module, "m", with the given definitions.
func serve(t *testing.T, store *sqlitestore.Store, slots int, handler handlerFunc, definitions ...task.Definition) {
	t.Helper()
	push(t, store, "m", definitions...)
	start(t, store, slots, handler)
}

func start(t *testing.T, store *sqlitestore.Store, slots int, handler handlerFunc) {
	t.Helper()
	require.NoError(t, store.Start(t.Context(), handler, sqlitestore.ServeConfig{
		Node:        fmt.Sprintf("%s-%d", t.Name(), time.Now().UnixNano()),
		Slots:       map[task.Executor]int{task.Wasm: slots},
		LogInterval: 10 * time.Millisecond,
	}))
}

func push(t *testing.T, store *sqlitestore.Store, module string, definitions ...task.Definition) *modules.Version {
	t.Helper()
	for i := range definitions {
		definitions[i].Executor = task.Wasm
		definitions[i].Options = definitions[i].Options.WithDefaults()
	}
	wasm := []byte(module + fmt.Sprint(definitions))
	v, err := store.PutVersion(t.Context(), modules.Version{
		Module: module, Digest: modules.Digest(wasm), Bytes: int64(len(wasm)), Definitions: definitions,
	}, wasm)
	require.NoError(t, err)
	return v
}

func enqueue(t *testing.T, store *sqlitestore.Store, request task.Request) task.ID {
	t.Helper()
	id, err := store.Enqueue(t.Context(), request)
	require.NoError(t, err)
	return id
}

func await(t *testing.T, store *sqlitestore.Store, id task.ID) *task.Task {
	t.Helper()
	var got *task.Task
	require.Eventually(t, func() bool {
		var err error
		got, err = store.Task(t.Context(), id)
		require.NoError(t, err)
		return got.Status.Terminal()
	}, 10*time.Second, time.Millisecond, "task %s does not end", id)
	return got
}

func echo(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
	return task.Outcome{Result: exec.Args, ResultType: exec.ArgsType}
}

func TestOneProcessWorksAFile(t *testing.T) {
	path := newPath(t)
	first, second := open(t, path), open(t, path)
	serve(t, first, 1, echo, task.Definition{Name: "echo"})
	err := second.Start(t.Context(), handlerFunc(echo), sqlitestore.ServeConfig{Node: "b", LogInterval: time.Second})
	require.ErrorContains(t, err, "is being worked by node "+t.Name())
	require.ErrorContains(t, err, "choose another database")

	// The second may still enqueue.
	require.Equal(t, task.Success, await(t, second, enqueue(t, second, task.Request{Name: "echo"})).Status)
	require.NoError(t, first.Stop(t.Context()))
	require.NoError(t, second.Start(t.Context(), handlerFunc(echo), sqlitestore.ServeConfig{Node: "b", Slots: map[task.Executor]int{task.Wasm: 1}, LogInterval: time.Second}))
}

func TestManyOpenANewFile(t *testing.T) {
	path := newPath(t)
	var openers sync.WaitGroup
	errs := make(chan error, 8)
	for range cap(errs) {
		openers.Go(func() {
			store, err := sqlitestore.Open(t.Context(), sqlitestore.Config{Path: path})
			if err == nil {
				err = store.Close()
			}
			errs <- err
		})
	}
	openers.Wait()
	for range cap(errs) {
		require.NoError(t, <-errs)
	}
}

func TestOpenSaysWhatToDo(t *testing.T) {
	_, err := sqlitestore.Open(t.Context(), sqlitestore.Config{Path: filepath.Join(t.TempDir(), "no", "such.db")})
	require.ErrorContains(t, err, "its directory does not exist")
	_, err = sqlitestore.Open(t.Context(), sqlitestore.Config{Path: t.TempDir()})
	require.Error(t, err)
}

func TestLockedFileIsUnavailable(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	store := open(t, path)
	push(t, store, "m", task.Definition{Name: "echo"})
	other, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath())
	require.NoError(t, err)
	other.SetMaxOpenConns(1)
	_, err = other.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)
	_, err = store.Enqueue(t.Context(), task.Request{Name: "echo"})
	require.ErrorIs(t, err, task.ErrUnavailable)
	_, err = other.ExecContext(t.Context(), "ROLLBACK")
	require.NoError(t, err)
	require.NoError(t, other.Close())
	enqueue(t, store, task.Request{Name: "echo"})
}
