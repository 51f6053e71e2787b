package host_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host"
)

// Compiled code of modules that are stored no more goes, once it has not been used for
// a while, and comes back when it is needed.
func TestRemoveOld(t *testing.T) {
	dir := t.TempDir()
	e, err := host.New(t.Context(), host.Config{CacheDir: dir})
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close(t.Context())) }()
	wasm := echoing("old").bytes()
	digest := digestOf(wasm)
	echo := func() {
		t.Helper()
		require.NoError(t, e.Prepare(t.Context(), digest, wasm))
		out := e.Execute(t.Context(), host.Attempt{Digest: digest, Input: []byte("text")}, &logged{})
		require.Nil(t, out.Failure, "%+v", out.Failure)
	}
	echo()
	long := time.Now().Add(-2 * time.Hour)
	age := func(names ...string) {
		t.Helper()
		for _, name := range names {
			require.NoError(t, os.MkdirAll(filepath.Join(dir, name), 0o700))
			require.NoError(t, os.Chtimes(filepath.Join(dir, name), long, long))
		}
	}
	earlier, foreign := strings.Repeat("ab", 32), "workers" // of a process before this one; of the sandbox
	left := "old-" + strings.Repeat("cd", 32)
	age(host.CacheName(digest), earlier, "named-"+earlier, left, foreign)
	removed, err := e.RemoveOld(t.Context(), []string{strings.ToUpper(earlier)}, time.Hour)
	require.NoError(t, err)
	require.Equal(t, []string{"named-" + earlier}, removed, "the first was used just now, by this engine")
	require.NoDirExists(t, filepath.Join(dir, left), "a removal that was broken off")
	require.True(t, e.Prepared(digest))

	removed, err = e.RemoveOld(t.Context(), []string{digest, earlier}, 0)
	require.NoError(t, err)
	require.Empty(t, removed, "all are stored")

	removed, err = e.RemoveOld(t.Context(), nil, 0)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{host.CacheName(digest), earlier}, removed)
	require.DirExists(t, filepath.Join(dir, foreign))
	require.False(t, e.Prepared(digest))
	echo()
	require.DirExists(t, filepath.Join(dir, host.CacheName(digest)))
	require.Equal(t, int64(2), e.Stats().Compiled)
}

// A module that runs stays.
func TestRemoveOldInUse(t *testing.T) {
	e, err := host.New(t.Context(), host.Config{CacheDir: t.TempDir()})
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close(t.Context())) }()
	m := newModule()
	wasm := m.run(m.log(1, "in use"), done).bytes()
	digest := digestOf(wasm)
	require.NoError(t, e.Prepare(t.Context(), digest, wasm))
	ran := false
	out := e.Execute(t.Context(), host.Attempt{Digest: digest}, &logged{first: func() {
		ran = true
		removed, err := e.RemoveOld(t.Context(), nil, 0)
		require.NoError(t, err)
		require.Empty(t, removed)
	}})
	require.Nil(t, out.Failure, "%+v", out.Failure)
	require.True(t, ran)
	require.True(t, e.Prepared(digest))
}
