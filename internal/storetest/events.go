package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// Announcer tells of what happens to tasks.
type Announcer interface {
	riverstore.EventReader
	riverstore.EventKeeper
	NextEvents(ctx context.Context, after task.EventCursor, limit int) ([]task.Event, task.EventCursor, error)
}

// The events of all other properties are counted in checkRows.
var eventProperties = []property{
	{name: "each change is announced once, in order", hold: holdEvents},
	{name: "what is given back, and what expires", hold: holdEventsGivenBack},
	{name: "any place is one to go on from", hold: holdEventCursors},
	{name: "followers wait for what is new", hold: holdEventsFollowed},
	{name: "followers miss nothing under load", hold: holdEventsUnderLoad},
	{name: "what is committed late is not missed, and holds nothing up", hold: holdEventsOutOfOrder, fleet: true},
	{name: "a cancel that waits for one task comes after what happens to others", hold: holdEventsOfCancel, fleet: true},
	{name: "what is rolled back is not announced", hold: eachTx(holdEventsRolledBack)},
	{name: "what is old is deleted, and who has missed it is told", hold: holdEventsPruned},
	{name: "a node deletes what is old", hold: holdEventsKept},
}

// what are events without their cursors, of which there may be several for one place.
func what(events []task.Event) []task.Event {
	events = slices.Clone(events)
	for i := range events {
		events[i].Cursor = ""
	}
	return events
}

// said is an event as "status attempt cause node".
func said(e *task.Event) string {
	text := fmt.Sprintf("%s %d", e.Status, e.Attempt)
	if e.Cause != "" {
		text += " " + string(e.Cause)
	}
	if e.Node != "" {
		text += " on " + e.Node
	}
	return text
}

// now is the cursor behind all events.
func (w *world) now(store Store) task.EventCursor {
	w.Helper()
	events, cursor, err := store.Events(w.Context(), "", 100)
	require.NoError(w, err)
	require.Empty(w, events)
	return cursor
}

// eventsOf reads what was said of a task behind a cursor, in pages.
func (w *world) eventsOf(store Store, after task.EventCursor, id task.ID) []string {
	w.Helper()
	texts := []string{}
	last := int64(-1)
	for _, e := range w.events(store, after, 3) {
		if e.TaskID == id {
			texts = append(texts, said(&e))
			require.Greater(w, e.Seq, last)
			last = e.Seq
		}
	}
	return texts
}

// events reads all events behind a cursor, in pages.
func (w *world) events(store Store, after task.EventCursor, page int) []task.Event {
	w.Helper()
	all := []task.Event{}
	for {
		events, next, err := store.Events(w.Context(), after, page)
		require.NoError(w, err)
		if all = append(all, events...); len(events) < page {
			return all
		}
		require.Equal(w, events[len(events)-1].Cursor, next)
		after = next
	}
}

func holdEvents(w *world) {
	g := newGate()
	store := w.serve(4, byName(map[string]handler{
		"good": done, "bad": func(context.Context, *task.Execution, task.LogSink) task.Outcome { return fails("no") }, "open": g.handle,
	}), guest("good"), guest("bad", task.Options{Retries: 1}), guest("open"))
	start := w.now(store)
	good, bad := w.enqueue(store, taggedAndKeyed("good", "k")), w.named(store, "bad")
	w.succeeds(store, good)
	w.await(store, bad)
	require.Equal(w, []string{"pending 0", "running 1 on node-1", "success 1 on node-1"}, w.eventsOf(store, start, good))
	require.Equal(w, []string{
		"pending 0", "running 1 on node-1", "pending 1 error on node-1", "running 2 on node-1", "failed 2 error on node-1",
	}, w.eventsOf(store, start, bad))

	waits := w.enqueue(store, task.Request{Name: "good", EnqueueOptions: task.EnqueueOptions{Delay: time.Hour}})
	w.cancel(store, waits)
	w.cancel(store, waits)
	require.Equal(w, []string{"pending 0", "cancelled 0 cancelled"}, w.eventsOf(store, start, waits))
	runs := w.named(store, "open")
	receive(w, g.entered, "the attempt")
	w.cancel(store, runs)
	w.await(store, runs)
	require.Equal(w, []string{"pending 0", "running 1 on node-1", "cancelled 1 cancelled on node-1"}, w.eventsOf(store, start, runs))

	repeated, err := store.Retry(w.Context(), bad, false)
	require.NoError(w, err)
	w.await(store, repeated)
	texts := w.eventsOf(store, start, repeated)
	require.Len(w, texts, 5)
	require.Equal(w, "pending 0", texts[0])
	require.Len(w, w.eventsOf(store, start, bad), 5, "nothing happened to the task that was retried")
	require.Equal(w, good, w.enqueue(store, taggedAndKeyed("good", "k")))
	require.Len(w, w.eventsOf(store, start, good), 3, "a duplicate is nothing new")

	many, err := store.EnqueueMany(w.Context(), []task.Request{{Name: "good"}, taggedAndKeyed("good", "many"), {Name: "good"}})
	require.NoError(w, err)
	for _, id := range many {
		w.succeeds(store, id)
		require.Len(w, w.eventsOf(store, start, id), 3)
	}
	stored := w.task(store, good)
	for _, e := range w.events(store, start, 100) {
		require.WithinDuration(w, stored.CreatedAt, e.Time, time.Minute)
		require.Equal(w, w.task(store, e.TaskID).Name, e.Name)
		require.Equal(w, w.task(store, e.TaskID).Source, e.Source)
	}
}

func holdEventsGivenBack(w *world) {
	g := newGate()
	store := w.serve(2, g.handle, guest("again", task.Options{RequeueOnInterrupt: true}), guest("ends"))
	start := w.now(store)
	again, ends := w.named(store, "again"), w.named(store, "ends")
	receive(w, g.entered, "an attempt")
	receive(w, g.entered, "an attempt")
	expires := w.enqueue(store, expiring("ends", 30*time.Millisecond))
	w.expires(store, expires)
	w.stopNow(store)
	w.start(store, only(task.Wasm, 2), handler(done))
	w.succeeds(store, again)
	require.Equal(w, []string{
		"pending 0", "running 1 on node-1", "pending 0 interrupted on node-1", "running 1 on node-2", "success 1 on node-2",
	}, w.eventsOf(store, start, again))
	require.Equal(w, []string{"pending 0", "running 1 on node-1", "interrupted 1 interrupted on node-1"}, w.eventsOf(store, start, ends))
	require.Equal(w, []string{"pending 0", "failed 0 expired"}, w.eventsOf(store, start, expires))
}

func holdEventsFollowed(w *world) {
	store := w.open()
	w.push(store, "m", guest("a"))
	start := w.now(store)
	type answer struct {
		events []task.Event
		next   task.EventCursor
		err    error
	}
	answers := make(chan answer, 3)
	ctx, cancel := context.WithCancel(w.Context())
	for range 3 {
		go func() {
			events, next, err := store.NextEvents(ctx, start, 10)
			answers <- answer{events, next, err}
		}()
	}
	id := w.named(w.open(), "a") // by another process
	var next task.EventCursor
	for range 3 {
		got := receive(w, answers, "the event")
		require.NoError(w, got.err)
		require.Len(w, got.events, 1)
		require.Equal(w, id, got.events[0].TaskID)
		next = got.next
	}
	go func() {
		events, next, err := store.NextEvents(ctx, next, 10)
		answers <- answer{events, next, err}
	}()
	cancel()
	got := receive(w, answers, "the end of the wait")
	require.NoError(w, got.err)
	require.Empty(w, got.events)
	require.Empty(w, w.events(store, got.next, 10))
}

// follow collects events until somebody has seen n of them.
func (w *world) follow(store Store, after task.EventCursor, n int) <-chan []task.Event {
	all := make(chan []task.Event, 1)
	go func() {
		ctx, cancel := context.WithTimeout(w.Context(), patience)
		defer cancel()
		var seen []task.Event
		for len(seen) < n && ctx.Err() == nil {
			events, next, err := store.NextEvents(ctx, after, 7)
			if !assert.NoError(w, err) {
				break
			}
			seen, after = append(seen, events...), next
		}
		all <- seen
	}()
	return all
}

func holdEventsUnderLoad(w *world) {
	const callers, calls = 8, 25
	stores := []Store{w.serve(4, done, guest("a"))}
	start := w.now(stores[0])
	if other := w.open(); w.OpenOver != nil { // a second node
		w.start(other, only(task.Wasm, 4), handler(done))
		stores = append(stores, other)
	}
	followers := []<-chan []task.Event{w.follow(stores[0], start, 3*callers*calls), w.follow(stores[len(stores)-1], start, 3*callers*calls)}
	var calling sync.WaitGroup
	for i := range callers {
		calling.Go(func() {
			for range calls {
				_, err := stores[i%len(stores)].Enqueue(w.Context(), task.Request{Name: "a"})
				assert.NoError(w, err)
			}
		})
	}
	calling.Wait()
	for _, follower := range followers {
		byTask := make(map[task.ID][]task.Status)
		for _, e := range receive(w, follower, "all events") {
			byTask[e.TaskID] = append(byTask[e.TaskID], e.Status)
		}
		require.Len(w, byTask, callers*calls)
		for id, statuses := range byTask {
			require.Equal(w, []task.Status{task.Pending, task.Running, task.Success}, statuses, "%s", id)
		}
	}
}

func holdEventsRolledBack(w *world, within func(Store, func(enqueueFunc) bool)) {
	store := w.open()
	w.push(store, "m", guest("a"))
	start := w.now(store)
	within(store, func(enqueue enqueueFunc) bool {
		_, err := enqueue(task.Request{Name: "a"})
		require.NoError(w, err)
		_, err = enqueue(plain(3)...)
		require.NoError(w, err)
		return false
	})
	require.Empty(w, w.events(store, start, 10))
	within(store, func(enqueue enqueueFunc) bool {
		_, err := enqueue(task.Request{Name: "a"})
		require.NoError(w, err)
		_, err = enqueue(plain(3)...)
		require.NoError(w, err)
		return true
	})
	require.Len(w, w.events(store, start, 10), 4)
}
