package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost"
	"github.com/taskhost/taskhost/internal/pgtest"
	"github.com/taskhost/taskhost/task"
)

// TestReencryptIsKilled: again and again, while a server works the tasks. Each kill
// leaves some under the new key and some under the old one, and all can be read.
func TestReencryptIsKilled(t *testing.T) {
	for name, database := range map[string]string{"SQLite": filepath.Join(t.TempDir(), "tasks.db"), "Postgres": pgtest.Database(t)} {
		t.Run(name, func(t *testing.T) {
			older, newer := taskhost.NewKey(), taskhost.NewKey()
			h := rekeyHost(t, database, older)
			requests := make([]task.Request, 3000)
			for i := range requests {
				requests[i] = task.Request{Name: "echo", Args: fmt.Append(nil, i)}
			}
			ids, err := h.EnqueueMany(t.Context(), requests)
			require.NoError(t, err)
			require.NoError(t, h.Stop(t.Context()))

			h = rekeyHost(t, database, newer, older)
			require.NoError(t, h.Start(t.Context()))
			before := underKey(t, h, h.KeyIDs()[1])
			kills := 0
			for range 3 {
				if killed(t, h, database, newer, older, &before) {
					kills++
				}
			}
			require.Positive(t, kills)
			out, err := h.Reencrypt(t.Context(), nil)
			require.NoError(t, err)
			require.Empty(t, out.Unreadable)
			for i, id := range ids {
				require.NoError(t, h.Await(t.Context(), id))
				result, _, err := h.Result(t.Context(), id)
				require.NoError(t, err)
				require.Equal(t, fmt.Sprint(i), string(result))
			}
			require.NoError(t, h.Stop(t.Context()))
			h = rekeyHost(t, database, newer) // the older one is not needed
			require.NoError(t, h.Stop(t.Context()))
		})
	}
}

func rekeyHost(t *testing.T, database string, keys ...string) *taskhost.Host {
	t.Helper()
	h, err := taskhost.New(t.Context(), taskhost.Config{Database: database, EncryptArgsKeys: keys, MaxConcurrentTasks: 4})
	require.NoError(t, err)
	t.Cleanup(func() { _ = h.Stop(t.Context()) })
	_, err = taskhost.Register(h, "echo", func(_ context.Context, n int) (int, error) { return n, nil }, task.Options{})
	require.NoError(t, err)
	return h
}

// underKey is how much is sealed under a key.
func underKey(t *testing.T, h *taskhost.Host, id string) (n int64) {
	t.Helper()
	uses, err := h.KeyUse(t.Context())
	require.NoError(t, err)
	for i := range uses {
		if uses[i].KeyID == id {
			n = uses[i].Total()
		}
	}
	return n
}

// killed has a process seal again, and kills it when it has done some, unless it has
// done all by then.
func killed(t *testing.T, h *taskhost.Host, database, newer, older string, before *int64) bool {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	process := exec.CommandContext(t.Context(), program)
	process.Args = []string{"taskhost", "key", "reencrypt", "--database", database}
	process.Env = []string{"HOME=" + t.TempDir(), "TASKHOST_ENCRYPT_KEYS=" + newer + "," + older}
	process.Stderr = os.Stderr
	require.NoError(t, process.Start())
	ended := make(chan error, 1)
	go func() { ended <- process.Wait() }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended: // it was faster
			require.NoError(t, err)
			return false
		case <-tick.C:
		}
		if left := underKey(t, h, h.KeyIDs()[1]); left < *before {
			*before = left
			_ = process.Process.Kill() // it may have ended by now
			err := <-ended
			return err != nil
		}
	}
}
