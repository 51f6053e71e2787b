package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/task"
)

// patience is how long anything may take that is to happen at all.
const patience = 100 * time.Second

// world is one test with its database.
type world struct {
	*testing.T
	Place

	opened []Store
	nodes  int
	// leapt is by how much a test has raised a task's lease.
	leapt map[task.ID]int64
	// pruned is set once a test has deleted events.
	pruned bool
	// clockSet is set once a test has set the clock.
	clockSet bool
}

func newWorld(t *testing.T, b Backend) *world {
	t.Helper()
	w := &world{T: t, Place: b.New(t), leapt: make(map[task.ID]int64)}
	t.Cleanup(w.leave)
	return w
}

// leave closes everything and looks at what is left in the database.
func (w *world) leave() {
	for _, store := range w.opened {
		if err := store.Close(); err != nil {
			w.Errorf("close the store: %v", err) // and the others too
		}
	}
	if !w.Failed() { // else it would bury what failed first
		w.checkRows()
	}
}

// open opens the database once more.
func (w *world) open() Store {
	w.Helper()
	store := w.Open(w.T)
	w.opened = append(w.opened, store)
	return store
}

// receive takes from a channel, and fails where nothing comes.
func receive[T any](w *world, from <-chan T, what string) (value T) {
	w.Helper()
	select {
	case value = <-from:
	case <-time.After(patience):
		require.Fail(w, "waited in vain", "for %s", what)
	}
	return value
}

// send gives to a channel, and fails where nobody takes.
func send[T any](w *world, to chan<- T, value T) {
	w.Helper()
	select {
	case to <- value:
	case <-time.After(patience):
		require.Fail(w, "waited in vain", "for somebody who takes %v", value)
	}
}

// eventually asks until the answer is yes.
func (w *world) eventually(ask func() bool, format string, args ...any) {
	w.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(patience); !ask(); <-ticker.C {
		if time.Now().After(end) {
			require.Fail(w, "waited in vain", append([]any{format}, args...)...)
		}
	}
}

// pass returns once the clock shows a later time.
func (w *world) pass(at time.Time) {
	w.eventually(func() bool { return time.Now().After(at) }, "for the clock")
}

// guest is a definition of a module.
func guest(name string, options ...task.Options) task.Definition {
	return definition(task.Wasm, name, options)
}

// function is the definition of a Go function.
func function(name string, options ...task.Options) task.Definition {
	return definition(task.Async, name, options)
}

func definition(executor task.Executor, name string, options []task.Options) task.Definition {
	def := task.Definition{Name: name, Executor: executor}
	if len(options) > 0 {
		def.Options = options[0]
	}
	def.Options.Executor = executor
	def.Options = def.Options.WithDefaults()
	return def
}

// push stores a module with these definitions, whose bytes follow from them.
func (w *world) push(store Store, module string, definitions ...task.Definition) *modules.Version {
	w.Helper()
	version, err := w.tryPush(store, module, definitions...)
	require.NoError(w, err)
	return version
}

func (w *world) tryPush(store Store, module string, definitions ...task.Definition) (*modules.Version, error) {
	wasm := []byte(module + fmt.Sprint(definitions))
	return store.PutVersion(w.Context(), modules.Version{
		Module: module, Digest: modules.Digest(wasm), Bytes: int64(len(wasm)), SDK: "test 1", Definitions: definitions,
	}, wasm)
}

// only is the slots of a node that works one executor.
func only(executor task.Executor, slots int) map[task.Executor]int {
	return map[task.Executor]int{executor: slots}
}

// start starts a node and returns its id.
func (w *world) start(store Store, slots map[task.Executor]int, handler task.Handler, functions ...task.Definition) string {
	w.Helper()
	config := w.nodeConfig(slots, functions...)
	require.NoError(w, store.Start(w.Context(), handler, config))
	return config.Node
}

func (w *world) nodeConfig(slots map[task.Executor]int, functions ...task.Definition) riverstore.ServeConfig {
	w.nodes++
	return riverstore.ServeConfig{
		Node:        fmt.Sprintf("node-%d", w.nodes),
		Version:     "1.2.3",
		Slots:       slots,
		Functions:   functions,
		LogInterval: 10 * time.Millisecond,
	}
}

// serve opens the database, pushes the definitions as the module m, and starts a
// node that works them.
func (w *world) serve(slots int, handler handler, definitions ...task.Definition) Store {
	w.Helper()
	store := w.open()
	w.push(store, "m", definitions...)
	w.start(store, only(task.Wasm, slots), handler)
	return store
}

// stopNow stops a node without waiting for what it runs.
func (w *world) stopNow(store Store) {
	w.Helper()
	ctx, cancel := context.WithCancel(w.Context())
	cancel()
	require.NoError(w, store.Stop(ctx))
}

func (w *world) enqueue(store Store, request task.Request) task.ID {
	w.Helper()
	id, err := store.Enqueue(w.Context(), request)
	require.NoError(w, err)
	require.False(w, id.IsZero())
	return id
}

// named enqueues a definition without arguments.
func (w *world) named(store Store, name string) task.ID {
	w.Helper()
	return w.enqueue(store, task.Request{Name: name})
}

func (w *world) task(store Store, id task.ID) *task.Task {
	w.Helper()
	got, err := store.Task(w.Context(), id)
	require.NoError(w, err)
	require.Equal(w, id, got.ID)
	return got
}

// await waits for the end of a task and returns it.
func (w *world) await(store Store, id task.ID) *task.Task {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	if err := store.Await(ctx, id); err != nil {
		got := w.task(store, id)
		require.NoError(w, err, "waiting for %s, which is %s at attempt %d: %s", got.Name, got.Status, got.Attempt, got.Error)
	}
	got := w.task(store, id)
	require.True(w, got.Status.Terminal(), "Await returned, and the task is %s", got.Status)
	return got
}

// succeeds waits for the end of a task, which must be a success.
func (w *world) succeeds(store Store, id task.ID) *task.Task {
	w.Helper()
	got := w.await(store, id)
	require.Equal(w, task.Success, got.Status, "%s: %s", got.Name, got.Error)
	return got
}

// allSucceed waits for the end of many tasks. Asking for each would take longer
// than they do.
func (w *world) allSucceed(ids []task.ID) {
	w.Helper()
	w.eventually(func() bool { return w.number("SELECT count(*) FROM task WHERE status IN ('pending', 'running')") == 0 }, "for all tasks to end")
	rows, err := w.DB.QueryContext(w.Context(), "SELECT id FROM task WHERE status = 'success'")
	require.NoError(w, err)
	defer rows.Close()
	succeeded := make(map[task.ID]bool)
	for rows.Next() {
		var id storedID
		require.NoError(w, rows.Scan(&id))
		succeeded[task.ID(id)] = true
	}
	require.NoError(w, rows.Err())
	for _, id := range ids {
		if !succeeded[id] {
			require.Fail(w, "a task did not succeed", "%s", id)
		}
	}
}

func (w *world) logs(store Store, id task.ID) []task.LogEntry {
	w.Helper()
	logs, err := store.Logs(w.Context(), id, 0, 1<<20)
	require.NoError(w, err)
	return logs
}

func messages(logs []task.LogEntry) []string {
	texts := []string{}
	for _, entry := range logs {
		texts = append(texts, entry.Message)
	}
	return texts
}
