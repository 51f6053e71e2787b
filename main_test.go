package taskhost_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskhost/taskhost"
	"github.com/taskhost/taskhost/sqlitestore"
	"github.com/taskhost/taskhost/task"
)

func TestMain(m *testing.M) {
	taskhost.RunWorker()
	goleak.VerifyTestMain(m)
}

const (
	waitAtMost = 30 * time.Second
	tick       = time.Millisecond
)

// newHost makes a host on a file of its own, which is stopped with the test.
func newHost(t *testing.T, config taskhost.Config) *taskhost.Host {
	t.Helper()
	if config.Database == "" {
		config.Database = newFile(t)
	}
	h, err := taskhost.New(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(func() { stop(t, h) })
	return h
}

// newFile makes a database file. It is a copy, since migrating one takes a
// quarter of a second under the race detector.
func newFile(t *testing.T) string {
	t.Helper()
	file, err := migrated()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "tasks.db")
	require.NoError(t, os.WriteFile(path, file, 0o600))
	return path
}

var migrated = sync.OnceValues(func() ([]byte, error) {
	return built("tasks.db", func(out string) error {
		_, err := sqlitestore.Migrate(context.Background(), out)
		return err
	})
})

// built is the contents of a file that make has put in a temporary directory.
func built(name string, make func(out string) error) ([]byte, error) {
	dir, err := os.MkdirTemp("", "taskhost-test-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, name)
	if err := make(out); err != nil {
		return nil, err
	}
	return os.ReadFile(out)
}

// stop lets attempts finish.
func stop(t *testing.T, h *taskhost.Host) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), waitAtMost)
	defer cancel()
	require.NoError(t, h.Stop(ctx))
}

// stopNow interrupts them.
func stopNow(t *testing.T, h *taskhost.Host) {
	t.Helper()
	require.NoError(t, h.Stop(ended(t)))
}

// ended is a context that has ended.
func ended(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cancel()
	return ctx
}

func start(t *testing.T, h *taskhost.Host) {
	t.Helper()
	require.NoError(t, h.Start(t.Context()))
}

func register[In, Out any](t *testing.T, h *taskhost.Host, name string, fn func(context.Context, In) (Out, error), options task.Options) *taskhost.Function[In, Out] {
	t.Helper()
	f, err := taskhost.Register(h, name, fn, options)
	require.NoError(t, err)
	return f
}

func enqueue(t *testing.T, h *taskhost.Host, name string, args any) task.ID {
	t.Helper()
	id, err := h.Enqueue(t.Context(), name, args, taskhost.EnqueueOptions{})
	require.NoError(t, err)
	return id
}

func get(t *testing.T, h *taskhost.Host, id task.ID) *task.Task {
	t.Helper()
	got, err := h.Task(t.Context(), id)
	require.NoError(t, err)
	return got
}

// await waits for a task's end.
func await(t *testing.T, h *taskhost.Host, id task.ID) *task.Task {
	t.Helper()
	require.Eventually(t, func() bool { return status(t, h, id).Terminal() }, waitAtMost, tick, "task %s does not end", id)
	return get(t, h, id)
}

// status is a task's state, for conditions that are waited for: these run on
// goroutines that may outlive the test, which must then not be failed.
func status(t *testing.T, h *taskhost.Host, id task.ID) task.Status {
	t.Helper()
	got, err := h.Task(context.WithoutCancel(t.Context()), id)
	if err != nil {
		return ""
	}
	return got.Status
}

// receive waits for a value from a channel.
func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(waitAtMost):
		require.FailNow(t, "nothing comes")
		panic("unreachable")
	}
}

func hello(_ context.Context, name string) (string, error) { return "hello " + name, nil }

// untilStopped is a function that heeds its context.
func untilStopped(started chan<- struct{}) func(context.Context, int) (int, error) {
	return func(ctx context.Context, n int) (int, error) {
		started <- struct{}{}
		<-ctx.Done()
		return n, ctx.Err()
	}
}

// flakyGuest is the module of examples/wasm-tasks/flaky, built once.
var flakyGuest = sync.OnceValues(func() ([]byte, error) {
	return built("flaky.wasm", func(out string) error {
		build := exec.CommandContext(context.Background(), "go", "build", "-trimpath", "-buildmode=c-shared", "-o", out, "./examples/wasm-tasks/flaky")
		build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
		build.Stderr = os.Stderr
		return build.Run()
	})
})
