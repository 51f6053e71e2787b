package storetest

import (
	"context"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

var figureProperties = []property{
	{name: "each attempt is listed, with what it used", hold: holdAttempts},
	{name: "an attempt that runs is listed", hold: holdRunningAttempt},
	{name: "an interrupted attempt is listed, and the one after it", hold: holdInterruptedAttempt},
	{name: "an attempt whose node died is listed", hold: holdCrashedAttempt},
	{name: "waits and run times add up", hold: holdFigures},
	{name: "attempts of nothing", hold: holdNoAttempts},
}

func (w *world) attemptsOf(store Store, id task.ID) []task.Attempt {
	w.Helper()
	attempts, err := store.Attempts(w.Context(), id)
	require.NoError(w, err)
	for i, a := range attempts {
		w.exact(a.StartedAt, "the start of an attempt")
		if a.EndedAt != nil {
			w.exact(*a.EndedAt, "the end of an attempt")
			assert.False(w, a.EndedAt.Before(a.StartedAt), "attempt %d ended before it started", i+1)
		}
		assert.GreaterOrEqual(w, a.QueueWait, time.Duration(0))
		if i > 0 {
			assert.False(w, a.StartedAt.Before(*attempts[i-1].EndedAt), "attempt %d started before the one before it ended", i+1)
		}
	}
	return attempts
}

// withoutTimes is an attempt without what differs from run to run.
func withoutTimes(a task.Attempt) task.Attempt {
	a.StartedAt, a.EndedAt, a.QueueWait = time.Time{}, nil, 0
	return a
}

func holdAttempts(w *world) {
	usage := func(n int64) task.Usage {
		return task.Usage{
			Sandbox: time.Duration(n) * time.Millisecond, PeakMemory: n << 16, Fuel: n << 40,
			CPU: time.Duration(n) * time.Microsecond, Pooled: n%2 == 0,
		}
	}
	store := w.open()
	w.push(store, "m", guest("third", task.Options{Retries: 5}), guest("never", task.Options{Retries: 1}))
	node := w.start(store, only(task.Wasm, 2), handler(func(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		n := exec.Task.Attempt
		out := task.Outcome{Usage: usage(int64(n))}
		if exec.Task.Name == "never" || n < 3 {
			out.Failure = &task.Failure{Cause: task.CauseTrap, Message: "no", Trace: "a\nb"}
			out.Failure.Permanent = exec.Task.Name == "never" && n == 2
		}
		return out
	}))
	third, never := w.named(store, "third"), w.named(store, "never")
	failed := func(n int) task.Attempt {
		return task.Attempt{Number: n, Node: node, Outcome: task.Failed, Error: "no", Cause: task.CauseTrap, Trace: "a\nb", Usage: usage(int64(n))}
	}
	for id, want := range map[task.ID][]task.Attempt{
		third: {failed(1), failed(2), {Number: 3, Node: node, Outcome: task.Success, Usage: usage(3)}},
		never: {failed(1), failed(2)},
	} {
		ended := w.await(store, id)
		got := w.attemptsOf(store, id)
		require.Len(w, got, len(want))
		for i := range want {
			require.Equal(w, want[i], withoutTimes(got[i]))
			require.NotNil(w, got[i].EndedAt)
		}
		require.Equal(w, *ended.StartedAt, got[0].StartedAt)
		require.Equal(w, ended.EndedAt, got[len(got)-1].EndedAt)
	}
}

func holdRunningAttempt(w *world) {
	g := newGate()
	store := w.open()
	w.push(store, "m", guest("a", task.Options{Retries: 1}))
	node := w.start(store, only(task.Wasm, 1), handler(g.handle))
	id := w.named(store, "a")
	running := func(n int) task.Attempt {
		receive(w, g.entered, "the attempt")
		got := w.attemptsOf(store, id)
		require.Len(w, got, n)
		last := got[n-1]
		require.Equal(w, task.Attempt{Number: n, Node: node, Outcome: task.Running}, withoutTimes(last))
		require.Nil(w, last.EndedAt)
		return last
	}
	first := running(1)
	require.Equal(w, *w.task(store, id).StartedAt, first.StartedAt)
	require.Equal(w, first.QueueWait, w.task(store, id).QueueWait)
	send(w, g.leave, fails("again"))
	second := running(2)
	send(w, g.leave, task.Outcome{})
	got := w.succeeds(store, id)
	attempts := w.attemptsOf(store, id)
	require.Len(w, attempts, 2)
	require.Equal(w, first.StartedAt, attempts[0].StartedAt)
	require.Equal(w, second.StartedAt, attempts[1].StartedAt)
	require.Equal(w, first.QueueWait+second.QueueWait, got.QueueWait)
}

// A task that is given back keeps its place in the queue, and waits from then on.
func holdInterruptedAttempt(w *world) {
	entered := make(chan struct{}, 1)
	store := w.open()
	w.push(store, "m", guest("a", task.Options{RequeueOnInterrupt: true}))
	first := w.start(store, only(task.Wasm, 1), handler(func(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		entered <- struct{}{}
		out := untilStopped(ctx, exec, log)
		out.Usage = task.Usage{Fuel: 7, Sandbox: time.Millisecond}
		return out
	}))
	id := w.named(store, "a")
	receive(w, entered, "the attempt")
	w.pass(time.Now().Add(30 * time.Millisecond)) // so that its run time shows where it does not belong
	w.stopNow(store)
	waiting := w.task(store, id)
	require.Equal(w, task.Pending, waiting.Status)
	second := w.start(store, only(task.Wasm, 1), handler(done))
	w.succeeds(store, id)
	got := w.attemptsOf(store, id)
	require.Len(w, got, 2)
	require.Equal(w, task.Attempt{
		Number: 1, Node: first, Outcome: task.Interrupted, Cause: task.CauseInterrupted,
		Error: "interrupted: the node stopped while the attempt ran", Usage: task.Usage{Fuel: 7, Sandbox: time.Millisecond},
	}, withoutTimes(got[0]))
	require.Equal(w, task.Attempt{Number: 1, Node: second, Outcome: task.Success}, withoutTimes(got[1]))
	require.GreaterOrEqual(w, got[0].RunTime(), 30*time.Millisecond)
	require.Equal(w, got[1].StartedAt.Sub(*got[0].EndedAt), got[1].QueueWait)
}

func holdCrashedAttempt(w *world) {
	store := w.open()
	w.push(store, "m", guest("again", task.Options{RequeueOnInterrupt: true}), guest("not-again"))
	again, notAgain := w.named(store, "again"), w.named(store, "not-again")
	for _, id := range []task.ID{again, notAgain} {
		w.claimFor("dead", id)
	}
	node := w.start(store, only(task.Wasm, 1), handler(done))
	w.succeeds(store, again)
	require.Equal(w, task.Interrupted, w.await(store, notAgain).Status)
	got := w.attemptsOf(store, again)
	require.Len(w, got, 2)
	require.Equal(w, task.Attempt{
		Number: 1, Node: "dead", Outcome: task.Interrupted, Cause: task.CauseCrashed, Error: "the node died while the attempt ran",
	}, withoutTimes(got[0]))
	require.Equal(w, task.Attempt{Number: 1, Node: node, Outcome: task.Success}, withoutTimes(got[1]))
	require.Equal(w, got[1].StartedAt.Sub(*got[0].EndedAt), got[1].QueueWait)
	got = w.attemptsOf(store, notAgain)
	require.Len(w, got, 1)
	require.Equal(w, "dead", got[0].Node)
	require.Equal(w, task.Interrupted, got[0].Outcome)
	require.Equal(w, task.CauseCrashed, got[0].Cause)
	require.Contains(w, got[0].Error, "set requeue_on_interrupt")
	require.Zero(w, got[0].Usage)
}

// A task that waits for a slot is pending, and how long is told apart from how long
// it ran, and from the waits that it was told to make.
func holdFigures(w *world) {
	const retry, delay = 40 * time.Millisecond, 50 * time.Millisecond
	g := newGate()
	store := w.serve(1, g.handle, guest("a", task.Options{Retries: 1, Delay: retry}))
	first := w.named(store, "a")
	receive(w, g.entered, "the first")
	second := w.named(store, "a")
	later := w.enqueue(store, task.Request{Name: "a", EnqueueOptions: task.EnqueueOptions{Delay: delay}})
	w.pass(time.Now().Add(2 * delay))
	waiting := w.task(store, second)
	require.Equal(w, task.Pending, waiting.Status)
	require.Zero(w, waiting.QueueWait)
	require.Zero(w, waiting.RunTime)
	send(w, g.leave, task.Outcome{})
	require.Equal(w, second, receive(w, g.entered, "the second").Task.ID)
	send(w, g.leave, fails("again"))
	for range 2 { // the second again, and the one that was to be later, in either order
		receive(w, g.entered, "the others")
		send(w, g.leave, task.Outcome{})
	}
	for _, id := range []task.ID{first, second, later} {
		got := w.succeeds(store, id)
		var waited, ran time.Duration
		for _, a := range w.attemptsOf(store, id) {
			waited, ran = waited+a.QueueWait, ran+a.RunTime()
		}
		require.Equal(w, waited, got.QueueWait)
		require.Equal(w, ran, got.RunTime)
		switch id {
		case first:
			require.GreaterOrEqual(w, got.RunTime, 2*delay)
			require.Equal(w, got.QueueWait+got.RunTime, got.Total())
		case second:
			require.Equal(w, got.QueueWait+got.RunTime+retry, got.Total())
			require.GreaterOrEqual(w, got.QueueWait, 2*delay)
		case later:
			require.Equal(w, got.QueueWait+got.RunTime, got.Total())
			require.Equal(w, got.StartedAt.Sub(got.RunAt), got.QueueWait, "it was not due before")
		}
	}
}

func holdNoAttempts(w *world) {
	store := w.open()
	w.push(store, "m", guest("a"))
	got := w.attemptsOf(store, w.named(store, "a"))
	require.NotNil(w, got)
	require.Empty(w, got)
	_, err := store.Attempts(w.Context(), task.ID{1})
	require.ErrorIs(w, err, task.ErrNotFound)
}
