package storetest

import (
	"context"
	"sync"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

var attemptProperties = []property{
	{name: "retries wait delay times backoff", hold: holdRetryWaits},
	{name: "a jitter spreads the waits", hold: holdJitter},
	{name: "retries end", hold: holdRetriesEnd},
	{name: "a permanent failure is not tried again", hold: holdPermanent},
	{name: "a success leaves no error", hold: holdSuccessAfterFailure},
	{name: "an attempt that takes too long", hold: holdTimeouts},
	{name: "a waiting retry can be seen", hold: holdWaitingRetry},
	{name: "slots bound what runs at once", hold: holdSlots},
	{name: "each task runs once", hold: holdOnce},
}

// The waits are read from the rows: when the next attempt was due, against when
// the one before it ended.
func holdRetryWaits(w *world) {
	var mu sync.Mutex
	waits := make(map[string][]time.Duration)
	store := w.serve(4, func(ctx context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		if exec.Task.Attempt > 1 {
			var micros int64
			err := w.DB.QueryRowContext(ctx, "SELECT "+w.Micros("t.due_at")+" - "+w.Micros("a.ended_at")+`
				FROM task t JOIN attempt a ON a.task_id = t.id WHERE t.id = $1 AND a.attempt = $2`,
				w.ID(exec.Task.ID), exec.Task.Attempt-1).Scan(&micros)
			if err != nil {
				return task.Outcome{Failure: &task.Failure{Message: err.Error(), Permanent: true}}
			}
			mu.Lock()
			defer mu.Unlock()
			waits[exec.Task.Name] = append(waits[exec.Task.Name], time.Duration(micros)*time.Microsecond)
		}
		return fails("again")
	},
		guest("grows", task.Options{Retries: 4, Delay: 20 * time.Millisecond, Backoff: 2.5, MaxDelay: 300 * time.Millisecond}),
		guest("even", task.Options{Retries: 3, Delay: 30_001 * time.Microsecond}),
		guest("at-once", task.Options{Retries: 2, Backoff: 100}),
		guest("bounded", task.Options{Retries: 2, Delay: time.Second, Backoff: 1000, MaxDelay: 40 * time.Millisecond}),
	)
	for name, want := range map[string][]time.Duration{
		"grows":   {20 * time.Millisecond, 50 * time.Millisecond, 125 * time.Millisecond, 300 * time.Millisecond},
		"even":    {30_001 * time.Microsecond, 30_001 * time.Microsecond, 30_001 * time.Microsecond},
		"at-once": {0, 0},
		"bounded": {40 * time.Millisecond, 40 * time.Millisecond},
	} {
		id := w.named(store, name)
		got := w.await(store, id)
		require.Equal(w, task.Failed, got.Status)
		require.Equal(w, "again", got.Error)
		mu.Lock()
		assert.Equal(w, want, waits[name], name)
		mu.Unlock()
		rows := w.attempts(w.Context())[id]
		require.Len(w, rows, len(want)+1)
		for i, wait := range want {
			started, ended := rows[i+1].startedAt, rows[i].ended
			assert.GreaterOrEqual(w, started-ended, wait.Microseconds(), "%s: attempt %d started early", name, i+2)
		}
	}
}

func holdJitter(w *world) {
	store := w.serve(4, func(context.Context, *task.Execution, task.LogSink) task.Outcome { return fails("again") },
		guest("a", task.Options{Retries: 1, Delay: time.Hour, Jitter: 0.5}))
	ids, err := store.EnqueueMany(w.Context(), batch("a", 20))
	require.NoError(w, err)
	waits := make(map[time.Duration]bool)
	for _, id := range ids {
		w.eventually(func() bool { got := w.task(store, id); return got.Status == task.Pending && got.Attempt == 1 }, "for the retry to wait")
		wait := w.task(store, id).NextAttemptAt.Sub(time.UnixMicro(w.attempts(w.Context())[id][0].ended))
		require.Greater(w, wait, 30*time.Minute)
		require.LessOrEqual(w, wait, time.Hour)
		waits[wait] = true
	}
	require.Len(w, waits, len(ids), "each has a wait of its own")
}

func holdRetriesEnd(w *world) {
	store := w.serve(1, func(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		return task.Outcome{Failure: &task.Failure{Message: "attempt " + string(rune('0'+exec.Task.Attempt)), Trace: "there", Cause: task.CauseTrap}}
	}, guest("never"), guest("twice", task.Options{Retries: 2}))
	id := w.named(store, "never")
	got := w.await(store, id)
	require.Equal(w, task.Failed, got.Status)
	require.Equal(w, 1, got.MaxAttempts)
	require.Equal(w, []string{"1 failed trap"}, w.ended(id))

	id = w.named(store, "twice")
	got = w.await(store, id)
	require.Equal(w, task.Failed, got.Status)
	require.Equal(w, 3, got.Attempt)
	require.Equal(w, 2, got.RetriesUsed())
	require.Equal(w, "attempt 3", got.Error)
	require.Equal(w, "there", got.Trace)
	require.Equal(w, task.CauseTrap, got.Cause)
	require.Equal(w, []string{"1 failed trap", "2 failed trap", "3 failed trap"}, w.ended(id))
	require.Zero(w, got.ResultBytes)
	require.Empty(w, got.ResultType)
}

func holdPermanent(w *world) {
	store := w.serve(1, func(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		return task.Outcome{Failure: &task.Failure{Message: "no", Permanent: exec.Task.Attempt == 2}}
	}, guest("a", task.Options{Retries: 9}))
	id := w.named(store, "a")
	got := w.await(store, id)
	require.Equal(w, task.Failed, got.Status)
	require.Equal(w, 2, got.Attempt)
	require.Equal(w, []string{"1 failed error", "2 failed error"}, w.ended(id))
}

func holdSuccessAfterFailure(w *world) {
	store := w.serve(1, func(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		if exec.Task.Attempt == 1 {
			return task.Outcome{Failure: &task.Failure{Message: "not yet", Trace: "here"}, Result: []byte("half")}
		}
		return task.Outcome{Result: []byte("whole"), ResultType: "text/plain"}
	}, guest("a", task.Options{Retries: 9}))
	id := w.named(store, "a")
	got := w.succeeds(store, id)
	require.Equal(w, 2, got.Attempt)
	require.Equal(w, 10, got.MaxAttempts)
	require.Empty(w, got.Error)
	require.Empty(w, got.Cause)
	require.Empty(w, got.Trace)
	require.Equal(w, []string{"1 failed error", "2 success"}, w.ended(id))
	result, _, err := store.Result(w.Context(), id)
	require.NoError(w, err)
	require.Equal(w, "whole", string(result))
}

func holdTimeouts(w *world) {
	store := w.serve(3, func(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		if exec.Task.Name == "deaf" { // its work ends after the time, and well
			<-ctx.Done()
			return task.Outcome{Result: []byte("late")}
		}
		return untilStopped(ctx, exec, log)
	},
		guest("slow", task.Options{Timeout: 40 * time.Millisecond}),
		guest("slow-again", task.Options{Timeout: 20 * time.Millisecond, Retries: 1}),
		guest("deaf", task.Options{Timeout: 20 * time.Millisecond}),
	)
	slow, again, deaf := w.named(store, "slow"), w.named(store, "slow-again"), w.named(store, "deaf")
	shorter := w.enqueue(store, task.Request{Name: "slow", EnqueueOptions: task.EnqueueOptions{Timeout: 2 * time.Millisecond}})
	for id, text := range map[task.ID]string{slow: "longer than 40ms", again: "longer than 20ms", shorter: "longer than 2ms"} {
		got := w.await(store, id)
		require.Equal(w, task.Failed, got.Status)
		require.Equal(w, task.CauseTimeout, got.Cause)
		require.Contains(w, got.Error, text)
	}
	require.Equal(w, []string{"1 failed timeout"}, w.ended(slow))
	require.Equal(w, []string{"1 failed timeout", "2 failed timeout"}, w.ended(again))
	w.succeeds(store, deaf)
	require.GreaterOrEqual(w, w.task(store, slow).Duration(), 39*time.Millisecond)
}

func holdWaitingRetry(w *world) {
	store := w.serve(1, func(context.Context, *task.Execution, task.LogSink) task.Outcome {
		return task.Outcome{Failure: &task.Failure{Message: "why", Trace: "where", Cause: task.CauseLimit}}
	}, guest("a", task.Options{Retries: 1, Delay: time.Hour, Priority: 3}))
	id := w.named(store, "a")
	var got *task.Task
	w.eventually(func() bool {
		got = w.task(store, id)
		return got.Status == task.Pending && got.Attempt == 1
	}, "for the retry to wait")
	require.NotNil(w, got.NextAttemptAt)
	w.exact(*got.NextAttemptAt, "the time of the next attempt")
	row := w.attempts(w.Context())[id][0]
	require.Equal(w, row.ended+time.Hour.Microseconds(), got.NextAttemptAt.UnixMicro())
	require.Equal(w, row.startedAt, got.StartedAt.UnixMicro())
	require.Nil(w, got.EndedAt)
	require.Equal(w, "why", got.Error)
	require.Equal(w, "where", got.Trace)
	require.Equal(w, task.CauseLimit, got.Cause)
	require.Equal(w, 3, got.Priority)
	_, _, err := store.Result(w.Context(), id)
	require.ErrorIs(w, err, task.ErrNotFinished)
}

func holdSlots(w *world) {
	const slots = 3
	g := newGate()
	store := w.serve(slots, g.handle, guest("a"))
	ids := make([]task.ID, 3*slots)
	for i := range ids {
		ids[i] = w.named(store, "a")
	}
	for range slots {
		receive(w, g.entered, "a free slot")
	}
	for range len(ids) - slots {
		require.Empty(w, g.entered, "more run than there are slots")
		send(w, g.leave, task.Outcome{})
		receive(w, g.entered, "the slot that was freed")
	}
	for range slots {
		send(w, g.leave, task.Outcome{})
	}
	for _, id := range ids {
		w.succeeds(store, id)
	}
}

func holdOnce(w *world) {
	var mu sync.Mutex
	runs := make(map[task.ID]int)
	store := w.serve(20, func(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		mu.Lock()
		defer mu.Unlock()
		runs[exec.Task.ID]++
		return task.Outcome{}
	}, guest("a"))
	var ids []task.ID
	for range 2 {
		more, err := store.EnqueueMany(w.Context(), batch("a", 300))
		require.NoError(w, err)
		ids = append(ids, more...)
	}
	w.allSucceed(ids)
	require.Len(w, runs, len(ids))
	for id, n := range runs {
		require.Equal(w, 1, n, "%s ran again", id)
	}
}

// batch is a number of requests without arguments.
func batch(name string, size int) []task.Request {
	requests := make([]task.Request, size)
	for i := range requests {
		requests[i].Name = name
	}
	return requests
}
