package taskhost

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host/sandbox"
	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/task"
)

// deadlyEngine has set modules aside.
type deadlyEngine struct {
	engine

	mu    sync.Mutex
	aside map[string]bool
}

func (e *deadlyEngine) Quarantined() (list []sandbox.QuarantineError) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, digest := range slices.Sorted(maps.Keys(e.aside)) {
		list = append(list, sandbox.QuarantineError{Digest: digest, Death: "it was killed"})
	}
	return list
}

func (e *deadlyEngine) Release(digest string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.aside, digest)
}

// A module that a node has set aside is listed with the reason, another process
// releases it, and the node hears of that.
func TestQuarantineIsReleased(t *testing.T) {
	ctx := t.Context()
	config := Config{Database: filepath.Join(t.TempDir(), "tasks.db")}
	newHost := func() *Host {
		h, err := New(ctx, config)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, h.Stop(context.WithoutCancel(ctx))) })
		return h
	}
	h, other := newHost(), newHost()
	for _, digest := range []string{"d1", "d2"} {
		_, err := h.store.PutVersion(ctx, modules.Version{Module: "m", Digest: digest, Bytes: 1, Definitions: []task.Definition{{Name: "m.a", Executor: task.Wasm}}}, []byte{1})
		require.NoError(t, err)
	}
	deadly := &deadlyEngine{engine: h.engine, aside: map[string]bool{"d1": true, "d2": true}}
	h.engine = deadly
	require.NoError(t, h.Start(ctx))
	inQuarantine := func() (found []int) {
		versions, err := other.Modules().Versions(ctx, "m")
		require.NoError(t, err)
		for _, v := range versions {
			for _, q := range v.Quarantine {
				require.Equal(t, h.node, q.Node)
				require.Equal(t, "its sandbox workers died 5 times in a row, lastly: it was killed", q.Reason)
				found = append(found, v.Version)
			}
		}
		return found
	}
	soon := func(ok func() bool) {
		t.Helper()
		require.Eventually(t, ok, 30*time.Second, 20*time.Millisecond)
	}
	soon(func() bool { return len(inQuarantine()) == 2 })

	_, err := other.ReleaseModule(ctx, "m", 3)
	require.ErrorIs(t, err, task.ErrNotFound)
	_, err = other.ReleaseModule(ctx, "n", 0)
	require.ErrorIs(t, err, task.ErrNotFound)
	released, err := other.ReleaseModule(ctx, "m", 1)
	require.NoError(t, err)
	require.Equal(t, []int{1}, released)
	require.Equal(t, []int{2}, inQuarantine())
	soon(func() bool { return len(deadly.Quarantined()) == 1 })

	released, err = h.ReleaseModule(ctx, "m", 0)
	require.NoError(t, err)
	require.Equal(t, []int{2}, released)
	require.Empty(t, deadly.Quarantined(), "the own engine is told at once")
	released, err = h.ReleaseModule(ctx, "m", 0)
	require.NoError(t, err)
	require.Empty(t, released)

	deadly.mu.Lock()
	deadly.aside["d1"] = true // again
	deadly.mu.Unlock()
	soon(func() bool { return slices.Equal(inQuarantine(), []int{1}) })
}
