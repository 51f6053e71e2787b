package storetest

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

var txProperties = []property{
	{name: "what is committed runs, and not before", hold: eachTx(holdCommit)},
	{name: "what is rolled back was never there", hold: eachTx(holdRollback)},
	{name: "keys count inside", hold: eachTx(holdTxKeys)},
	{name: "a refused request leaves the transaction usable", hold: eachTx(holdTxRefused)},
	{name: "a batch keeps its order and its bytes", hold: eachTx(holdTxBatch)},
}

// enqueueFunc enqueues in a transaction.
type enqueueFunc = func(requests ...task.Request) ([]task.ID, error)

// eachTx holds for every way to enqueue in a transaction, one after the other on
// the same database.
func eachTx(hold func(w *world, within func(store Store, f func(enqueueFunc) bool))) func(*world) {
	return func(w *world) {
		require.NotEmpty(w, w.Tx)
		for _, name := range slices.Sorted(maps.Keys(w.Tx)) {
			w.Run(name, func(t *testing.T) {
				inner := &world{T: t, Place: w.Place, leapt: w.leapt}
				defer func() { // so that the next finds an empty queue
					for _, store := range inner.opened {
						assert.NoError(t, store.Close())
					}
					w.nodes = inner.nodes
				}()
				inner.nodes = w.nodes
				hold(inner, func(store Store, f func(enqueueFunc) bool) { w.Tx[name](t, store, f) })
			})
		}
	}
}

func holdCommit(w *world, within func(Store, func(enqueueFunc) bool)) {
	store := w.serve(2, echo, guest("a"))
	reader := w.open()
	before := w.tasks()
	var ids []task.ID
	within(store, func(enqueue enqueueFunc) bool {
		one, err := enqueue(task.Request{Name: "a", Args: []byte("1")})
		require.NoError(w, err)
		more, err := enqueue(task.Request{Name: "a", Args: []byte("2")}, task.Request{Name: "a", Args: []byte("3")})
		require.NoError(w, err)
		ids = slices.Concat(one, more)
		require.Len(w, ids, 3)
		w.pass(time.Now().Add(100 * time.Millisecond)) // a node looks several times
		for _, id := range ids {
			_, err := reader.Task(w.Context(), id)
			require.ErrorIs(w, err, task.ErrNotFound)
		}
		return true
	})
	for i, id := range ids {
		w.succeeds(reader, id)
		result, _, err := store.Result(w.Context(), id)
		require.NoError(w, err)
		require.Equal(w, string(rune('1'+i)), string(result))
	}
	require.Equal(w, before+3, w.tasks())
}

func holdRollback(w *world, within func(Store, func(enqueueFunc) bool)) {
	store := w.open()
	w.push(store, "m", guest("a"))
	before := w.tasks()
	tickets := w.tickets()
	var ids []task.ID
	within(store, func(enqueue enqueueFunc) bool {
		one, err := enqueue(keyed("a", "k", "1"))
		require.NoError(w, err)
		more, err := enqueue(task.Request{Name: "a"}, keyed("a", "l", "1"))
		require.NoError(w, err)
		ids = slices.Concat(one, more)
		return false
	})
	require.Equal(w, before, w.tasks())
	require.Equal(w, tickets, w.tickets())
	for _, id := range ids {
		_, err := store.Task(w.Context(), id)
		require.ErrorIs(w, err, task.ErrNotFound)
	}
	require.Zero(w, w.number("SELECT count(*) FROM idempotency_key WHERE name = 'a' AND key IN ('k', 'l')"))
	w.start(store, only(task.Wasm, 1), handler(done))
	w.succeeds(store, w.named(store, "a"))
}

func holdTxKeys(w *world, within func(Store, func(enqueueFunc) bool)) {
	store := w.open()
	name := w.fresh()
	w.push(store, name, guest(name))
	earlier := w.enqueue(store, keyed(name, "earlier", "1"))
	var first task.ID
	within(store, func(enqueue enqueueFunc) bool {
		ids, err := enqueue(keyed(name, "earlier", "1"))
		require.NoError(w, err)
		require.Equal(w, []task.ID{earlier}, ids)
		ids, err = enqueue(keyed(name, "k", "1"))
		require.NoError(w, err)
		first = ids[0]
		ids, err = enqueue(keyed(name, "k", "1"), keyed(name, "k", " 1"), keyed(name, "l", "1"))
		require.NoError(w, err)
		require.Equal(w, []task.ID{first, first}, ids[:2])
		require.NotEqual(w, first, ids[2])
		return true
	})
	require.Equal(w, first, w.enqueue(store, keyed(name, "k", "1")))
	require.EqualValues(w, 3, w.number("SELECT count(*) FROM task WHERE name = $1", name))
}

// fresh is a name that no other part of the test has.
func (w *world) fresh() string {
	w.Helper()
	return "fresh" + string(rune('a'+w.number("SELECT count(*) FROM definition")))
}

func holdTxRefused(w *world, within func(Store, func(enqueueFunc) bool)) {
	store := w.open()
	name := w.fresh()
	w.push(store, name, guest(name))
	w.enqueue(store, keyed(name, "k", "1"))
	within(store, func(enqueue enqueueFunc) bool {
		_, err := enqueue(task.Request{Name: "unknown"})
		var unknown *task.UnknownNameError
		require.ErrorAs(w, err, &unknown)
		_, err = enqueue(task.Request{Name: name}, task.Request{Name: name, Args: []byte("{")})
		var argument *task.ArgumentError
		require.ErrorAs(w, err, &argument)
		_, err = enqueue(task.Request{Name: name, EnqueueOptions: task.EnqueueOptions{Priority: 11}})
		var invalid *task.InvalidError
		require.ErrorAs(w, err, &invalid)
		_, err = enqueue(task.Request{Name: name}, keyed(name, "k", "2"))
		var conflict *task.KeyConflictError
		require.ErrorAs(w, err, &conflict)
		_, err = enqueue(task.Request{Name: name, Args: []byte("7")})
		require.NoError(w, err)
		return true
	})
	require.EqualValues(w, 2, w.number("SELECT count(*) FROM task WHERE name = $1", name), "the first one and the last")
}

func holdTxBatch(w *world, within func(Store, func(enqueueFunc) bool)) {
	store := w.open()
	name := w.fresh()
	w.push(store, name, guest(name))
	requests := batch(name, 150)
	for i := range requests {
		requests[i].Args, requests[i].ArgsType = append(everyByte(), byte(i), byte(i>>8)), "application/octet-stream"
	}
	var ids []task.ID
	within(store, func(enqueue enqueueFunc) bool {
		var err error
		ids, err = enqueue(requests...)
		require.NoError(w, err)
		return true
	})
	require.Len(w, ids, len(requests))
	w.start(store, only(task.Wasm, 20), handler(echo))
	w.allSucceed(ids)
	for i, id := range ids {
		result, _, err := store.Result(w.Context(), id)
		require.NoError(w, err)
		require.Equal(w, requests[i].Args, result)
	}
}
