package pgstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskhost/taskhost/pgstore"
	"github.com/taskhost/taskhost/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// handlerFunc makes a handler of a function.
type handlerFunc func(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome

func (f handlerFunc) Prepare(context.Context, *task.Execution) error { return nil }

func (f handlerFunc) Handle(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
	return f(ctx, exec, log)
}

// echo returns its arguments.
func echo(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
	return task.Outcome{Result: exec.Args, ResultType: exec.ArgsType}
}

func open(t testing.TB, config pgstore.Config) *pgstore.Store {
	t.Helper()
	store, err := pgstore.Open(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

// start starts a store as a node that has the function "work".
func start(t testing.TB, store *pgstore.Store, handler handlerFunc) {
	t.Helper()
	require.NoError(t, store.Start(t.Context(), handler, serveConfig("node")))
}

func serveConfig(node string) pgstore.ServeConfig {
	return pgstore.ServeConfig{
		Node:        node,
		Slots:       map[task.Executor]int{task.Async: 10},
		Functions:   []task.Definition{work()},
		LogInterval: 20 * time.Millisecond,
	}
}

func work() task.Definition {
	return task.Definition{Name: "work", Executor: task.Async, Options: task.Options{RequeueOnInterrupt: true}.WithDefaults()}
}

// within waits for a task to end, and returns it.
func within(t testing.TB, store *pgstore.Store, id task.ID, most time.Duration) *task.Task {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), most)
	defer cancel()
	require.NoError(t, store.Await(ctx, id))
	got, err := store.Task(t.Context(), id)
	require.NoError(t, err)
	return got
}

// await polls until something holds.
func await(t testing.TB, most time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(most)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			require.FailNow(t, "waited in vain for "+what)
		case <-tick.C:
		}
	}
}

// execute runs statements on a database.
func execute(t testing.TB, url string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) }()
	for _, statement := range statements {
		_, err := conn.Exec(t.Context(), statement)
		require.NoError(t, err, statement)
	}
}

// number reads one number from a database.
func number(t testing.TB, url, query string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) }()
	require.NoError(t, conn.QueryRow(t.Context(), query).Scan(&n), query)
	return n
}
