package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

var enqueueProperties = []property{
	{name: "a bad request is refused and stores nothing", hold: holdRequestsChecked},
	{name: "an unknown name comes with suggestions", hold: holdSuggestions},
	{name: "a batch is stored whole or not at all", hold: holdBatchWhole},
	{name: "a batch of 12,000", hold: holdLargeBatch},
	{name: "a bad request does not fail its neighbours", hold: holdNeighbours},
	{name: "a caller that has gone", hold: holdCallerGone},
	{name: "tasks that are not there", hold: holdNotFound},
	{name: "a result before the end", hold: holdNotFinished},
}

func holdRequestsChecked(w *world) {
	store := w.open()
	resize := guest("thumbs.resize")
	resize.Args = json.RawMessage(`{"type":"object","properties":{"width":{"type":"integer","minimum":16}},"required":["width"],"additionalProperties":false}`)
	w.push(store, "m", resize, guest("raw"))
	var argument *task.ArgumentError
	var unknown *task.UnknownNameError
	var invalid *task.InvalidError
	for name, test := range map[string]struct {
		request task.Request
		target  any
		text    string
	}{
		"not JSON":       {task.Request{Name: "raw", Args: []byte(`{`)}, &argument, "not valid JSON"},
		"schema":         {task.Request{Name: "thumbs.resize", Args: []byte(`{"width":3}`)}, &argument, "/width: "},
		"missing":        {task.Request{Name: "thumbs.resize"}, &argument, "width"},
		"wrong type":     {task.Request{Name: "thumbs.resize", Args: []byte("x"), ArgsType: "text/plain"}, &argument, "takes application/json"},
		"unknown":        {task.Request{Name: "thumbs.resise"}, &unknown, "did you mean thumbs.resize?"},
		"malformed name": {task.Request{Name: "Thumbs"}, &invalid, "name "},
		"priority":       {task.Request{Name: "raw", EnqueueOptions: task.EnqueueOptions{Priority: 11}}, &invalid, "from 1 (lowest) to 10"},
		"too large":      {task.Request{Name: "raw", Args: make([]byte, task.DefaultArgsBytes+1)}, &invalid, "at most 1048576"},
	} {
		_, err := store.Enqueue(w.Context(), test.request)
		if assert.ErrorAs(w, err, test.target, name) {
			assert.ErrorContains(w, err, test.text, name)
		}
		_, err = store.EnqueueMany(w.Context(), []task.Request{{Name: "raw"}, test.request})
		if assert.ErrorAs(w, err, test.target, name) {
			assert.ErrorContains(w, err, "request 1: ", name)
		}
	}
	require.Zero(w, w.tasks())
	require.Zero(w, w.tickets())
}

func holdSuggestions(w *world) {
	store := w.open()
	_, err := store.Enqueue(w.Context(), task.Request{Name: "anything"})
	var unknown *task.UnknownNameError
	require.ErrorAs(w, err, &unknown)
	require.ErrorIs(w, err, task.ErrNotFound)
	require.Equal(w, task.UnknownNameError{Name: "anything"}, *unknown)

	w.push(store, "m", guest("thumbs.resize"), guest("thumbs.rotate"), guest("report"))
	require.NoError(w, store.DeclareFunctions(w.Context(), []task.Definition{function("reports")}))
	for name, near := range map[string][]string{
		"thumbs.resate": {"thumbs.resize", "thumbs.rotate"},
		"reporst":       {"report", "reports"},
		"zebra":         nil,
	} {
		_, err := store.Enqueue(w.Context(), task.Request{Name: name})
		require.ErrorAs(w, err, &unknown)
		require.Equal(w, near, unknown.Near, name)
	}
	_, err = store.Definition(w.Context(), "zebra")
	require.ErrorIs(w, err, task.ErrNotFound)
}

func holdBatchWhole(w *world) {
	store := w.open()
	w.push(store, "m", guest("a"), guest("b"))
	ids, err := store.EnqueueMany(w.Context(), nil)
	require.NoError(w, err)
	require.Empty(w, ids)

	ids, err = store.EnqueueMany(w.Context(), []task.Request{{Name: "a"}, {Name: "b", Args: []byte("1")}, {Name: "a"}})
	require.NoError(w, err)
	require.Len(w, ids, 3)
	for i, want := range []string{"a", "b", "a"} {
		require.Equal(w, want, w.task(store, ids[i]).Name)
	}

	// One that fails in the database, after others of the batch were inserted.
	key := task.EnqueueOptions{IdempotencyKey: "k"}
	w.enqueue(store, task.Request{Name: "a", Args: []byte("1"), EnqueueOptions: key})
	_, err = store.EnqueueMany(w.Context(), []task.Request{{Name: "b"}, {Name: "a", Args: []byte("2"), EnqueueOptions: key}, {Name: "b"}})
	var conflict *task.KeyConflictError
	require.ErrorAs(w, err, &conflict)
	require.EqualValues(w, 4, w.tasks())
	require.EqualValues(w, 4, w.tickets())
}

func holdLargeBatch(w *world) {
	const size = 12_000
	store := w.open()
	w.push(store, "m", guest("one"))
	requests := make([]task.Request, size)
	for i := range requests {
		requests[i] = task.Request{Name: "one", Args: fmt.Appendf(nil, "%d", i), EnqueueOptions: task.EnqueueOptions{Tags: map[string]string{"i": fmt.Sprint(i)}}}
	}
	ids, err := store.EnqueueMany(w.Context(), requests)
	require.NoError(w, err)
	require.Len(w, ids, size)
	require.EqualValues(w, size, w.tasks())
	require.EqualValues(w, size, w.tickets())
	for _, i := range []int{0, 1, 999, 1000, 4999, 5000, size - 1} {
		require.Equal(w, map[string]string{"i": fmt.Sprint(i)}, w.task(store, ids[i]).Tags)
	}
	// The queue has them in the batch's order.
	rows, err := w.DB.QueryContext(w.Context(), "SELECT id FROM task ORDER BY due_at, ticket")
	require.NoError(w, err)
	defer rows.Close()
	for i := 0; rows.Next(); i++ {
		var id storedID
		require.NoError(w, rows.Scan(&id))
		require.Equal(w, ids[i], task.ID(id), "place %d", i)
	}
	require.NoError(w, rows.Err())
}

func holdNeighbours(w *world) {
	store := w.open()
	w.push(store, "m", guest("a"))
	key := task.EnqueueOptions{IdempotencyKey: "k"}
	first := w.enqueue(store, task.Request{Name: "a", EnqueueOptions: key})
	var callers sync.WaitGroup
	errs := make([]error, 60)
	ids := make([]task.ID, 60)
	for i := range errs {
		callers.Go(func() {
			request := task.Request{Name: "a", Args: []byte("1")}
			if i%3 == 0 {
				request.EnqueueOptions = key // with other arguments than the first
			}
			ids[i], errs[i] = store.Enqueue(w.Context(), request)
		})
	}
	callers.Wait()
	seen := map[task.ID]bool{first: true}
	for i, err := range errs {
		if i%3 == 0 {
			var conflict *task.KeyConflictError
			require.ErrorAs(w, err, &conflict)
			continue
		}
		require.NoError(w, err)
		assert.False(w, seen[ids[i]], "two callers got one id")
		seen[ids[i]] = true
	}
	require.EqualValues(w, len(seen), w.tasks())
}

func holdCallerGone(w *world) {
	store := w.open()
	w.push(store, "m", guest("a"))
	id := w.named(store, "a")
	gone, cancel := context.WithCancel(w.Context())
	cancel()
	_, err := store.EnqueueMany(gone, []task.Request{{Name: "a"}, {Name: "a"}})
	require.ErrorIs(w, err, context.Canceled)
	_, err = store.Task(gone, id)
	require.ErrorIs(w, err, context.Canceled)
	_, err = store.Logs(gone, id, 0, 1)
	require.ErrorIs(w, err, context.Canceled)
	_, _, err = store.Result(gone, id)
	require.ErrorIs(w, err, context.Canceled)
	_, err = store.PutVersion(gone, *w.push(store, "m", guest("a")), nil)
	require.ErrorIs(w, err, context.Canceled)
	require.EqualValues(w, 1, w.tasks())

	// Whether a single call is stored is open, but not what it says.
	if _, err = store.Enqueue(gone, task.Request{Name: "a"}); err != nil {
		require.ErrorIs(w, err, context.Canceled)
	}
	// Those who are in the same transaction are not gone.
	var callers sync.WaitGroup
	var failed error
	var mu sync.Mutex
	for i := range 40 {
		callers.Go(func() {
			ctx, cancel := context.WithCancel(w.Context())
			defer cancel()
			if i%2 == 0 {
				cancel()
			}
			if _, err := store.Enqueue(ctx, task.Request{Name: "a"}); err != nil && i%2 == 1 {
				mu.Lock()
				defer mu.Unlock()
				failed = errors.Join(failed, err)
			}
		})
	}
	callers.Wait()
	require.NoError(w, failed)
}

func holdNotFound(w *world) {
	store := w.open()
	unknown := task.ID{1, 2, 3}
	_, err := store.Task(w.Context(), unknown)
	require.ErrorIs(w, err, task.ErrNotFound)
	require.ErrorContains(w, err, unknown.String())
	_, _, err = store.Result(w.Context(), unknown)
	require.ErrorIs(w, err, task.ErrNotFound)
	_, err = store.Logs(w.Context(), unknown, 0, 10)
	require.ErrorIs(w, err, task.ErrNotFound)
	require.NoError(w, store.Ping(w.Context()))
}

func holdNotFinished(w *world) {
	g := newGate()
	store := w.serve(1, g.handle, guest("a"))
	running, pending := w.named(store, "a"), w.named(store, "a")
	receive(w, g.entered, "the first attempt")
	for id, status := range map[task.ID]task.Status{running: task.Running, pending: task.Pending} {
		require.Equal(w, status, w.task(store, id).Status)
		_, _, err := store.Result(w.Context(), id)
		require.ErrorIs(w, err, task.ErrNotFinished)
		require.ErrorContains(w, err, string(status))
		require.Empty(w, w.logs(store, id))
	}
	send(w, g.leave, task.Outcome{})
	send(w, g.leave, task.Outcome{})
	w.succeeds(store, pending)
}
