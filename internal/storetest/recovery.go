package storetest

import (
	"context"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

var recoveryProperties = []property{
	{name: "an end with an old lease is refused", hold: holdFenced},
	{name: "a node that holds other attempts than the database says", hold: holdReconciled},
	{name: "tasks of a node that died", hold: holdOrphans},
	{name: "lost tickets are made again", hold: holdLostTickets},
	{name: "a ticket that can never be claimed is replaced", hold: holdStoppedTickets},
	{name: "tickets that are nobody's are dropped", hold: holdStaleTickets},
}

func holdFenced(w *world) {
	entered, leave := make(chan task.ID, 1), w.latch()
	store := w.serve(1, func(_ context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		entered <- exec.Task.ID
		<-leave.opened
		log.Log(task.Info, "late", nil)
		return task.Outcome{Result: []byte("late"), ResultType: "text/plain"}
	}, guest("a", task.Options{RequeueOnInterrupt: true}))
	id := w.named(store, "a")
	receive(w, entered, "the attempt")
	w.supersede(id)
	before := w.task(store, id)
	leave.open()
	require.NoError(w, store.Stop(w.Context()), "an end that is refused is no failure of the stop")
	require.Equal(w, before, w.task(store, id))
	require.Equal(w, task.Running, before.Status)
	require.Empty(w, w.ended(id))
	require.Empty(w, w.logs(store, id))
	w.exec("DELETE FROM task WHERE id = $1", w.ID(id)) // nobody runs it
}

// Three things that a reply which got lost, or another node that took over, leave
// behind on a node that lives.
func holdReconciled(w *world) {
	entered, leave, stopped := make(chan string, 10), w.latch(), make(chan task.Outcome, 1)
	store := w.open()
	requeue := task.Options{RequeueOnInterrupt: true}
	w.push(store, "m", guest("fenced", requeue), guest("superseded", requeue), guest("ghost"))
	node := w.start(store, only(task.Wasm, 4), handler(func(ctx context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		entered <- exec.Task.Name
		switch {
		case exec.Lease > 1:
			return task.Outcome{Result: []byte("second")}
		case exec.Task.Name == "fenced":
			<-leave.opened
			return task.Outcome{Result: []byte("first")}
		default:
			outcome := untilStopped(ctx, exec, nil)
			stopped <- outcome
			return outcome
		}
	}))
	fenced, superseded := w.named(store, "fenced"), w.named(store, "superseded")
	receive(w, entered, "an attempt")
	receive(w, entered, "an attempt")
	ghost := w.enqueue(store, task.Request{Name: "ghost", EnqueueOptions: task.EnqueueOptions{Delay: time.Hour}})
	w.claimFor(node, ghost)
	w.supersede(fenced)
	w.supersede(superseded)
	leave.open()
	for _, id := range []task.ID{fenced, superseded, ghost} {
		got := w.succeeds(store, id)
		assert.Equal(w, 1, got.Attempt, "%s: what was given back is done again", got.Name)
		assert.Zero(w, got.Crashes)
		assert.Equal(w, []string{"1 interrupted interrupted", "1 success"}, w.ended(id), got.Name)
		result, _, err := store.Result(w.Context(), id)
		require.NoError(w, err)
		assert.Equal(w, "second", string(result), got.Name)
	}
	receive(w, stopped, "the attempt that another has taken over to be stopped")
}

func holdOrphans(w *world) {
	store := w.open()
	requeue := task.Options{RequeueOnInterrupt: true, Retries: 3}
	w.push(store, "m", guest("again", requeue), guest("not-again", task.Options{Retries: 3}), guest("thrice", requeue))
	again, notAgain, thrice := w.named(store, "again"), w.named(store, "not-again"), w.named(store, "thrice")
	other := w.named(store, "not-again")
	for _, id := range []task.ID{again, notAgain, thrice} {
		w.claimFor("dead", id)
	}
	w.exec("UPDATE task SET crashes = 2 WHERE id = $1", w.ID(thrice))
	require.Equal(w, task.Running, w.task(store, again).Status)
	w.start(store, only(task.Wasm, 1), handler(done))
	w.succeeds(store, other)

	got := w.succeeds(store, again)
	require.Equal(w, 1, got.Attempt, "a crash uses up no attempt")
	require.Equal(w, 1, got.Crashes)
	require.Equal(w, []string{"1 interrupted crashed", "1 success"}, w.ended(again))
	rows := w.attempts(w.Context())[again]
	require.Equal(w, "dead", rows[0].node)
	require.Equal(w, rows[0].startedAt, got.CreatedAt.UnixMicro(), "the attempt's start is the task's own")

	got = w.await(store, notAgain)
	require.Equal(w, task.Interrupted, got.Status)
	require.Equal(w, task.CauseCrashed, got.Cause)
	require.Contains(w, got.Error, "set requeue_on_interrupt")
	require.Equal(w, 1, got.Crashes)

	got = w.await(store, thrice)
	require.Equal(w, task.Failed, got.Status)
	require.Equal(w, task.CauseCrashed, got.Cause)
	require.Contains(w, got.Error, "3 nodes died")
	require.Equal(w, 3, got.Crashes)
	require.Equal(w, []string{"1 interrupted crashed"}, w.ended(thrice))
}

func holdLostTickets(w *world) {
	store := w.open()
	w.push(store, "m", guest("a"), guest("b", task.Options{Priority: 9}))
	lost, intact, high := w.named(store, "a"), w.named(store, "a"), w.named(store, "b")
	later := w.enqueue(store, task.Request{Name: "a", EnqueueOptions: task.EnqueueOptions{Delay: time.Minute}})
	unnamed := w.named(store, "a") // its ticket is there, and is not the one that it names
	for _, id := range []task.ID{lost, high, later} {
		w.loseTicket(id)
	}
	w.exec("UPDATE task SET ticket = 0 WHERE id = $1", w.ID(unnamed))
	due := w.task(store, later).NextAttemptAt

	var ran order
	w.start(store, only(task.Wasm, 1), handler(func(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		ran.add(exec.Task.ID)
		return task.Outcome{}
	}))
	for _, id := range []task.ID{intact, lost, high, unnamed} {
		got := w.succeeds(store, id)
		require.Equal(w, 1, got.Attempt)
		require.Equal(w, []string{"1 success"}, w.ended(id))
	}
	require.ElementsMatch(w, []task.ID{intact, lost, high, unnamed}, ran.all())
	require.Equal(w, due, w.task(store, later).NextAttemptAt, "a new ticket is due as the task is")
	w.eventually(func() bool { return w.tickets() == 1 }, "for the ticket of the task that is due later")
	require.NotContains(w, ran.all(), later)
}

// Each look gives tickets to what is due before the next look, in the place that the
// task had, and leaves nothing behind.
func holdStoppedTickets(w *world) {
	store := w.open()
	w.push(store, "m", guest("a"))
	repaired := func() int {
		n, err := store.Repair(w.Context())
		require.NoError(w, err)
		return n
	}
	delayed := func(delay time.Duration, priority int) task.ID {
		return w.enqueue(store, task.Request{Name: "a", EnqueueOptions: task.EnqueueOptions{Delay: delay, Priority: priority}})
	}
	lost, stopped, kept := w.named(store, "a"), w.named(store, "a"), w.named(store, "a")
	soonLost, soonStopped, far := delayed(80*time.Second, 9), delayed(80*time.Second, 2), delayed(time.Hour, 5)
	require.Zero(w, repaired())

	before := make(map[task.ID]ticketRow)
	for _, id := range []task.ID{lost, stopped, kept, soonLost, soonStopped} {
		before[id] = w.ticket(id)
	}
	for _, id := range []task.ID{lost, soonLost, far} {
		w.loseTicket(id)
	}
	w.stopTicket(stopped)
	w.stopTicket(soonStopped)
	require.Equal(w, 4, repaired(), "what is due in an hour can wait for a later look")
	for id, row := range before {
		require.Equal(w, row, w.ticket(id), "in its place")
	}
	require.EqualValues(w, 5, w.tickets(), "those that were stopped are gone")
	require.Zero(w, repaired())

	w.exec("DELETE FROM task WHERE id = $1", w.ID(far)) // nobody waits for it
	w.start(store, only(task.Wasm, 1), handler(done))
	for _, id := range []task.ID{lost, stopped, kept} {
		require.Equal(w, []string{"1 success"}, w.ended(w.succeeds(store, id).ID))
	}
}

func holdStaleTickets(w *world) {
	store := w.open()
	w.push(store, "m", guest("a", task.Options{Retries: 1, Delay: 20 * time.Millisecond}), guest("high", task.Options{Priority: 10}))
	twice, ended, pattern := w.named(store, "a"), w.named(store, "a"), w.named(store, "high")
	w.copyTicket(twice, "")
	w.copyTicket(twice, "")
	for range 20 { // of the highest priority, and due: they come first
		w.copyTicket(pattern, `{}`)
		w.copyTicket(pattern, `{"task_id":"no id"}`)
		w.copyTicket(pattern, `{"task_id":"01890a5d-ac96-774b-bcce-b302099a8057"}`)
		w.copyTicket(pattern, `{"task_id":7}`)
		w.copyTicket(pattern, `[]`)
	}
	w.exec("UPDATE task SET status = 'cancelled', ended_at = created_at, ticket = NULL WHERE id = $1", w.ID(ended))

	var ran order
	w.start(store, only(task.Wasm, 2), handler(func(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		ran.add(exec.Task.ID)
		if exec.Task.ID == twice && exec.Task.Attempt == 1 {
			return fails("again")
		}
		return task.Outcome{}
	}))
	w.succeeds(store, twice)
	w.succeeds(store, pattern)
	require.Equal(w, []string{"1 failed error", "2 success"}, w.ended(twice))
	require.Equal(w, task.Cancelled, w.task(store, ended).Status)
	w.eventually(func() bool { return w.tickets() == 0 }, "for the tickets to be dropped")
	require.ElementsMatch(w, []task.ID{twice, twice, pattern}, ran.all())
}
