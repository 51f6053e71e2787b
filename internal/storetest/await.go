package storetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

var awaitProperties = []property{
	{name: "waits for the end, from any process", hold: holdAwait},
	{name: "waits across attempts", hold: holdAwaitRetries},
	{name: "ends with its context", hold: holdAwaitContext},
	{name: "does not wait for what is not there", hold: holdAwaitUnknown},
	{name: "by many, for many", hold: holdAwaitMany},
}

// awaiting waits for a task in the background.
func (w *world) awaiting(store Store, id task.ID) <-chan error {
	result := make(chan error, 1)
	go func() { result <- store.Await(w.Context(), id) }()
	return result
}

func holdAwait(w *world) {
	g := newGate()
	store := w.serve(1, g.handle, guest("a"))
	other := w.open()
	id := w.named(store, "a")
	receive(w, g.entered, "the attempt")
	waits := []<-chan error{w.awaiting(store, id), w.awaiting(other, id), w.awaiting(store, id)}
	for _, wait := range waits {
		require.Empty(w, wait, "the task still runs")
	}
	send(w, g.leave, task.Outcome{Result: []byte("1")})
	for i, wait := range waits {
		require.NoError(w, receive(w, wait, "Await"), "waiter %d", i)
	}
	// Who was told of the end finds it.
	require.Equal(w, task.Success, w.task(store, id).Status)
	require.Equal(w, task.Success, w.task(other, id).Status)
	require.NoError(w, store.Await(w.Context(), id), "it has ended before")
	require.NoError(w, w.open().Await(w.Context(), id))

	failing := w.named(other, "a")
	wait := w.awaiting(other, failing)
	receive(w, g.entered, "the attempt")
	send(w, g.leave, fails("no"))
	require.NoError(w, receive(w, wait, "Await"), "how a task ended is not Await's to say")
	require.Equal(w, task.Failed, w.task(other, failing).Status)
}

func holdAwaitRetries(w *world) {
	g := newGate()
	store := w.serve(1, g.handle, guest("a", task.Options{Retries: 3}))
	other := w.open()
	id := w.named(store, "a")
	waits := []<-chan error{w.awaiting(store, id), w.awaiting(other, id)}
	for attempt := range 3 {
		receive(w, g.entered, "an attempt")
		require.Empty(w, waits[0], "after %d attempts", attempt)
		require.Empty(w, waits[1], "after %d attempts", attempt)
		send(w, g.leave, fails("again"))
	}
	receive(w, g.entered, "the last attempt")
	send(w, g.leave, task.Outcome{})
	for _, wait := range waits {
		require.NoError(w, receive(w, wait, "Await"))
	}
	require.Equal(w, 4, w.task(other, id).Attempt)
}

func holdAwaitContext(w *world) {
	store := w.open()
	w.push(store, "m", guest("a"))
	id := w.named(store, "a")
	why := errors.New("enough")
	ctx, end := context.WithCancelCause(w.Context())
	wait := make(chan error, 1)
	go func() { wait <- store.Await(ctx, id) }()
	w.pass(time.Now().Add(200 * time.Millisecond))
	require.Empty(w, wait)
	end(why)
	require.ErrorIs(w, receive(w, wait, "Await"), why)
	gone, cancel := context.WithCancel(w.Context())
	cancel()
	require.ErrorIs(w, store.Await(gone, id), context.Canceled)
}

func holdAwaitUnknown(w *world) {
	store := w.open()
	wait := w.awaiting(store, task.ID{1})
	if err := receive(w, wait, "Await of a task that is not there"); err != nil {
		require.ErrorIs(w, err, task.ErrNotFound)
	}
}

func holdAwaitMany(w *world) {
	store := w.open()
	w.push(store, "m", guest("a"))
	ids, err := store.EnqueueMany(w.Context(), batch("a", 100))
	require.NoError(w, err)
	other := w.open()
	var waiters sync.WaitGroup
	for i, id := range ids {
		for _, from := range []Store{store, other} {
			waiters.Go(func() {
				ctx, cancel := context.WithTimeout(w.Context(), patience)
				defer cancel()
				if i%10 == 0 {
					cancel()
				}
				if err := from.Await(ctx, id); err != nil && i%10 != 0 {
					assert.NoError(w, err)
				}
			})
		}
	}
	w.start(store, only(task.Wasm, 20), handler(done))
	waiters.Wait()
	w.allSucceed(ids)
}
