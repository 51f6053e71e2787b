package storetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/internal/seal"
	"github.com/taskhost/taskhost/task"
)

// Sealer keeps what is private sealed.
type Sealer interface {
	KeyUse(ctx context.Context) ([]riverstore.KeyUse, error)
	SealKeys(ctx context.Context) ([]riverstore.SealKey, error)
	Reencrypt(ctx context.Context, progress func(done, total int64)) (*riverstore.Resealed, error)
}

var sealProperties = []property{
	{name: "nothing private is in a table", hold: holdNothingClear},
	{name: "a start needs the keys of what is there", hold: holdKeysNeeded},
	{name: "an empty database is opened by many at once", hold: holdFirstOpening},
	{name: "a database in clear takes a key", hold: holdClearTakesKey},
	{name: "unique tasks take a key", hold: holdUniqueTakesKey},
	{name: "a key is replaced", hold: holdRotation},
	{name: "a key is replaced under load", hold: holdRotationUnderLoad},
	{name: "sealing again is broken off and goes on", hold: holdBrokenOff},
	{name: "a task whose key is missing loses nothing", hold: holdKeyMissing},
	{name: "what was changed or moved does not open", hold: holdTampered},
	{name: "a secret that was changed is refused", hold: holdSecretChanged},
}

// keyID is the id of a key.
func keyID(t testing.TB, key string) string {
	t.Helper()
	ring, err := seal.Parse([]string{key})
	require.NoError(t, err)
	return ring.Current()
}

// with opens the database with keys.
func (w *world) with(keys ...string) Store {
	w.Helper()
	store, err := w.OpenWith(w.T, keys...)
	require.NoError(w, err)
	w.opened = append(w.opened, store)
	return store
}

// Marker is in all that [UsePrivately] has a store keep.
const Marker = "PRIVATE-4f1c"

// UsePrivately has a store keep everything that is private, in all the states that
// there are: with Marker in it. It returns the tasks by what became of them.
func UsePrivately(t *testing.T, store Store) map[string]task.ID {
	t.Helper()
	w := &world{T: t}
	w.push(store, "private", guest("succeeds"), guest("fails"), guest("retries", task.Options{Retries: 1, Delay: time.Hour}),
		guest("panics"), guest("waits"), guest("stopped"))
	inside := make(chan struct{}, 1)
	w.start(store, only(task.Wasm, 3), handler(func(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		log.Log(task.Info, "line "+Marker, json.RawMessage(`{"field":"`+Marker+`"}`))
		failure := task.Outcome{Failure: &task.Failure{Message: "error " + Marker, Trace: "trace " + Marker}}
		switch exec.Task.Name {
		case "succeeds":
			return task.Outcome{Result: exec.Args, ResultType: "application/json"}
		case "panics":
			panic(Marker)
		case "stopped":
			inside <- struct{}{}
			<-ctx.Done()
		}
		return failure
	}))
	ids := make(map[string]task.ID)
	for _, name := range []string{"succeeds", "fails", "retries", "panics", "stopped"} {
		ids[name] = w.enqueue(store, private(name))
	}
	waits := private("waits")
	waits.Delay = time.Hour
	ids["waits"] = w.enqueue(store, waits)
	for _, name := range []string{"succeeds", "fails", "panics"} {
		w.await(store, ids[name])
	}
	w.eventually(func() bool {
		return w.task(store, ids["retries"]).Attempt == 1 && w.task(store, ids["retries"]).Status == task.Pending
	}, "for the retry")
	receive(w, inside, "the attempt")
	w.stopNow(store)
	return ids
}

// private is a request whose arguments are.
func private(name string) task.Request {
	return keyed(name, "key", `{"argument":"`+Marker+`"}`)
}

// checkPrivate reads all that UsePrivately had a store keep.
func (w *world) checkPrivate(store Store, ids map[string]task.ID) {
	w.Helper()
	result, _, err := store.Result(w.Context(), ids["succeeds"])
	require.NoError(w, err)
	require.Equal(w, `{"argument":"`+Marker+`"}`, string(result))
	got := w.task(store, ids["succeeds"])
	require.Equal(w, []int64{int64(len(result)), int64(len(result))}, []int64{got.ArgsBytes, got.ResultBytes}, "sizes are those of what was said")
	for _, name := range []string{"fails", "retries"} {
		got := w.task(store, ids[name])
		require.Equal(w, "error "+Marker, got.Error)
		require.Equal(w, "trace "+Marker, got.Trace)
		require.Empty(w, got.SealedUnder)
		attempts, err := store.Attempts(w.Context(), ids[name])
		require.NoError(w, err)
		require.Equal(w, "error "+Marker+"trace "+Marker, attempts[0].Error+attempts[0].Trace)
	}
	require.Equal(w, "panic: "+Marker, w.task(store, ids["panics"]).Error)
	for name, id := range ids {
		if name == "waits" {
			continue
		}
		logs := w.logs(store, id)
		require.Len(w, logs, 1, name)
		require.Equal(w, "line "+Marker, logs[0].Message)
		require.JSONEq(w, `{"field":"`+Marker+`"}`, string(logs[0].Fields))
	}
	for _, name := range []string{"succeeds", "retries", "waits"} { // those that hold their keys
		require.Equal(w, ids[name], w.enqueue(store, private(name)), "the key still tells that the arguments are the same")
	}
}

// clear lists where in the tables the marker is.
func (w *world) clear() (found []string) {
	w.Helper()
	for _, table := range []string{"task", "attempt", "task_log", "idempotency_key", "river_job", "seal_key", "node", "definition"} {
		found = append(found, w.clearIn(table)...)
	}
	return found
}

func (w *world) clearIn(table string) (found []string) {
	w.Helper()
	rows, err := w.DB.QueryContext(w.Context(), "SELECT * FROM "+table)
	require.NoError(w, err)
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(w, err)
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		require.NoError(w, rows.Scan(into...))
		for i, value := range values {
			if bytes.Contains(fmt.Appendf(nil, "%s", value), []byte(Marker)) {
				found = append(found, table+"."+columns[i])
			}
		}
	}
	require.NoError(w, rows.Err())
	return found
}

// uses are the keys that anything is stored under.
func (w *world) uses(store Store) (ids []string) {
	w.Helper()
	uses, err := store.KeyUse(w.Context())
	require.NoError(w, err)
	for _, use := range uses {
		if use.Total() > 0 {
			ids = append(ids, use.KeyID)
		}
	}
	return ids
}

func holdNothingClear(w *world) {
	key := seal.NewKey()
	store := w.with(key)
	ids := UsePrivately(w.T, store)
	require.Empty(w, w.clear())
	w.checkPrivate(store, ids)
	require.Equal(w, []string{keyID(w, key)}, w.uses(store))
}

func holdKeysNeeded(w *world) {
	first, second, other := seal.NewKey(), seal.NewKey(), seal.NewKey()
	store := w.with(first)
	ids := UsePrivately(w.T, store)
	require.NoError(w, store.Close())
	for _, keys := range [][]string{nil, {second}, {second, other}} {
		_, err := w.OpenWith(w.T, keys...)
		require.ErrorContains(w, err, keyID(w, first))
		require.NotContains(w, err.Error(), first)
	}
	_, err := w.OpenWith(w.T, "no key")
	require.ErrorContains(w, err, "encryption key 1 ")

	store = w.with(first, other)
	w.checkPrivate(store, ids)
	require.NoError(w, store.Close())
	store = w.with(second, first) // the other one was never needed
	w.checkPrivate(store, ids)
	require.NoError(w, store.Close())
	for _, keys := range [][]string{{first}, {second}, nil} {
		_, err := w.OpenWith(w.T, keys...)
		require.ErrorContains(w, err, "docs/encryption.md", "both are needed now: %d", len(keys))
	}
	w.checkPrivate(w.with(first, second), ids)
}

func holdFirstOpening(w *world) {
	key := seal.NewKey()
	stores := make([]Store, 6)
	var opening sync.WaitGroup
	for i := range stores {
		opening.Go(func() {
			var err error
			stores[i], err = w.OpenWith(w.T, key)
			assert.NoError(w, err)
		})
	}
	opening.Wait()
	w.opened = append(w.opened, stores...)
	w.push(stores[0], "m", guest("a"))
	id := w.enqueue(stores[0], keyed("a", "k", "1"))
	for _, store := range stores {
		require.Equal(w, id, w.enqueue(store, keyed("a", "k", "1")), "all make the same hashes")
	}
	require.EqualValues(w, 1, w.number("SELECT count(*) FROM seal_key"))
}

func holdClearTakesKey(w *world) {
	store := w.with()
	ids := UsePrivately(w.T, store)
	require.NotEmpty(w, w.clear(), "or this test would find nothing")
	_, err := store.Reencrypt(w.Context(), nil)
	require.ErrorContains(w, err, "no encryption key")
	require.NoError(w, store.Close())

	key := seal.NewKey()
	store = w.with(key)
	w.checkPrivate(store, ids)
	sealed := w.enqueue(store, task.Request{Name: "waits", Args: []byte("1")})
	require.Equal(w, keyID(w, key), w.text("SELECT key_id FROM task WHERE id = $1", w.ID(sealed)))
	require.Equal(w, []string{"", keyID(w, key)}, w.uses(store))

	out, err := store.Reencrypt(w.Context(), nil)
	require.NoError(w, err)
	require.Positive(w, out.Done)
	require.Empty(w, out.Unreadable)
	require.Zero(w, out.Left)
	require.Empty(w, w.clear())
	require.Equal(w, []string{keyID(w, key)}, w.uses(store))
	w.checkPrivate(store, ids)
	out, err = store.Reencrypt(w.Context(), nil)
	require.NoError(w, err)
	require.Zero(w, out.Done, "there is nothing left to do")
}

func holdRotation(w *world) {
	older, newer := seal.NewKey(), seal.NewKey()
	store := w.with(older)
	ids := UsePrivately(w.T, store)
	require.NoError(w, store.Close())

	running := w.with(newer, older) // as the server that goes on
	store = w.with(newer, older)
	w.checkPrivate(store, ids)
	var done, total int64
	out, err := store.Reencrypt(w.Context(), func(d, t int64) {
		require.GreaterOrEqual(w, d, done)
		done, total = d, t
	})
	require.NoError(w, err)
	require.Equal(w, out.Done, done)
	require.Equal(w, total, done)
	require.Equal(w, []string{keyID(w, older)}, out.Unused)
	require.Zero(w, out.Left)
	w.checkPrivate(running, ids)

	store = w.with(newer)
	w.checkPrivate(store, ids)
	require.Equal(w, []string{keyID(w, newer)}, w.uses(store))
	_, err = w.OpenWith(w.T, older)
	require.ErrorContains(w, err, keyID(w, newer))
}
