package storetest

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

var idempotencyProperties = []property{
	{name: "a hundred callers make one task", hold: holdOneOfHundred},
	{name: "a key is held while its task may succeed or has", hold: holdKeyHeld},
	{name: "a key is free after an end without success", hold: holdKeyFreed},
	{name: "other arguments conflict", hold: holdKeyConflict},
	{name: "keys in a batch", hold: holdKeysInBatch},
	{name: "keys are compared exactly", hold: holdKeysExact},
	{name: "a key lives as long as its task or its TTL", hold: holdKeyTTL},
}

func keyed(name, key, args string) task.Request {
	return task.Request{Name: name, Args: []byte(args), EnqueueOptions: task.EnqueueOptions{IdempotencyKey: key}}
}

func holdOneOfHundred(w *world) {
	stores := []Store{w.open(), w.open()}
	w.push(stores[0], "m", guest("once"))
	w.start(stores[0], only(task.Wasm, 8), handler(done))
	ids := make([]task.ID, 100)
	var callers sync.WaitGroup
	for i := range ids {
		callers.Go(func() {
			var err error
			ids[i], err = stores[i%2].Enqueue(w.Context(), keyed("once", "k", `{}`))
			assert.NoError(w, err)
		})
	}
	callers.Wait()
	for _, id := range ids {
		require.Equal(w, ids[0], id)
	}
	w.succeeds(stores[1], ids[0])
	for _, store := range stores {
		require.NoError(w, store.Close())
	}
	require.Equal(w, ids[0], w.enqueue(w.open(), keyed("once", "k", `{}`)), "after a restart")
	require.EqualValues(w, 1, w.tasks())
	require.Zero(w, w.tickets())
}

func holdKeyHeld(w *world) {
	g := newGate()
	store := w.serve(1, g.handle, guest("a", task.Options{Retries: 1, Delay: 10 * time.Millisecond}), guest("b"))
	request := keyed("a", "k", `{"x":1}`)
	request.Delay = 50 * time.Millisecond
	id := w.enqueue(store, request)
	require.Equal(w, "k", w.task(store, id).IdempotencyKey)
	again := func(when string) {
		w.Helper()
		got, err := store.Enqueue(w.Context(), keyed("a", "k", ` { "x" : 1 } `))
		require.NoError(w, err)
		require.Equal(w, id, got, when)
	}
	again("delayed")
	receive(w, g.entered, "the attempt")
	again("running")
	send(w, g.leave, fails("not yet"))
	again("between attempts")
	receive(w, g.entered, "the second attempt")
	send(w, g.leave, task.Outcome{})
	w.succeeds(store, id)
	again("after its success")
	require.NotEqual(w, id, w.enqueue(store, keyed("b", "k", `{"x":1}`)), "keys are each definition's own")
	require.EqualValues(w, 2, w.tasks())
	send(w, g.leave, task.Outcome{})
}

func holdKeyFreed(w *world) {
	g := newGate()
	store := w.serve(3, byName(map[string]handler{
		"fails":   func(context.Context, *task.Execution, task.LogSink) task.Outcome { return fails("no") },
		"stopped": g.handle,
	}), guest("fails"), guest("stopped"), guest("cancelled"))
	failed := w.enqueue(store, keyed("fails", "k", "1"))
	require.Equal(w, task.Failed, w.await(store, failed).Status)

	stopped := w.enqueue(store, keyed("stopped", "k", "1"))
	receive(w, g.entered, "the attempt")
	w.stopNow(store)
	require.Equal(w, task.Interrupted, w.task(store, stopped).Status)

	// Nobody can cancel yet: this is what it will leave behind.
	cancelled := w.enqueue(store, keyed("cancelled", "k", "1"))
	w.exec("DELETE FROM river_job WHERE id = (SELECT ticket FROM task WHERE id = $1)", w.ID(cancelled))
	w.exec("UPDATE task SET status = 'cancelled', ended_at = created_at, ticket = NULL WHERE id = $1", w.ID(cancelled))

	for name, earlier := range map[string]task.ID{"fails": failed, "stopped": stopped, "cancelled": cancelled} {
		next := w.enqueue(store, keyed(name, "k", "2")) // the arguments are free too
		require.NotEqual(w, earlier, next, name)
		require.Equal(w, next, w.enqueue(store, keyed(name, "k", "2")), name)
		require.Equal(w, "k", w.task(store, earlier).IdempotencyKey, "the earlier one still shows it")
	}
	require.EqualValues(w, 6, w.tasks())
}

func holdKeyConflict(w *world) {
	store := w.open()
	w.push(store, "m", guest("a"))
	w.enqueue(store, keyed("a", "k", `{"a":1,"b":[1, 2]}`))
	text := task.Request{Name: "a", Args: []byte("a b"), ArgsType: "text/plain", EnqueueOptions: task.EnqueueOptions{IdempotencyKey: "text"}}
	w.enqueue(store, text)
	for name, request := range map[string]task.Request{
		"other value":     keyed("a", "k", `{"a":2,"b":[1,2]}`),
		"other number":    keyed("a", "k", `{"a":1.0,"b":[1,2]}`),
		"other order":     keyed("a", "k", `{"b":[1,2],"a":1}`),
		"none":            keyed("a", "k", ``),
		"white space":     {Name: "a", Args: []byte("a  b"), ArgsType: "text/plain", EnqueueOptions: text.EnqueueOptions},
		"upper-case text": {Name: "a", Args: []byte("A b"), ArgsType: "text/plain", EnqueueOptions: text.EnqueueOptions},
	} {
		_, err := store.Enqueue(w.Context(), request)
		var conflict *task.KeyConflictError
		if assert.ErrorAs(w, err, &conflict, name) {
			assert.ErrorContains(w, err, "with other arguments", name)
		}
	}
	w.enqueue(store, keyed("a", "k", "\n{\"a\":1,\"b\":[1,2]}"))
	require.EqualValues(w, 2, w.tasks())
}

func holdKeysInBatch(w *world) {
	store := w.open()
	w.push(store, "m", guest("a"), guest("b"))
	before := w.enqueue(store, keyed("a", "before", ""))
	ids, err := store.EnqueueMany(w.Context(), []task.Request{
		keyed("a", "k", "1"), keyed("b", "k", "1"), {Name: "a"}, keyed("a", "k", "1"), keyed("a", "before", ""), keyed("a", "k", " 1"),
	})
	require.NoError(w, err)
	require.Equal(w, ids[0], ids[3])
	require.Equal(w, ids[0], ids[5])
	require.Equal(w, before, ids[4])
	require.NotEqual(w, ids[0], ids[1])
	require.EqualValues(w, 4, w.tasks())
	require.EqualValues(w, 4, w.tickets())

	_, err = store.EnqueueMany(w.Context(), []task.Request{{Name: "b"}, keyed("a", "new", "1"), keyed("a", "new", "2")})
	var conflict *task.KeyConflictError
	require.ErrorAs(w, err, &conflict)
	require.EqualValues(w, 4, w.tasks())
	w.enqueue(store, keyed("a", "new", "3")) // the batch did not take the key
}

func holdKeysExact(w *world) {
	store := w.open()
	w.push(store, "m", guest("a"))
	keys := []string{
		"k", "K", "k ", " k", "é", "e\u0301", "😀", "ß", "SS", "%", "_", "'", `"`, `\`, "\n", "\t", "\x01", "\u200b",
		strings.Repeat("k", task.MaxIdempotencyKeyBytes), strings.Repeat("k", task.MaxIdempotencyKeyBytes-1),
	}
	ids := make(map[task.ID]string)
	for _, key := range keys {
		id := w.enqueue(store, keyed("a", key, ""))
		require.NotContains(w, ids, id, "%q is taken for another key", key)
		ids[id] = key
		require.Equal(w, id, w.enqueue(store, keyed("a", key, "")))
		require.Equal(w, key, w.task(store, id).IdempotencyKey)
	}
}

// What deletes a task leaves a key that is to live longer. Here the rows go, as
// retention has them go once a task has ended.
func holdKeyTTL(w *world) {
	store := w.open()
	const ttl = 400 * time.Millisecond
	w.push(store, "m", guest("a", task.Options{IdempotencyTTL: time.Hour}), guest("b"))
	with := func(name string, ttl time.Duration) task.Request {
		request := keyed(name, "k", "1")
		request.IdempotencyTTL = ttl
		return request
	}
	gone := func(id task.ID) {
		w.loseTicket(id)
		w.exec("UPDATE idempotency_key SET task_gone = true WHERE task_id = $1", w.ID(id))
		w.exec("DELETE FROM task WHERE id = $1", w.ID(id))
	}
	id := w.submit(store, with("a", 0), false)
	require.Equal(w, id, w.submit(store, with("a", 0), true))
	gone(id)
	require.Equal(w, id, w.submit(store, with("a", 0), true), "the definition's TTL")
	_, err := store.Enqueue(w.Context(), keyed("a", "k", "2"))
	var conflict *task.KeyConflictError
	require.ErrorAs(w, err, &conflict)

	first := w.submit(store, with("b", ttl), false)
	over := w.task(store, first).CreatedAt.Add(ttl)
	w.pass(over)
	require.Equal(w, first, w.submit(store, with("b", ttl), true), "its task is there")
	gone(first)
	second := w.submit(store, with("b", ttl), false)
	over = w.task(store, second).CreatedAt.Add(ttl)
	gone(second)
	if again := w.enqueue(store, with("b", ttl)); again != second {
		require.True(w, time.Now().After(over), "the key was let go too soon")
		return
	}
	w.pass(over)
	third := w.submit(store, with("b", 0), false)
	gone(third)
	w.submit(store, with("b", 0), false)
}
