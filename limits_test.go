package taskhost_test

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // for a transaction of the caller's

	"github.com/taskhost/taskhost"
	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/task"
)

// endless is code that goes round a loop for ever.
var endless = []byte{0x03, 0x40, 0x0c, 0, 0x0b, 0x41, 0}

func push(t *testing.T, h *taskhost.Host, definition string, run []byte) *modules.Version {
	t.Helper()
	version, err := h.Modules().Push(t.Context(), "m", handModule(1, definition, run))
	require.NoError(t, err)
	return version
}

func TestFuelOfADefinition(t *testing.T) {
	t.Parallel()
	h := newHost(t, taskhost.Config{})
	start(t, h)
	push(t, h, `{"name":"spin","options":{"fuel":1000000}}`, endless)
	id := enqueue(t, h, "spin", nil)
	got := await(t, h, id)
	require.Equal(t, task.Failed, got.Status)
	require.Equal(t, task.CauseLimit, got.Cause)
	require.Equal(t, "limit fuel: the guest went over 1000000 units of work: have it do less, or split the task, or give the definition more (fuel)", got.Error)

	attempts, err := h.Attempts(t.Context(), id)
	require.NoError(t, err)
	require.Len(t, attempts, 1)
	require.Equal(t, got.Node, attempts[0].Node)
	require.Equal(t, task.Failed, attempts[0].Outcome)
	require.Equal(t, got.Error, attempts[0].Error)
	require.Positive(t, attempts[0].Usage.Sandbox)
	require.Positive(t, attempts[0].Usage.Fuel)
	require.EqualValues(t, 65536, attempts[0].Usage.PeakMemory)
	require.Equal(t, got.RunTime, attempts[0].RunTime())
	require.Equal(t, got.Total(), got.QueueWait+got.RunTime)
}

// A definition that names no fuel gets the ceiling, and one that asks for more is
// refused.
func TestCeilingOfFuel(t *testing.T) {
	t.Parallel()
	h := newHost(t, taskhost.Config{Limits: task.Ceilings{Fuel: 500_000}})
	start(t, h)
	version := push(t, h, `{"name":"spin"}`, endless)
	require.EqualValues(t, 500_000, version.Definitions[0].Options.Fuel)
	got := await(t, h, enqueue(t, h, "spin", nil))
	require.Contains(t, got.Error, "limit fuel: the guest went over 500000 units of work")

	_, err := h.Modules().Push(t.Context(), "m", handModule(1, `{"name":"spin","options":{"fuel":500001}}`, endless))
	var rejected *modules.RejectedError
	require.ErrorAs(t, err, &rejected)
	require.Equal(t, "definition 0: spin: limit fuel: it asks for 500001, and this host allows at most 500000: lower its fuel, or raise the host's ceiling limits.fuel", rejected.Reason)
}

// What was let in by a host that allows more is held to the ceilings of the one that
// runs it.
func TestCeilingsThatWereLowered(t *testing.T) {
	t.Parallel()
	path := newFile(t)
	before := newHost(t, taskhost.Config{Database: path})
	push(t, before, `{"name":"spin","options":{"fuel":1000000000000,"timeout_ms":3600000}}`, endless)
	id := enqueue(t, before, "spin", nil)
	stop(t, before)
	h := newHost(t, taskhost.Config{Database: path, Limits: task.Ceilings{Timeout: 50 * time.Millisecond}})
	start(t, h)
	got := await(t, h, id)
	require.Equal(t, task.CauseTimeout, got.Cause)
	require.Equal(t, "timeout: the attempt ran longer than 50ms: give the task a larger timeout (at most 50ms) or less to do", got.Error)
}

func TestCeilingOfTheTimeout(t *testing.T) {
	t.Parallel()
	path := newFile(t)
	h := newHost(t, taskhost.Config{Database: path, Limits: task.Ceilings{Timeout: 10 * time.Second}})
	_, err := taskhost.Register(h, "long", hello, task.Options{Timeout: time.Minute})
	require.EqualError(t, err, "taskhost: register long: limit timeout: it asks for 1m0s, and this host allows at most 10s: lower its timeout, or raise the host's ceiling limits.timeout")
	greet := register(t, h, "greet", hello, task.Options{})
	start(t, h)
	require.Equal(t, 10*time.Second, get(t, h, enqueue(t, h, "greet", "you")).Timeout)

	const want = "timeout is 11s, and this host allows at most 10s: ask for less, or raise the host's ceiling limits.timeout"
	options := taskhost.EnqueueOptions{Timeout: 11 * time.Second}
	_, err = greet.Enqueue(t.Context(), "you", options)
	var invalid *task.InvalidError
	require.ErrorAs(t, err, &invalid)
	require.EqualError(t, err, want)
	_, err = h.EnqueueMany(t.Context(), []task.Request{{Name: "greet"}, {Name: "greet", EnqueueOptions: options}})
	require.EqualError(t, err, "request 1: "+want)
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer db.Close()
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	_, err = h.EnqueueSQLTx(t.Context(), tx, "greet", "you", options)
	require.EqualError(t, err, want)
}

func TestSizesOfAFunction(t *testing.T) {
	t.Parallel()
	h := newHost(t, taskhost.Config{Limits: task.Ceilings{ResultBytes: 4 << 20}})
	_, err := taskhost.Register(h, "echo", hello, task.Options{ResultBytes: 5 << 20})
	require.ErrorContains(t, err, "limit result: it asks for 5 MiB, and this host allows at most 4 MiB: ")
	register(t, h, "greet", hello, task.Options{ResultBytes: 2 << 20, ArgsBytes: 2 << 20})
	start(t, h)
	id := enqueue(t, h, "greet", strings.Repeat("x", 3<<19))
	require.Equal(t, task.Success, await(t, h, id).Status)
}

func TestAttemptsOfAHost(t *testing.T) {
	t.Parallel()
	h := newHost(t, taskhost.Config{})
	_, err := h.Attempts(t.Context(), task.ID{1})
	require.ErrorIs(t, err, task.ErrNotFound)
	stop(t, h)
	_, err = h.Attempts(t.Context(), task.ID{1})
	require.ErrorIs(t, err, task.ErrStopped)
}
