package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/seal"
	"github.com/taskhost/taskhost/task"
)

var uniqueProperties = []property{
	{name: "one task of a name while it is pending or running", hold: holdUniqueName},
	{name: "one task of the same arguments", hold: holdUniqueArgs},
	{name: "a hundred callers make one task", hold: holdUniqueOfHundred},
	{name: "unique tasks in a batch", hold: holdUniqueInBatch},
	{name: "batches in opposite orders do not wait for each other", hold: holdOppositeBatches},
	{name: "an idempotency key stands for the earlier task", hold: holdUniqueWithKey},
	{name: "a large batch keeps its order", hold: holdLargeUniqueBatch},
}

func unique(name string, unique task.Unique, args string) task.Request {
	return task.Request{Name: name, Args: []byte(args), EnqueueOptions: task.EnqueueOptions{Unique: unique}}
}

// submit enqueues, and requires that this stores a task, or none.
func (w *world) submit(store Store, request task.Request, duplicate bool) task.ID {
	w.Helper()
	stored, err := store.Submit(w.Context(), request)
	require.NoError(w, err)
	require.Equal(w, duplicate, stored.Duplicate, "whether it was there already")
	return stored.ID
}

func holdUniqueName(w *world) {
	g := newGate()
	store := w.serve(1, g.handle, guest("a", task.Options{Unique: task.UniqueName, Retries: 1, Delay: 50 * time.Millisecond}), guest("b"))
	id := w.submit(store, task.Request{Name: "a", Args: []byte("1"), EnqueueOptions: task.EnqueueOptions{Delay: 30 * time.Millisecond}}, false)
	again := func(when string) {
		w.Helper()
		require.Equal(w, id, w.submit(store, task.Request{Name: "a", Args: []byte("2")}, true), when)
	}
	again("delayed")
	receive(w, g.entered, "the attempt")
	again("running")
	send(w, g.leave, fails("not yet"))
	again("between attempts")
	receive(w, g.entered, "the second attempt")
	again("running again")
	require.EqualValues(w, 1, w.tasks())
	w.submit(store, unique("a", task.NotUnique, "3"), false)
	w.submit(store, unique("b", task.UniqueName, "3"), false)
	send(w, g.leave, fails("no"))
	require.Equal(w, task.Failed, w.await(store, id).Status)
	next := w.submit(store, unique("a", "", "2"), false)
	require.NotEqual(w, id, next)
	require.Equal(w, next, w.submit(store, unique("a", "", "5"), true))
	for range 3 {
		send(w, g.leave, task.Outcome{})
	}
	w.succeeds(store, next)
}

func holdUniqueArgs(w *world) {
	store := w.open()
	w.push(store, "m", guest("a", task.Options{Unique: task.UniqueArgs}), guest("b", task.Options{Unique: task.UniqueArgs}))
	id := w.submit(store, unique("a", "", `{"x":[1,2]}`), false)
	require.Equal(w, id, w.submit(store, unique("a", "", ` { "x" : [1, 2] } `), true))
	w.submit(store, unique("a", "", `{"x":[2,1]}`), false)
	w.submit(store, unique("b", "", `{"x":[1,2]}`), false)
	none := w.submit(store, unique("a", "", ``), false)
	require.Equal(w, none, w.submit(store, unique("a", "", ``), true))
	text := unique("a", "", `{"x":[1,2]}`)
	text.ArgsType = "text/plain"
	w.submit(store, text, false)
	name := w.submit(store, unique("a", task.UniqueName, "7"), false)
	require.Equal(w, name, w.submit(store, unique("a", task.UniqueName, "8"), true), "one by name has nothing to do with those by arguments")
	require.EqualValues(w, 6, w.tasks())
	w.start(store, only(task.Wasm, 2), handler(done))
	w.succeeds(store, id)
	w.submit(store, unique("a", "", `{"x":[1,2]}`), false)
}

func holdUniqueOfHundred(w *world) {
	stores := []Store{w.open(), w.open()}
	w.push(stores[0], "m", guest("a"))
	results := make([]task.Enqueued, 100)
	var callers sync.WaitGroup
	for i := range results {
		callers.Go(func() {
			var err error
			results[i], err = stores[i%2].Submit(w.Context(), unique("a", task.UniqueArgs, `{}`))
			assert.NoError(w, err)
		})
	}
	callers.Wait()
	fresh := 0
	for _, result := range results {
		require.Equal(w, results[0].ID, result.ID)
		if !result.Duplicate {
			fresh++
		}
	}
	require.Equal(w, 1, fresh)
	require.EqualValues(w, 1, w.tasks())
}

func holdUniqueInBatch(w *world) {
	store := w.open()
	w.push(store, "m", guest("a"))
	before := w.enqueue(store, unique("a", task.UniqueArgs, "0"))
	ids, err := store.EnqueueMany(w.Context(), []task.Request{
		unique("a", task.UniqueArgs, "9"),
		{Name: "a"},
		unique("a", task.UniqueArgs, "0"), unique("a", task.UniqueArgs, "5"),
		unique("a", task.UniqueArgs, " 9"), unique("a", task.UniqueName, "9"), unique("a", task.UniqueArgs, "1"),
		{Name: "a"},
	})
	require.NoError(w, err)
	require.Equal(w, before, ids[2])
	require.Equal(w, ids[0], ids[4])
	require.EqualValues(w, 7, w.tasks())
	require.EqualValues(w, 7, w.tickets())
	var ran order
	w.start(store, only(task.Wasm, 1), handler(func(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		ran.add(exec.Task.ID)
		return task.Outcome{}
	}))
	want := append([]task.ID{before}, ids[0], ids[1], ids[3], ids[5], ids[6], ids[7])
	w.allSucceed(want)
	require.Equal(w, want, ran.all(), "in the batch's order")
}

// Two callers want the same keys and the same unique tasks, in opposite orders.
func holdOppositeBatches(w *world) {
	stores := []Store{w.open(), w.open()}
	w.push(stores[0], "m", guest("a"))
	const rounds, size = 40, 30
	for round := range rounds {
		var batches [2][]task.Request
		for i := range size {
			key := fmt.Sprintf("%d-%d", round, i)
			request := keyed("a", key, "1")
			if round%2 == 1 {
				request = unique("a", task.UniqueArgs, `"`+key+`"`)
			}
			if round%4 > 1 {
				request.Unique, request.IdempotencyKey, request.Args = task.UniqueArgs, key, []byte(`"`+key+`"`)
			}
			batches[0] = append(batches[0], request)
		}
		batches[1] = slices.Clone(batches[0])
		slices.Reverse(batches[1])
		var ids [2][]task.ID
		var callers sync.WaitGroup
		for i := range batches {
			callers.Go(func() {
				var err error
				ids[i], err = stores[i].EnqueueMany(w.Context(), batches[i])
				assert.NoError(w, err)
			})
		}
		callers.Wait()
		slices.Reverse(ids[1])
		require.Equal(w, ids[0], ids[1])
	}
	require.EqualValues(w, rounds*size, w.tasks())
	require.EqualValues(w, rounds*size, w.tickets())
}

func holdUniqueWithKey(w *world) {
	store := w.open()
	w.push(store, "m", guest("a"))
	earlier := w.enqueue(store, unique("a", task.UniqueName, "1"))
	request := keyed("a", "k", "2")
	request.Unique = task.UniqueName
	require.Equal(w, earlier, w.submit(store, request, true))
	w.start(store, only(task.Wasm, 1), handler(done))
	w.succeeds(store, earlier)
	require.Equal(w, earlier, w.submit(store, request, true), "what the key once stood for")

	request = keyed("a", "l", "2")
	request.Unique = task.UniqueName
	first := w.submit(store, request, false)
	w.succeeds(store, first)
	require.Equal(w, first, w.submit(store, request, true))
	require.EqualValues(w, 2, w.tasks())

	require.NoError(w, store.Stop(w.Context()))
	other := request
	other.IdempotencyKey, other.Delay = "m", time.Hour
	ids, err := store.EnqueueMany(w.Context(), []task.Request{unique("a", task.UniqueName, "2"), other, other})
	require.NoError(w, err)
	require.Equal(w, []task.ID{ids[0], ids[0], ids[0]}, ids)
	require.Equal(w, ids[0], w.submit(store, other, true))
	require.EqualValues(w, 3, w.tasks())
}

func holdLargeUniqueBatch(w *world) {
	const size = 6000
	store := w.open()
	w.push(store, "m", guest("a"))
	requests := make([]task.Request, size)
	for i := range requests {
		requests[i] = unique("a", task.UniqueArgs, fmt.Sprint(i*7919%size))
	}
	ids, err := store.EnqueueMany(w.Context(), requests)
	require.NoError(w, err)
	again, err := store.EnqueueMany(w.Context(), requests)
	require.NoError(w, err)
	require.Equal(w, ids, again)
	require.EqualValues(w, size, w.tasks())
	require.EqualValues(w, size, w.tickets())
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

// A hash of arguments that was made in clear tells them to whoever can guess them.
func holdUniqueTakesKey(w *world) {
	clear := w.with()
	w.push(clear, "m", guest("a"))
	one, two := w.enqueue(clear, unique("a", task.UniqueArgs, "1")), w.enqueue(clear, unique("a", task.UniqueArgs, "2"))
	name := w.enqueue(clear, unique("a", task.UniqueName, "1"))
	plain := w.text("SELECT unique_key FROM task WHERE id = $1", w.ID(one))
	require.NoError(w, clear.Close())

	store := w.with(seal.NewKey())
	again := w.submit(store, unique("a", task.UniqueArgs, "2"), false) // it cannot be told from another before
	_, err := store.Reencrypt(w.Context(), nil)
	require.NoError(w, err)
	require.NotEqual(w, plain, w.text("SELECT unique_key FROM task WHERE id = $1", w.ID(one)))
	require.Empty(w, w.text("SELECT coalesce(unique_key, '') FROM task WHERE id = $1", w.ID(two)), "there are two, and the later one has the place")
	require.Equal(w, one, w.submit(store, unique("a", task.UniqueArgs, " 1"), true))
	require.Equal(w, again, w.submit(store, unique("a", task.UniqueArgs, "2"), true))
	require.Equal(w, name, w.submit(store, unique("a", task.UniqueName, "3"), true))
	require.EqualValues(w, 4, w.tasks())
}
