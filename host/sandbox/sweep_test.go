package sandbox_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host"
	"github.com/taskhost/taskhost/host/sandbox"
)

// during is called while an attempt runs.
type during struct{ call func() }

func (d *during) Log(context.Context, host.LogLine) { d.call() }

// Directories of modules that are stored no more go, unless they are in use, and come
// back when they are needed.
func TestRemoveOld(t *testing.T) {
	dir := t.TempDir()
	p := newPool(t, sandbox.Config{CacheDir: dir})
	m := echo()
	attempt := m.attempt(t, p)
	requireEcho(t, p, attempt)
	pids := p.IdleWorkers(attempt.Digest)
	require.Len(t, pids, 1)
	earlier := filepath.Join(dir, "workers", strings.Repeat("ab", 32))
	require.NoError(t, os.Mkdir(earlier, 0o755))
	long := time.Now().Add(-2 * time.Hour)
	for _, path := range []string{earlier, p.ModuleDir(attempt.Digest)} {
		require.NoError(t, os.Chtimes(path, long, long))
	}
	removed, err := p.RemoveOld(t.Context(), nil, time.Hour)
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Base(earlier)}, removed, "the other was used just now")

	logging := newModule()
	logging.run(logging.log(1, "in use"), done)
	other := logging.attempt(t, p)
	ran := false
	out := p.Execute(t.Context(), other, &during{call: func() {
		ran = true
		removed, err := p.RemoveOld(t.Context(), []string{attempt.Digest}, 0)
		require.NoError(t, err)
		require.Empty(t, removed, "one is stored, and one is in use")
	}})
	require.Nil(t, out.Failure, "%+v", out.Failure)
	require.True(t, ran)

	removed, err = p.RemoveOld(t.Context(), nil, 0)
	require.NoError(t, err)
	require.Len(t, removed, 2)
	require.False(t, p.Prepared(attempt.Digest))
	require.True(t, p.Execute(t.Context(), attempt, &nowhere{}).NotPrepared)
	require.Zero(t, p.Stats().Workers)
	require.NoError(t, p.Prepare(t.Context(), attempt.Digest, m.bytes()))
	requireEcho(t, p, attempt)
}

// What is left of a probe goes when the next pool starts, unless it may go on.
func TestProbesAreRemoved(t *testing.T) {
	dir := t.TempDir()
	old, fresh := filepath.Join(dir, "workers", "probe1"), filepath.Join(dir, "workers", "probe2")
	for _, path := range []string{old, fresh} {
		require.NoError(t, os.MkdirAll(path, 0o755))
	}
	long := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(old, long, long))
	newPool(t, sandbox.Config{CacheDir: dir})
	require.NoDirExists(t, old)
	require.DirExists(t, fresh)
}
