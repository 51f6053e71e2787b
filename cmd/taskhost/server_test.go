package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// serving is a server that run runs in this process.
type serving struct {
	dir     string
	address serverAddress
	stop    context.CancelFunc
	code    chan int
	stderr  *syncBuffer
}

func serve(t *testing.T, args ...string) *serving {
	t.Helper()
	s := &serving{dir: filepath.Join(t.TempDir(), "data"), code: make(chan int, 1), stderr: new(syncBuffer)}
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.WithoutCancel(t.Context()))
	args = append([]string{"serve", "--data-dir", s.dir, "--listen", "127.0.0.1:0"}, args...)
	go func() { s.code <- run(ctx, args, nil, strings.NewReader(""), io.Discard, s.stderr) }()
	t.Cleanup(s.stop)
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(filepath.Join(s.dir, serverFile))
		return err == nil && json.Unmarshal(text, &s.address) == nil
	}, 30*time.Second, 5*time.Millisecond, "the server does not come: %s", s.stderr)
	return s
}

func (s *serving) end(t *testing.T) int {
	t.Helper()
	s.stop()
	select {
	case code := <-s.code:
		return code
	case <-time.After(30 * time.Second):
		require.FailNow(t, "the server does not stop")
		return 0
	}
}

type syncBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func TestServeKeepsItsFilesPrivate(t *testing.T) {
	s := serve(t)
	info, err := os.Stat(s.dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	require.NoError(t, filepath.WalkDir(s.dir, func(path string, entry fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := entry.Info()
		require.NoError(t, err)
		if entry.IsDir() || strings.HasPrefix(path, filepath.Join(s.dir, "cache")) {
			return nil // what is in a private directory is private
		}
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), path)
		return nil
	}))
	require.Equal(t, os.Getpid(), s.address.PID)
	require.Zero(t, s.end(t), s.stderr)
}

func TestServeMakesOneToken(t *testing.T) {
	s := serve(t)
	token, err := readToken(filepath.Join(s.dir, tokenFile))
	require.NoError(t, err)
	require.Regexp(t, `^th_[A-Z2-7]{52}$`, token, "260 bits")
	require.NotContains(t, s.stderr.String(), token, "it is not logged")
	require.Zero(t, s.end(t))
	again, err := firstToken(s.dir)
	require.NoError(t, err)
	require.Equal(t, token, again)
}

func TestServeNeedsACredential(t *testing.T) {
	s := serve(t)
	defer http.DefaultClient.CloseIdleConnections()
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/v1/modules": 401, "/openapi.json": 401, "/": 401} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.address.URL+path, nil)
		require.NoError(t, err)
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, want, response.StatusCode, path)
	}
	require.Zero(t, s.end(t))
}

// TestServeTellsWhatGoesWrongAtItsEnd: the signal has come by then, and the
// error is not that.
func TestServeTellsWhatGoesWrongAtItsEnd(t *testing.T) {
	s := serve(t)
	require.NoError(t, os.Remove(filepath.Join(s.dir, serverFile)))
	require.Equal(t, exitFailed, s.end(t))
	require.Contains(t, s.stderr.String(), serverFile)
	require.NotContains(t, s.stderr.String(), "interrupted")
}

func TestAnEmptyTokenFile(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, tokenFile), []byte(" \n"), 0o600))
	code, _, stderr := runIn(t, nil, "serve", "--data-dir", dir, "--listen", "127.0.0.1:0")
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "is empty: remove it, and the server makes a new one")
	_, err := os.Stat(filepath.Join(dir, serverFile))
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// TestWritePrivateLeavesNothingBehind: a file is replaced as a whole or not at
// all.
func TestWritePrivateLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	require.NoError(t, writePrivate(path, []byte("one")))
	require.NoError(t, writePrivate(path, []byte("two")))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "two", string(text))

	taken := filepath.Join(dir, "taken")
	require.NoError(t, os.MkdirAll(filepath.Join(taken, "inside"), 0o700))
	require.Error(t, writePrivate(taken, []byte("three")))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2)
}
