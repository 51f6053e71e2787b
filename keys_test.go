package taskhost_test

import (
	"bytes"
	"context"
	"database/sql"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost"
	"github.com/taskhost/taskhost/task"
)

// TestEncryptedArguments: a program's own view of keys.
func TestEncryptedArguments(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	older, newer := taskhost.NewKey(), taskhost.NewKey()
	var log bytes.Buffer
	open := func(keys ...string) *taskhost.Host {
		h, err := taskhost.New(t.Context(), taskhost.Config{Database: path, EncryptArgsKeys: keys, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		require.NoError(t, err)
		t.Cleanup(func() { _ = h.Stop(context.WithoutCancel(t.Context())) })
		return h
	}
	h := open(older)
	shout, err := taskhost.Register(h, "shout", func(_ context.Context, s string) (string, error) { return s + "!", nil }, task.Options{})
	require.NoError(t, err)
	require.NoError(t, h.Start(t.Context()))
	require.Contains(t, log.String(), "encryption_key_id="+h.KeyIDs()[0])
	id, err := shout.Enqueue(t.Context(), "secret-word", taskhost.EnqueueOptions{})
	require.NoError(t, err)

	db, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate&_pragma=busy_timeout(10000)")
	require.NoError(t, err)
	defer db.Close()
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	inTx, err := shout.EnqueueSQLTx(t.Context(), tx, "secret-word", taskhost.EnqueueOptions{})
	require.NoError(t, err)
	require.NoError(t, tx.Commit())
	for _, id := range []task.ID{id, inTx} {
		require.NoError(t, h.Await(t.Context(), id))
		result, _, err := h.Result(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, `"secret-word!"`, string(result))
		var args, stored []byte
		require.NoError(t, db.QueryRowContext(t.Context(), "SELECT args, result FROM task WHERE id = ?", id[:]).Scan(&args, &stored))
		require.NotContains(t, string(args)+string(stored), "secret-word")
	}
	own, err := h.Seal("mine", []byte("data"))
	require.NoError(t, err)
	require.NoError(t, h.Stop(t.Context()))

	for _, keys := range [][]string{nil, {newer}} {
		_, err = taskhost.New(t.Context(), taskhost.Config{Database: path, EncryptArgsKeys: keys})
		require.ErrorContains(t, err, "taskhost: ")
		require.ErrorContains(t, err, h.KeyIDs()[0])
	}
	h = open(newer, older)
	out, err := h.Reencrypt(t.Context(), nil)
	require.NoError(t, err)
	require.EqualValues(t, 4, out.Done)
	require.Equal(t, h.KeyIDs()[1:], out.Unused)
	uses, err := h.KeyUse(t.Context())
	require.NoError(t, err)
	require.Equal(t, []taskhost.KeyUse{{KeyID: h.KeyIDs()[0], Args: 2, Results: 2}}, uses)
	data, err := h.Open("mine", own)
	require.NoError(t, err)
	require.Equal(t, "data", string(data))
	require.NoError(t, h.Stop(t.Context()))
	_, err = h.KeyUse(t.Context())
	require.ErrorIs(t, err, task.ErrStopped)

	h = open(newer)
	_, err = h.Open("mine", own)
	var missing *task.SealedError
	require.ErrorAs(t, err, &missing, "what a program keeps itself is its own to seal again")
	require.NotContains(t, log.String(), "secret-word")
}
