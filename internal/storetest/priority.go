package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

var priorityProperties = []property{
	{name: "is exact under load, and first come is first served inside it", hold: holdPriority},
	{name: "orders by due time inside one priority", hold: holdDueOrder},
	{name: "a retry takes its place by its new due time", hold: holdRetryPlace},
	{name: "what was given back keeps its place", hold: holdKeptPlace},
	{name: "what was given back keeps its place in a batch", hold: holdKeptPlaceInBatch},
	{name: "what a dead node ran keeps its place", hold: holdCrashedPlace},
	{name: "what an interrupt gave back goes before what is lower", hold: holdInterruptedFirst},
}

// blocked is a node with one slot, which is taken until release is called. What
// runs after that is recorded in ran.
type blocked struct {
	store   Store
	gate    *gate
	ran     order
	blocker task.ID
}

func (w *world) blocked(handler handler, definitions ...task.Definition) *blocked {
	w.Helper()
	b := &blocked{gate: newGate()}
	b.store = w.serve(1, func(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		if exec.Task.Name == "blocker" {
			return b.gate.handle(ctx, exec, log)
		}
		b.ran.add(exec.Task.ID)
		return handler(ctx, exec, log)
	}, append(definitions, guest("blocker"))...)
	b.block(w)
	return b
}

func (b *blocked) block(w *world) {
	w.Helper()
	b.blocker = w.named(b.store, "blocker")
	receive(w, b.gate.entered, "the blocker")
}

func (b *blocked) release(w *world) {
	w.Helper()
	send(w, b.gate.leave, task.Outcome{})
}

func holdPriority(w *world) {
	b := w.blocked(done, guest("p"), guest("high", task.Options{Priority: 10}), guest("low", task.Options{Priority: 1}))
	byPriority := make(map[int][]task.ID)
	add := func(priority int, id task.ID) { byPriority[priority] = append(byPriority[priority], id) }
	at := func(priority int) task.Request {
		return task.Request{Name: "p", EnqueueOptions: task.EnqueueOptions{Priority: priority}}
	}
	for i := range 30 {
		priority := 1 + (i*7)%10
		add(priority, w.enqueue(b.store, at(priority)))
	}
	requests := make([]task.Request, 40)
	for i := range requests {
		requests[i] = at(1 + (i*3)%10)
	}
	ids, err := b.store.EnqueueMany(w.Context(), requests)
	require.NoError(w, err)
	for i, id := range ids {
		add(requests[i].Priority, id)
	}
	add(10, w.named(b.store, "high"))
	add(1, w.named(b.store, "low"))
	add(task.DefaultPriority, w.named(b.store, "p"))
	add(2, w.enqueue(b.store, task.Request{Name: "high", EnqueueOptions: task.EnqueueOptions{Priority: 2}}))

	var want []task.ID
	for priority := task.MaxPriority; priority >= task.MinPriority; priority-- {
		want = append(want, byPriority[priority]...)
	}
	b.release(w)
	w.allSucceed(want)
	require.Equal(w, want, b.ran.all())
}

func holdDueOrder(w *world) {
	b := w.blocked(done, guest("a"))
	base := time.Now().Add(500 * time.Millisecond)
	due := []int{30, 10, 50, 0, 20, 40}
	requests := []task.Request{{Name: "a"}} // due at once
	for _, ms := range due {
		requests = append(requests, task.Request{Name: "a", EnqueueOptions: task.EnqueueOptions{RunAt: base.Add(time.Duration(ms) * time.Millisecond)}})
	}
	ids, err := b.store.EnqueueMany(w.Context(), requests)
	require.NoError(w, err)
	w.pass(base.Add(60 * time.Millisecond))
	last := w.named(b.store, "a")
	b.release(w)
	w.succeeds(b.store, last)
	want := []task.ID{ids[0]}
	for _, ms := range slices.Sorted(slices.Values(due)) {
		want = append(want, ids[1+slices.Index(due, ms)])
	}
	require.Equal(w, append(want, last), b.ran.all())
}

func holdRetryPlace(w *world) {
	first := newGate()
	b := w.blocked(func(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		switch {
		case exec.Task.Name == "first":
			return first.handle(ctx, exec, log)
		case exec.Task.Attempt == 1 && exec.Task.Name == "flaky":
			return fails("not yet")
		default:
			return task.Outcome{}
		}
	}, guest("flaky", task.Options{Retries: 1}), guest("first"), guest("a"))
	flaky, one, two := w.named(b.store, "flaky"), w.named(b.store, "first"), w.named(b.store, "a")
	low := w.enqueue(b.store, task.Request{Name: "a", EnqueueOptions: task.EnqueueOptions{Priority: 4}})
	b.release(w)
	receive(w, first.entered, "the second in order")
	// The end of an attempt frees its slot first, and is stored then.
	w.eventually(func() bool { got := w.task(b.store, flaky); return got.Status == task.Pending && got.Attempt == 1 }, "for the retry to wait")
	send(w, first.leave, task.Outcome{})
	w.succeeds(b.store, low)
	w.succeeds(b.store, flaky)
	require.Equal(w, []task.ID{flaky, one, two, flaky, low}, b.ran.all())
}

func holdKeptPlace(w *world) {
	store := w.open()
	w.push(store, "m", guest("a", task.Options{RequeueOnInterrupt: true}))
	g := newGate()
	w.start(store, only(task.Wasm, 1), handler(g.handle))
	var ids []task.ID
	for range 3 {
		ids = append(ids, w.named(store, "a"))
		w.pass(time.Now().Add(2 * time.Millisecond)) // places are kept to a millisecond
	}
	before := w.task(store, ids[0]).RunAt
	require.Equal(w, ids[0], receive(w, g.entered, "the first").Task.ID)
	w.stopNow(store)
	got := w.task(store, ids[0])
	require.Equal(w, task.Pending, got.Status)
	require.Equal(w, &before, got.NextAttemptAt)

	var ran order
	w.start(store, only(task.Wasm, 1), handler(func(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		ran.add(exec.Task.ID)
		return task.Outcome{}
	}))
	for _, id := range ids {
		w.succeeds(store, id)
	}
	require.Equal(w, ids, ran.all())
}

// A batch is stored in one moment, and has an order all the same.
func holdKeptPlaceInBatch(w *world) {
	store := w.open()
	w.push(store, "m", guest("a", task.Options{RequeueOnInterrupt: true}))
	g := newGate()
	ids, err := store.EnqueueMany(w.Context(), []task.Request{{Name: "a"}, {Name: "a"}, {Name: "a"}, {Name: "a"}})
	require.NoError(w, err)
	w.start(store, only(task.Wasm, 2), handler(g.handle))
	receive(w, g.entered, "the first")
	receive(w, g.entered, "the second")
	w.pass(time.Now().Add(2 * time.Millisecond))
	later := w.named(store, "a")
	w.stopNow(store)

	var ran order
	w.start(store, only(task.Wasm, 1), handler(func(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		ran.add(exec.Task.ID)
		return task.Outcome{}
	}))
	w.succeeds(store, later)
	for _, id := range ids {
		w.succeeds(store, id)
	}
	require.Equal(w, append(ids, later), ran.all())
}

// The one slot is taken until the tasks of the dead node are back.
func holdCrashedPlace(w *world) {
	store := w.open()
	w.push(store, "m", guest("blocker", task.Options{Priority: 10}), guest("a", task.Options{RequeueOnInterrupt: true}))
	w.named(store, "blocker")
	at := func(priority int) task.Request {
		return task.Request{Name: "a", EnqueueOptions: task.EnqueueOptions{Priority: priority}}
	}
	ids, err := store.EnqueueMany(w.Context(), []task.Request{at(5), at(9), at(5), at(2), at(9)})
	require.NoError(w, err)
	later := w.enqueue(store, at(5))
	for _, id := range []task.ID{ids[3], ids[2], ids[0], ids[1]} {
		w.claimFor("dead", id)
	}
	g := newGate()
	var ran order
	w.start(store, only(task.Wasm, 1), handler(func(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		if exec.Task.Name == "blocker" {
			return g.handle(ctx, exec, log)
		}
		ran.add(exec.Task.ID)
		return task.Outcome{}
	}))
	receive(w, g.entered, "the blocker")
	for _, id := range ids[:4] {
		w.eventually(func() bool { return w.task(store, id).Crashes == 1 }, "for what the dead node ran")
		require.Equal(w, task.Pending, w.task(store, id).Status)
	}
	send(w, g.leave, task.Outcome{})
	want := []task.ID{ids[1], ids[4], ids[0], ids[2], later, ids[3]}
	w.allSucceed(want)
	require.Equal(w, want, ran.all())
}

// A higher priority goes first also where it comes back from a node that was stopped.
func holdInterruptedFirst(w *world) {
	store := w.open()
	w.push(store, "m", guest("a", task.Options{RequeueOnInterrupt: true, Retries: 1}), guest("blocker", task.Options{Priority: 10}))
	g := newGate()
	var ran order
	work := handler(func(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		if exec.Task.Name == "blocker" {
			return g.handle(ctx, exec, log)
		}
		ran.add(exec.Task.ID)
		return task.Outcome{}
	})
	at := func(priority int) task.Request {
		return task.Request{Name: "a", EnqueueOptions: task.EnqueueOptions{Priority: priority}}
	}
	low := make([]task.ID, 50)
	for i := range low {
		low[i] = w.enqueue(store, at(1+i%3))
	}
	finished, stopped := w.enqueue(store, at(8)), w.enqueue(store, at(7))
	started := make(chan task.ID, 2)
	w.start(store, only(task.Wasm, 2), handler(func(ctx context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		started <- exec.Task.ID
		<-ctx.Done()
		if exec.Task.ID == finished {
			return task.Outcome{Result: []byte("not in time")}
		}
		return fails("stopped")
	}))
	require.ElementsMatch(w, []task.ID{finished, stopped}, []task.ID{receive(w, started, "the first"), receive(w, started, "the second")})
	w.stopNow(store)
	require.Equal(w, task.Pending, w.task(store, stopped).Status)

	w.named(store, "blocker")
	w.start(store, only(task.Wasm, 1), work)
	receive(w, g.entered, "the blocker")
	retried := w.enqueue(store, at(9))
	send(w, g.leave, task.Outcome{})
	w.allSucceed(append(low, stopped, retried))
	want := []task.ID{retried, stopped}
	for priority := 3; priority >= 1; priority-- {
		for i, id := range low {
			if 1+i%3 == priority {
				want = append(want, id)
			}
		}
	}
	require.Equal(w, want, ran.all())
}
