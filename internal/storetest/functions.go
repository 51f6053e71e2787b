package storetest

import (
	"encoding/json"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

var functionProperties = []property{
	{name: "declared functions can be enqueued", hold: holdDeclared},
	{name: "a start declares its functions", hold: holdDeclaredByStart},
	{name: "what no node can run waits and says so", hold: holdWaitingReason},
	{name: "executors have slots of their own", hold: holdExecutors},
}

func holdDeclared(w *world) {
	store := w.open()
	w.push(store, "m", guest("taken"))
	early := function("early", task.Options{Retries: 2, Delay: 3 * time.Second})
	early.Description = "early ü"
	early.Args = json.RawMessage(`{"type" : "integer"}`)
	require.NoError(w, store.DeclareFunctions(w.Context(), []task.Definition{early}))
	require.NoError(w, store.DeclareFunctions(w.Context(), nil))
	got, err := store.Definition(w.Context(), "early")
	require.NoError(w, err)
	require.Equal(w, early, *got)
	_, err = store.Enqueue(w.Context(), task.Request{Name: "early", Args: []byte(`"x"`)})
	var argument *task.ArgumentError
	require.ErrorAs(w, err, &argument)

	early.Args = nil
	early.Options.Retries = 5
	require.NoError(w, store.DeclareFunctions(w.Context(), []task.Definition{function("more"), early}))
	got, err = store.Definition(w.Context(), "early")
	require.NoError(w, err)
	require.Equal(w, early, *got)
	id := w.enqueue(store, task.Request{Name: "early", Args: []byte(`"x"`)})
	require.Equal(w, task.Async, w.task(store, id).Executor)
	require.Nil(w, w.task(store, id).Module)
	require.Equal(w, 6, w.task(store, id).MaxAttempts)

	err = store.DeclareFunctions(w.Context(), []task.Definition{function("new"), function("taken"), function("newer")})
	var conflict *task.ConflictError
	require.ErrorAs(w, err, &conflict)
	require.ErrorContains(w, err, "taken by module m")
	names, err := store.DefinitionNames(w.Context())
	require.NoError(w, err)
	require.Equal(w, []string{"early", "more", "taken"}, names)
}

func holdDeclaredByStart(w *world) {
	store := w.open()
	w.push(store, "m", guest("taken"))
	err := store.Start(w.Context(), handler(done), w.nodeConfig(only(task.Async, 1), function("taken")))
	var conflict *task.ConflictError
	require.ErrorAs(w, err, &conflict)

	w.start(store, only(task.Async, 1), handler(echo), function("double"))
	id := w.enqueue(store, task.Request{Name: "double", Args: []byte("2")})
	w.succeeds(store, id)
	result, _, err := store.Result(w.Context(), id)
	require.NoError(w, err)
	require.Equal(w, "2", string(result))
}

func holdWaitingReason(w *world) {
	store := w.open()
	w.push(store, "m", guest("module"))
	both := []task.Definition{function("here"), function("there")}
	require.NoError(w, store.DeclareFunctions(w.Context(), both))
	here, there, module := w.named(store, "here"), w.named(store, "there"), w.named(store, "module")
	later := w.enqueue(store, task.Request{Name: "there", EnqueueOptions: task.EnqueueOptions{Delay: time.Hour}})
	for _, id := range []task.ID{here, there, module} {
		require.Contains(w, w.task(store, id).WaitingReason, "no node is running")
	}
	require.Empty(w, w.task(store, later).WaitingReason, "it is not due")

	w.start(store, only(task.Async, 1), handler(done), both[0])
	require.Empty(w, w.succeeds(store, here).WaitingReason)
	require.Equal(w, task.Pending, w.task(store, there).Status)
	require.Equal(w, "none of the 1 nodes that are running has the Go function there: start a program that registers it", w.task(store, there).WaitingReason)
	require.Contains(w, w.task(store, module).WaitingReason, "none of the 1 nodes that are running runs modules")
	require.NoError(w, store.Stop(w.Context()))
	require.Contains(w, w.task(store, there).WaitingReason, "no node is running")

	other := w.open()
	g := newGate()
	w.start(other, map[task.Executor]int{task.Async: 1, task.Wasm: 1}, handler(g.handle), both[1])
	receive(w, g.entered, "an attempt")
	receive(w, g.entered, "an attempt")
	require.Empty(w, w.task(store, there).WaitingReason)
	send(w, g.leave, task.Outcome{})
	send(w, g.leave, task.Outcome{})
	w.succeeds(store, there)
	w.succeeds(store, module)
}

func holdExecutors(w *world) {
	store := w.open()
	w.push(store, "m", guest("module"))
	thread := definition(task.Thread, "thread", nil)
	g := newGate()
	w.start(store, map[task.Executor]int{task.Wasm: 1, task.Async: 2, task.Thread: 1}, handler(g.handle), function("async"), thread)
	running := make(map[string]int)
	var ids []task.ID
	for range 3 {
		for _, name := range []string{"module", "async", "thread"} {
			ids = append(ids, w.named(store, name))
		}
	}
	for range 4 {
		exec := receive(w, g.entered, "a free slot")
		running[exec.Task.Name]++
	}
	require.Equal(w, map[string]int{"module": 1, "async": 2, "thread": 1}, running)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case g.leave <- task.Outcome{}:
			case <-stop:
				return
			}
		}
	}()
	for _, id := range ids {
		require.Equal(w, w.task(store, id).Executor, w.succeeds(store, id).Executor)
	}
}
