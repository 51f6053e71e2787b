package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/seal"
	"github.com/taskhost/taskhost/task"
)

// Tasks are enqueued, run, retried and read while a key is replaced: none is ever
// found that does not open.
func holdRotationUnderLoad(w *world) {
	older, newer := seal.NewKey(), seal.NewKey()
	before := w.with(older)
	w.push(before, "m", guest("a", task.Options{Retries: 3}))
	var mu sync.Mutex
	var ids []task.ID
	enqueue := func(store Store, n int) {
		id, err := store.Enqueue(w.Context(), task.Request{Name: "a", Args: fmt.Appendf(nil, `"task %d"`, n)})
		if assert.NoError(w, err) {
			mu.Lock()
			defer mu.Unlock()
			ids = append(ids, id)
		}
	}
	for n := range 30 {
		enqueue(before, n)
	}
	worker := w.with(newer, older)
	w.start(worker, only(task.Wasm, 50), handler(func(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		log.Log(task.Info, "running", nil)
		if exec.Task.Attempt < 3 {
			return fails("not yet")
		}
		return echo(ctx, exec, log)
	}))
	// One process still seals with the older key.
	var writers sync.WaitGroup
	for i, store := range []Store{before, worker} {
		writers.Go(func() {
			for n := range 30 {
				enqueue(store, 1000*(i+1)+n)
			}
		})
	}
	written := make(chan struct{})
	go func() {
		writers.Wait()
		close(written)
	}()
	rotating := w.with(newer, older)
	for writing := true; writing; {
		select {
		case <-written:
			writing = false
		default:
		}
		out, err := rotating.Reencrypt(w.Context(), nil)
		require.NoError(w, err)
		require.Empty(w, out.Unreadable)
	}
	out, err := rotating.Reencrypt(w.Context(), nil)
	require.NoError(w, err)
	require.Empty(w, out.Unreadable)

	w.allSucceed(ids)
	require.NoError(w, worker.Stop(w.Context()))
	out, err = rotating.Reencrypt(w.Context(), nil)
	require.NoError(w, err)
	require.Zero(w, out.Left)
	after := w.with(newer)
	for _, id := range ids {
		result, _, err := after.Result(w.Context(), id)
		require.NoError(w, err)
		require.Contains(w, string(result), "task ")
		require.Len(w, w.logs(after, id), 3)
		attempts, err := after.Attempts(w.Context(), id)
		require.NoError(w, err)
		require.Equal(w, []string{"not yet", "not yet", ""}, []string{attempts[0].Error, attempts[1].Error, attempts[2].Error})
	}
}

func holdBrokenOff(w *world) {
	older, newer := seal.NewKey(), seal.NewKey()
	store := w.with(older)
	w.push(store, "m", guest("a"))
	requests := make([]task.Request, 700)
	for i := range requests {
		requests[i] = task.Request{Name: "a", Args: fmt.Append(nil, i)}
	}
	ids, err := store.EnqueueMany(w.Context(), requests)
	require.NoError(w, err)
	store = w.with(newer, older)
	errBroken := errors.New("broken off")
	ctx, cancel := context.WithCancelCause(w.Context())
	out, err := store.Reencrypt(ctx, func(done, total int64) {
		require.EqualValues(w, len(ids), total)
		if done > 0 {
			cancel(errBroken)
		}
	})
	require.Error(w, err)
	require.NotNil(w, out)
	require.Len(w, w.uses(store), 2, "some are done, some are not")
	_, err = w.OpenWith(w.T, newer)
	require.ErrorContains(w, err, keyID(w, older), "it is still needed")

	w.start(store, only(task.Wasm, 100), handler(echo))
	more, err := store.Reencrypt(w.Context(), nil)
	require.NoError(w, err)
	require.LessOrEqual(w, more.Done, int64(2*len(ids)), "what was done is not done again")
	require.Equal(w, []string{keyID(w, older)}, more.Unused)
	w.allSucceed(ids)
	for i, id := range ids {
		result, _, err := store.Result(w.Context(), id)
		require.NoError(w, err)
		require.Equal(w, fmt.Sprint(i), string(result))
	}
}

// The database has forgotten that it needs the older key.
func holdKeyMissing(w *world) {
	older, newer := seal.NewKey(), seal.NewKey()
	store := w.with(older)
	ids := UsePrivately(w.T, store)
	pending := w.enqueue(store, task.Request{Name: "succeeds", Args: []byte(`"kept"`)})
	require.NoError(w, store.Close())
	w.exec("DELETE FROM seal_key")

	store = w.with(newer)
	w.start(store, only(task.Wasm, 2), handler(failing))
	got := w.await(store, pending)
	require.Equal(w, task.Failed, got.Status)
	require.Equal(w, task.CauseHost, got.Cause)
	require.Contains(w, got.Error, keyID(w, older))
	require.Contains(w, got.Error, "the arguments of task "+pending.String())
	require.Empty(w, got.SealedUnder, "what was to say of it can be read")
	own := w.enqueue(store, task.Request{Name: "succeeds", Args: []byte("1")})
	w.succeeds(store, own)
	failed := w.enqueue(store, task.Request{Name: "fails", Args: []byte(`"no"`)})
	w.await(store, failed)

	var sealed *task.SealedError
	_, _, err := store.Result(w.Context(), ids["succeeds"])
	require.ErrorAs(w, err, &sealed)
	require.Equal(w, keyID(w, older), sealed.KeyID)
	require.False(w, sealed.Damaged)
	_, _, err = store.Result(w.Context(), ids["fails"])
	require.ErrorAs(w, err, &sealed)
	_, err = store.Logs(w.Context(), ids["fails"], 0, 10)
	require.ErrorAs(w, err, &sealed)
	_, err = store.Retry(w.Context(), pending, false)
	require.ErrorAs(w, err, &sealed)
	for _, dry := range []bool{true, false} {
		bulk, err := store.RetryIDs(w.Context(), []task.ID{pending, failed}, false, dry)
		require.NoError(w, err)
		require.Equal(w, 1, bulk.Done, "the other one is not held up")
		require.Equal(w, map[string]int{task.CodeKeyMissing: 1}, bulk.Skipped)
	}
	got = w.task(store, ids["fails"])
	require.Equal(w, keyID(w, older), got.SealedUnder)
	require.Contains(w, got.Error, keyID(w, older))
	require.Empty(w, got.Trace)
	attempts, err := store.Attempts(w.Context(), ids["fails"])
	require.NoError(w, err)
	require.Equal(w, keyID(w, older), attempts[0].SealedUnder)
	out, err := store.Reencrypt(w.Context(), nil)
	require.NoError(w, err)
	require.Positive(w, out.Unreadable[keyID(w, older)])
	require.Positive(w, out.Left)
	require.NoError(w, store.Close())

	// With the key, all is there again.
	store = w.with(newer, older)
	require.Contains(w, w.task(store, pending).Error, keyID(w, older))
	out, err = store.Reencrypt(w.Context(), nil)
	require.NoError(w, err)
	require.Empty(w, out.Unreadable)
	require.Zero(w, out.Left)
	result, _, err := store.Result(w.Context(), ids["succeeds"])
	require.NoError(w, err)
	require.Contains(w, string(result), Marker)
	require.Equal(w, "error "+Marker, w.task(store, ids["fails"]).Error)
	require.Len(w, w.logs(store, ids["fails"]), 1)
	w.start(store, only(task.Wasm, 2), handler(echo))
	again := w.retry(store, pending)
	w.succeeds(store, again)
	result, _, err = store.Result(w.Context(), again)
	require.NoError(w, err)
	require.Equal(w, `"kept"`, string(result))
}

func holdTampered(w *world) {
	store := w.with(seal.NewKey())
	w.push(store, "m", guest("a"), guest("fails"))
	w.start(store, only(task.Wasm, 1), byName(map[string]handler{"a": echo, "fails": func(_ context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		log.Log(task.Info, "first", nil)
		log.Log(task.Info, "second", nil)
		return fails(string(exec.Args))
	}}))
	text := func(name string) task.ID {
		id := w.enqueue(store, task.Request{Name: name, Args: []byte(name), ArgsType: "text/plain"})
		w.await(store, id)
		return id
	}
	one, two, failed, other := text("a"), text("a"), text("fails"), text("fails")
	require.NoError(w, store.Stop(w.Context()))
	damaged := func(err error) {
		w.Helper()
		var sealed *task.SealedError
		require.ErrorAs(w, err, &sealed)
		require.True(w, sealed.Damaged)
	}

	w.exec("UPDATE task SET result = (SELECT t.result FROM task t WHERE t.id = $1) WHERE id = $2", w.ID(one), w.ID(two))
	_, _, err := store.Result(w.Context(), two)
	damaged(err)
	w.exec("UPDATE task SET result = args WHERE id = $1", w.ID(one))
	_, _, err = store.Result(w.Context(), one)
	damaged(err)
	w.exec("UPDATE task SET sealed_failure = (SELECT t.sealed_failure FROM task t WHERE t.id = $1) WHERE id = $2", w.ID(failed), w.ID(other))
	got := w.task(store, other)
	require.NotEmpty(w, got.SealedUnder)
	require.Contains(w, got.Error, "was changed, or belongs elsewhere")
	w.exec("UPDATE attempt SET sealed_failure = (SELECT t.sealed_failure FROM task t WHERE t.id = $1) WHERE task_id = $1", w.ID(failed))
	attempts, err := store.Attempts(w.Context(), failed)
	require.NoError(w, err)
	require.Contains(w, attempts[0].Error, "was changed, or belongs elsewhere")
	w.exec(`UPDATE task_log SET sealed = (SELECT l.sealed FROM task_log l WHERE l.task_id = $1 AND l.seq <> task_log.seq) WHERE task_id = $1`, w.ID(failed))
	_, err = store.Logs(w.Context(), failed, 0, 10)
	damaged(err)
	w.exec("UPDATE task SET result_key_id = NULL WHERE id = $1", w.ID(two))
	result, _, err := store.Result(w.Context(), two)
	require.NoError(w, err)
	require.NotEqual(w, "a", string(result), "what is said to be in clear is shown as it is: the ciphertext")

	// Arguments of another task do not run.
	ids := []task.ID{}
	for range 2 {
		ids = append(ids, w.enqueue(store, task.Request{Name: "a", Args: []byte("1")}))
	}
	w.exec("UPDATE task SET args = (SELECT t.args FROM task t WHERE t.id = $1) WHERE id = $2", w.ID(ids[0]), w.ID(ids[1]))
	w.start(store, only(task.Wasm, 1), handler(echo))
	w.succeeds(store, ids[0])
	got = w.await(store, ids[1])
	require.Equal(w, task.Failed, got.Status)
	require.Equal(w, task.CauseHost, got.Cause)
	require.Contains(w, got.Error, "was changed, or belongs elsewhere")
}

func holdSecretChanged(w *world) {
	first, second := seal.NewKey(), seal.NewKey()
	require.NoError(w, w.with(first).Close())
	require.NoError(w, w.with(second, first).Close())
	w.exec("UPDATE seal_key SET secret = (SELECT k.secret FROM seal_key k WHERE k.key_id = $1) WHERE key_id = $2", keyID(w, first), keyID(w, second))
	_, err := w.OpenWith(w.T, first, second)
	require.ErrorContains(w, err, "was changed: restore the table seal_key")
	require.ErrorContains(w, err, keyID(w, second))
}
