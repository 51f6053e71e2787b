package host_test

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/taskhost/taskhost/host"
)

// Not even root can make a file there.
func TestCodeOnADiskThatRefuses(t *testing.T) {
	wasm := echoing("refused").bytes()
	require.Equal(t, compiledAnew, figures(prepareFrom(t, "/proc", digestOf(wasm), wasm)))
}

// A disk is full before all of the code is written. What was written is not taken for
// all of it later.
func TestCodeOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	m := echoing("full")
	for range 500 { // so that the code is larger than a page of the system
		m.add("", store(8, join(load(8), constant(1), []byte{0x6a})))
	}
	wasm := m.bytes()
	digest := digestOf(wasm)
	signal.Ignore(unix.SIGXFSZ) // or the signal would come in place of the error
	defer signal.Reset(unix.SIGXFSZ)
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_FSIZE, &limit))
	// As much as the image takes, which is a file too, and less than the code.
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: uint64(os.Getpagesize()), Max: limit.Max}))
	restore := sync.OnceFunc(func() { require.NoError(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &limit)) })
	defer restore()
	stats := prepareFrom(t, dir, digest, wasm)
	restore()
	require.Equal(t, compiledAnew, figures(stats))
	files, err := filepath.Glob(filepath.Join(dir, "*", "wazero-*", "*"))
	require.NoError(t, err)
	require.Empty(t, files, "it would have been written")

	require.Equal(t, compiledAnew, figures(prepareFrom(t, dir, digest, wasm)))
	require.Equal(t, loaded, figures(prepareFrom(t, dir, digest, wasm)))
}

// A pipe has no end, and nobody may ever write to it.
func TestPipeBesideKeptCode(t *testing.T) {
	dir := t.TempDir()
	wasm := echoing("pipe").bytes()
	digest := digestOf(wasm)
	require.Equal(t, compiledAnew, figures(prepareFrom(t, dir, digest, wasm)))
	own, _, _ := kept(t, dir)
	require.NoError(t, unix.Mkfifo(filepath.Join(own, "pipe"), 0o600))
	prepared := make(chan error)
	e := newEngine(t, host.Config{CacheDir: dir})
	go func() { prepared <- e.Prepare(context.Background(), digest, wasm) }()
	select {
	case err := <-prepared:
		require.NoError(t, err)
	case <-time.After(time.Minute):
		require.Fail(t, "it reads a pipe")
	}
	require.Equal(t, rebuilt, figures(e.Stats()))
}
