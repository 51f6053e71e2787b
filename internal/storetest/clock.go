package storetest

import (
	"strings"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

var clockProperties = []property{
	{name: "is set back and forth while tasks run", hold: holdClockSet},
	{name: "is set forward, and nobody has died", hold: holdClockForward, fleet: true},
	{name: "is set back, and a death is noticed", hold: holdClockBack, fleet: true},
}

// setClock makes all times what they look like once the database's clock was set.
func (w *world) setClock(by time.Duration) {
	w.Helper()
	w.clockSet = true
	for table, columns := range map[string][]string{
		"node": {"heartbeat_at", "started_at"}, "attempt": {"started_at", "ended_at"},
		"task": {"created_at", "run_at", "due_at", "started_at", "attempt_started_at", "ended_at", "released_at"},
	} {
		for i, column := range columns {
			columns[i] = column + " = " + w.Shift(column, -by)
		}
		w.exec("UPDATE " + table + " SET " + strings.Join(columns, ", "))
	}
}

// Once the clock is set forward, all nodes have given no sign of life for an hour, or
// were forgotten even.
func holdClockForward(w *world) {
	w.push(w.open(), "m", guest("a", task.Options{RequeueOnInterrupt: true}))
	g := newGate()
	stores, _ := w.fleet(1, g.handle, g.handle)
	ids := []task.ID{w.named(stores[0], "a"), w.named(stores[0], "a")}
	for range ids {
		receive(w, g.entered, "the attempt")
	}
	w.pass(time.Now().Add(5 * time.Second)) // until each may judge the other
	for _, by := range []time.Duration{time.Hour, 5 * time.Hour} {
		w.setClock(by)
		_, err := stores[0].Repair(w.Context()) // which forgets who is dead for long
		require.NoError(w, err)
		w.pass(time.Now().Add(2500 * time.Millisecond))
	}
	for range ids {
		send(w, g.leave, task.Outcome{})
	}
	for _, id := range ids {
		require.Zero(w, w.succeeds(stores[1], id).Crashes)
		require.Equal(w, []string{"1 success"}, w.ended(id))
	}
	require.Len(w, w.nodesOf(stores[0]), 2)
}

// Once the clock is set back, a node's last sign of life is one of the future.
func holdClockBack(w *world) {
	survivor := w.open()
	w.push(survivor, "m", guest("a", task.Options{RequeueOnInterrupt: true}))
	lost, cable := w.OpenOver(w.T)
	w.opened = append(w.opened, lost)
	w.Cleanup(cable.Mend)
	g := newGate()
	w.start(lost, only(task.Wasm, 1), handler(g.handle))
	id := w.named(survivor, "a")
	receive(w, g.entered, "the attempt")
	w.start(survivor, only(task.Wasm, 1), handler(done))
	cable.Cut()
	at := time.Now()
	w.setClock(-time.Hour)
	require.Equal(w, 1, w.succeeds(survivor, id).Crashes)
	assert.Less(w, time.Since(at), 12*time.Second)
	cable.Mend()
	require.NoError(w, lost.Stop(w.Context()))
}

// However the clock is set, what runs ends once, what waits runs, and no attempt ends
// before it starts: the rows are looked at when the test has ended.
func holdClockSet(w *world) {
	g := newGate()
	store := w.serve(1, g.handle, guest("a", task.Options{Retries: 1}))
	for _, by := range []time.Duration{time.Hour, -time.Hour, -24 * time.Hour, 24 * time.Hour} {
		id := w.named(store, "a")
		receive(w, g.entered, "the attempt")
		w.setClock(by)
		send(w, g.leave, fails("once"))
		receive(w, g.entered, "the retry")
		w.setClock(-by)
		send(w, g.leave, task.Outcome{})
		got := w.succeeds(store, id)
		require.GreaterOrEqual(w, got.RunTime, time.Duration(0))
		require.GreaterOrEqual(w, got.QueueWait, time.Duration(0))
		require.False(w, got.EndedAt.Before(*got.StartedAt))
		require.Equal(w, []string{"1 failed error", "2 success"}, w.ended(id))
	}
}
