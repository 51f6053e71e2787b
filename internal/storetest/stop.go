package storetest

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

var stopProperties = []property{
	{name: "lets attempts finish", hold: holdStopWaits},
	{name: "interrupts what is left, gives back or ends it", hold: holdStopInterrupts},
	{name: "begins nothing more", hold: holdStopBeginsNothing},
	{name: "leaves what waits", hold: holdStopLeavesPending},
	{name: "stores every end before it returns", hold: holdStopStores},
	{name: "waits for a database that is slow", hold: holdStopSlow},
	{name: "can be repeated, and a start follow", hold: holdStopStart},
	{name: "does not take an outcome from an attempt that has one", hold: holdStopKeepsOutcome},
	{name: "a timeout after the stop is an interrupt", hold: holdStopThenTimeout},
}

func holdStopWaits(w *world) {
	g := newGate()
	store := w.serve(2, byName(map[string]handler{"a": g.handle, "probe": done}), guest("a"), guest("probe"))
	id := w.named(store, "a")
	receive(w, g.entered, "the attempt")
	stopped := make(chan error, 1)
	go func() { stopped <- store.Stop(w.Context()) }()
	// There is a free slot, and what comes now is left alone.
	var waiting task.ID
	w.eventually(func() bool {
		waiting = w.named(store, "probe")
		w.pass(time.Now().Add(100 * time.Millisecond))
		return w.task(store, waiting).Status == task.Pending
	}, "for the stop to begin")
	require.Empty(w, stopped)
	send(w, g.leave, task.Outcome{Result: []byte("1")})
	require.NoError(w, receive(w, stopped, "Stop"))
	require.Equal(w, task.Success, w.task(store, id).Status)
	require.Equal(w, task.Pending, w.task(store, waiting).Status)
}

// The slots that an interrupt frees are not for others: they would be interrupted
// before they began.
func holdStopBeginsNothing(w *world) {
	const slots = 10
	entered := make(chan struct{}, 1000)
	store := w.serve(slots, func(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		entered <- struct{}{}
		return untilStopped(ctx, exec, log)
	}, guest("a"))
	ids, err := store.EnqueueMany(w.Context(), batch("a", 100))
	require.NoError(w, err)
	for range slots {
		receive(w, entered, "a free slot")
	}
	w.stopNow(store)
	require.EqualValues(w, slots, w.number("SELECT count(*) FROM task WHERE status = 'interrupted' AND attempt = 1"))
	require.EqualValues(w, len(ids)-slots, w.number("SELECT count(*) FROM task WHERE status = 'pending' AND attempt = 0"))
}

func holdStopInterrupts(w *world) {
	running := make(chan task.ID, 3)
	store := w.serve(3, func(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		log.Log(task.Info, "started", nil)
		running <- exec.Task.ID
		return untilStopped(ctx, exec, log)
	},
		guest("requeued", task.Options{RequeueOnInterrupt: true, Retries: 1}),
		guest("ended", task.Options{Retries: 5}),
	)
	requeued, ended := w.named(store, "requeued"), w.named(store, "ended")
	receive(w, running, "an attempt")
	receive(w, running, "an attempt")
	due := w.task(store, requeued).RunAt
	w.stopNow(store)

	got := w.task(store, requeued)
	require.Equal(w, task.Pending, got.Status)
	require.Zero(w, got.Attempt, "an interrupt uses up no attempt")
	require.Equal(w, &due, got.NextAttemptAt)
	require.Equal(w, task.CauseInterrupted, got.Cause)
	require.Equal(w, []string{"1 interrupted interrupted"}, w.ended(requeued))
	require.Zero(w, got.Crashes)
	got = w.task(store, ended)
	require.Equal(w, task.Interrupted, got.Status)
	require.Equal(w, task.CauseInterrupted, got.Cause)
	require.Equal(w, "interrupted: the node stopped while the attempt ran", got.Error)
	require.Equal(w, 1, got.Attempt)
	require.Equal(w, []string{"1 interrupted interrupted"}, w.ended(ended))
	_, _, err := store.Result(w.Context(), ended)
	var failure *task.Failure
	require.ErrorAs(w, err, &failure)
	require.Equal(w, task.CauseInterrupted, failure.Cause)

	w.start(store, only(task.Wasm, 1), handler(func(_ context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		log.Log(task.Info, "started again", nil)
		return task.Outcome{}
	}))
	got = w.succeeds(store, requeued)
	require.Equal(w, 1, got.Attempt)
	require.Equal(w, []string{"1 interrupted interrupted", "1 success"}, w.ended(requeued))
	require.Equal(w, []string{"started", "started again"}, messages(w.logs(store, requeued)))
	require.Equal(w, task.Interrupted, w.task(store, ended).Status)
}

func holdStopLeavesPending(w *world) {
	store := w.serve(1, func(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		if exec.Task.Attempt == 1 {
			return fails("again")
		}
		return untilStopped(ctx, exec, log)
	}, guest("a", task.Options{Retries: 1, Delay: time.Hour}))
	retried := w.named(store, "a")
	w.eventually(func() bool {
		return w.task(store, retried).Attempt == 1 && w.task(store, retried).Status == task.Pending
	}, "for the first attempt")
	delayed := w.enqueue(store, task.Request{Name: "a", EnqueueOptions: task.EnqueueOptions{Delay: time.Hour}})
	before := []*task.Task{w.task(store, retried), w.task(store, delayed)}
	require.NoError(w, store.Stop(w.Context()))
	for _, want := range before {
		got := w.task(store, want.ID)
		got.WaitingReason, want.WaitingReason = "", ""
		require.Equal(w, want, got)
	}
}

// Many end at once, as the stop begins.
func holdStopStores(w *world) {
	const slots = 40
	entered := make(chan task.ID, slots)
	store := w.serve(slots, func(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		entered <- exec.Task.ID
		<-ctx.Done()
		for range 50 {
			log.Log(task.Info, "ending", nil)
		}
		return task.Outcome{Result: exec.Args}
	}, guest("a"))
	requests := make([]task.Request, slots+10)
	for i := range requests {
		requests[i] = task.Request{Name: "a", Args: []byte("1")}
	}
	ids, err := store.EnqueueMany(w.Context(), requests)
	require.NoError(w, err)
	for range slots {
		receive(w, entered, "a free slot")
	}
	w.stopNow(store)
	require.Zero(w, w.number("SELECT count(*) FROM task WHERE status = 'running'"))
	counts := make(map[task.Status]int)
	for _, id := range ids {
		got := w.task(store, id)
		counts[got.Status]++
		if got.Status == task.Success {
			require.Len(w, w.logs(store, id), 50)
			require.EqualValues(w, 1, got.ResultBytes)
		}
	}
	require.Equal(w, map[task.Status]int{task.Success: slots, task.Pending: len(ids) - slots}, counts)
}

// Somebody else holds what the ends have to write to.
func holdStopSlow(w *world) {
	running := make(chan struct{}, 3)
	store := w.serve(3, func(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		running <- struct{}{}
		return untilStopped(ctx, exec, log)
	}, guest("requeued", task.Options{RequeueOnInterrupt: true}), guest("ended"), guest("cancelled"))
	requeued, ended, cancelled := w.named(store, "requeued"), w.named(store, "ended"), w.named(store, "cancelled")
	for range 3 {
		receive(w, running, "an attempt")
	}
	tx, err := w.DB.BeginTx(w.Context(), nil)
	require.NoError(w, err)
	defer tx.Rollback() // where the test fails before
	_, err = tx.ExecContext(w.Context(), "UPDATE task SET crashes = crashes")
	require.NoError(w, err)
	_, err = tx.ExecContext(w.Context(), "UPDATE task SET cancel_requested_at = created_at WHERE name = 'cancelled'")
	require.NoError(w, err)

	ctx, cancel := context.WithCancel(w.Context())
	cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- store.Stop(ctx) }()
	w.pass(time.Now().Add(2 * time.Second))
	require.Empty(w, stopped, "nothing can have been stored")
	require.NoError(w, tx.Commit())
	require.NoError(w, receive(w, stopped, "Stop"))
	require.Zero(w, w.number("SELECT count(*) FROM task WHERE status = 'running'"), "all of it was stored before")
	require.Equal(w, task.Pending, w.task(store, requeued).Status)
	require.Zero(w, w.task(store, requeued).Attempt)
	require.Equal(w, task.Interrupted, w.task(store, ended).Status)
	require.Equal(w, task.Cancelled, w.task(store, cancelled).Status, "it was stored first")
}

func holdStopStart(w *world) {
	store := w.open()
	require.NoError(w, store.Stop(w.Context()), "a store that was not started")
	w.push(store, "m", guest("a"))
	ctx, cancel := context.WithCancel(w.Context())
	require.NoError(w, store.Start(ctx, handler(done), w.nodeConfig(only(task.Wasm, 1))))
	cancel() // the context bounds the start only
	w.succeeds(store, w.named(store, "a"))
	require.Error(w, store.Start(w.Context(), handler(done), w.nodeConfig(only(task.Wasm, 1))), "it is started already")
	w.succeeds(store, w.named(store, "a"))
	for range 3 {
		require.NoError(w, store.Stop(w.Context()))
		require.NoError(w, store.Stop(w.Context()))
		id := w.named(store, "a")
		require.Equal(w, task.Pending, w.task(store, id).Status)
		w.start(store, only(task.Wasm, 1), handler(done))
		w.succeeds(store, id)
	}
}

func holdStopKeepsOutcome(w *world) {
	entered := make(chan struct{}, 2)
	store := w.serve(2, func(ctx context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		entered <- struct{}{}
		<-ctx.Done()
		return task.Outcome{Result: []byte("in time after all")}
	}, guest("a"), guest("b", task.Options{RequeueOnInterrupt: true}))
	a, b := w.named(store, "a"), w.named(store, "b")
	receive(w, entered, "an attempt")
	receive(w, entered, "an attempt")
	w.stopNow(store)
	for _, id := range []task.ID{a, b} {
		require.Equal(w, task.Success, w.task(store, id).Status)
	}
}

func holdStopThenTimeout(w *world) {
	entered := make(chan struct{}, 1)
	store := w.serve(1, func(ctx context.Context, _ *task.Execution, _ task.LogSink) task.Outcome {
		entered <- struct{}{}
		<-ctx.Done()
		deadline, _ := ctx.Deadline()
		<-time.After(time.Until(deadline) + 20*time.Millisecond)
		return fails("late")
	}, guest("a", task.Options{Timeout: time.Second, Retries: 3}))
	id := w.named(store, "a")
	receive(w, entered, "the attempt")
	w.stopNow(store)
	got := w.task(store, id)
	require.Equal(w, task.Interrupted, got.Status)
	require.Equal(w, task.CauseInterrupted, got.Cause)
}
