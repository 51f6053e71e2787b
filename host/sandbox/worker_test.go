//go:build linux

package sandbox_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host"
	"github.com/taskhost/taskhost/host/sandbox"
	"github.com/taskhost/taskhost/internal/guestbuild"
)

// patience is how long something may take on a busy machine that takes milliseconds.
const patience = 10 * time.Second

func lying(lie string) []string { return []string{"/proc/self/exe", roleLie, lie} }

// liars gives a pool whose workers lie, and an attempt at a module that it has.
func liars(t testing.TB, lie string) (*sandbox.Pool, host.Attempt) {
	t.Helper()
	p := newPool(t, sandbox.Config{Command: lying(lie), CompileTimeout: 2 * time.Second})
	return p, newModule(done).attempt(t, p)
}

func descriptors(t testing.TB) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(all)
}

// What a worker says or does not say costs the attempt and the worker, and no more.
func TestWorkersThatLie(t *testing.T) {
	for what, cause := range map[string]string{
		"exit": "exit status 3", "panic": "exit status 2", "out of memory": "out of memory", "hang up": "killed",
		"half a header": "killed", "a short frame": "killed", "a long frame": "protocol", "an empty frame": "protocol",
		"another kind": "protocol", "nothing in it": "protocol", "ready again": "protocol", "a long list": "protocol",
		"more than asked": "protocol", "noise": "protocol", "noise on standard error": "exit status 1", "much output": "protocol",
		"a long type": "protocol", "another failure": "protocol", "crashed": "protocol", "stopped": "protocol",
		"not prepared": "protocol", "empty lines": "protocol", "long lines": "protocol", "lines without JSON": "protocol",
	} {
		t.Run(what, func(t *testing.T) {
			p, attempt := liars(t, "r:"+what)
			before := descriptors(t)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			out := p.Execute(ctx, attempt, &nowhere{})
			require.NotNil(t, out.Failure)
			require.Equal(t, host.KindCrashed, out.Failure.Kind, "%+v", out.Failure)
			if overhead > 0 && what == "out of memory" {
				cause = "exit status 66" // the race detector has none first, and other words
			}
			require.Contains(t, out.Failure.Message, cause)
			require.NotContains(t, out.Failure.Message, "/")
			require.Less(t, len(out.Failure.Message), 200)
			require.Empty(t, out.Output)
			require.Equal(t, int64(1), p.Stats().Died)
			require.Zero(t, p.Stats().Workers)
			require.LessOrEqual(t, descriptors(t), before)
		})
	}
}

// A worker that is wrong before it has the module, or while it loads it.
func TestWorkersThatDoNotStart(t *testing.T) {
	for _, what := range []string{"exit", "a long frame", "a long list", "another kind", "noise", "hang up"} {
		t.Run(what, func(t *testing.T) {
			before := descriptors(t)
			_, err := sandbox.New(t.Context(), sandbox.Config{Command: lying("start:" + what)})
			require.ErrorContains(t, err, "start a sandbox worker")
			require.LessOrEqual(t, descriptors(t), before)

			p, attempt := liars(t, "l:"+what)
			out := p.Execute(t.Context(), attempt, &nowhere{})
			require.Equal(t, host.KindCrashed, out.Failure.Kind)
			require.Zero(t, p.Stats().Workers)

			p = newPool(t, sandbox.Config{Command: lying("i:" + what)})
			_, err = p.Inspect(t.Context(), "one", newModule(done).bytes())
			var refusal *host.ModuleError
			require.ErrorAs(t, err, &refusal)
			require.False(t, p.Prepared("one"))
			require.NoDirExists(t, p.ModuleDir("one"))
		})
	}
}

// A worker that says nothing is killed when its attempt is to end, wherever it is.
func TestWorkersThatHang(t *testing.T) {
	for at, attempt := range map[string]host.Attempt{"l:hang": {}, "r:hang": {}, "r:hang, unread": {Input: make([]byte, 4<<20)}} {
		t.Run(at, func(t *testing.T) {
			p, prepared := liars(t, at)
			attempt.Digest = prepared.Digest
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			start := time.Now()
			out := p.Execute(ctx, attempt, &nowhere{})
			over := time.Since(start) - 300*time.Millisecond
			require.Equal(t, host.KindStopped, out.Failure.Kind)
			require.Less(t, over, time.Second, "100 ms on a machine that is not busy")
			require.Empty(t, p.Quarantined())
			require.Zero(t, p.Stats().Workers)
		})
	}
	t.Run("i:hang", func(t *testing.T) {
		p := newPool(t, sandbox.Config{Command: lying("i:hang"), CompileTimeout: 200 * time.Millisecond})
		require.ErrorContains(t, p.Prepare(t.Context(), "one", newModule(done).bytes()), "limit compile time")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, p.Prepare(ctx, "one", newModule(done).bytes()), context.Canceled)
	})
}

// spin is a module that says so, and then runs until it is stopped.
func spin() *module {
	m := newModule()
	return m.run(m.log(abi.LevelInfo, "running"), forever, done)
}

// first calls a function with the first line.
type first func()

func (f first) Log(context.Context, host.LogLine) { f() }

func TestKilledWhileItRuns(t *testing.T) {
	p := newPool(t, sandbox.Config{})
	attempt, healthy := spin().attempt(t, p), echo().attempt(t, p)
	requireEcho(t, p, healthy)
	idle := p.IdleWorkers(healthy.Digest)
	require.Len(t, idle, 1)
	out := p.Execute(t.Context(), attempt, first(func() {
		for _, pid := range children(t, os.Getpid()) {
			if pid != idle[0] {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}))
	require.Equal(t, &host.Failure{Kind: host.KindCrashed, Message: "the sandbox worker ended: signal: killed"}, out.Failure)
	requireEcho(t, p, healthy)
	require.Equal(t, idle, p.IdleWorkers(healthy.Digest), "not touched")
	ctx, cancel := context.WithCancelCause(t.Context())
	out = p.Execute(ctx, attempt, first(func() { cancel(context.Canceled) }))
	require.Equal(t, host.KindStopped, out.Failure.Kind, "the next attempt has a worker")
}

func TestKilledWhileIdle(t *testing.T) {
	p := newPool(t, sandbox.Config{})
	attempt := echo().attempt(t, p)
	requireEcho(t, p, attempt)
	killed := p.IdleWorkers(attempt.Digest)[0]
	require.NoError(t, syscall.Kill(killed, syscall.SIGKILL))
	require.Eventually(t, func() bool { return p.IdleEnded(attempt.Digest) }, patience, time.Millisecond)
	requireEcho(t, p, attempt)
	require.Zero(t, p.Stats().Died)
}

func TestCancelAtAnyMoment(t *testing.T) {
	p := newPool(t, sandbox.Config{})
	attempt, healthy := spin().attempt(t, p), echo().attempt(t, p)
	for i := range 40 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*500*time.Microsecond)
		start := time.Now()
		out := p.Execute(ctx, attempt, &nowhere{})
		cancel()
		require.Equal(t, host.KindStopped, out.Failure.Kind, "%+v", out.Failure)
		require.Less(t, time.Since(start), 2*time.Second)
	}
	requireEcho(t, p, healthy)
	require.Empty(t, p.Quarantined())
}

func TestWorkersAreReplaced(t *testing.T) {
	p := newPool(t, sandbox.Config{MaxRuns: 3})
	attempt := echo().attempt(t, p)
	for range 7 {
		requireEcho(t, p, attempt)
	}
	require.Equal(t, int64(3), p.Stats().Started)
	require.Equal(t, 1, p.Stats().Workers)
}

func TestWorkersLeastRecentlyUsedGo(t *testing.T) {
	p := newPool(t, sandbox.Config{Workers: 2})
	a, b, c := echo().attempt(t, p), echo().attempt(t, p), echo().attempt(t, p)
	for _, attempt := range []host.Attempt{a, b, a, c, a} {
		requireEcho(t, p, attempt)
	}
	require.Equal(t, int64(3), p.Stats().Started)
	require.Empty(t, p.IdleWorkers(b.Digest))
	require.Len(t, p.IdleWorkers(a.Digest), 1)
}

func TestQuarantine(t *testing.T) {
	p, deadly := liars(t, "r:exit")
	for range 5 {
		out := p.Execute(t.Context(), deadly, &nowhere{})
		require.Equal(t, host.KindCrashed, out.Failure.Kind)
	}
	aside := p.Quarantined()
	require.Len(t, aside, 1)
	require.Equal(t, deadly.Digest, aside[0].Digest)
	require.Contains(t, aside[0].Reason(), "died 5 times in a row, lastly: ")
	require.NotEmpty(t, aside[0].Death)
	out := p.Execute(t.Context(), deadly, &nowhere{})
	require.True(t, out.SetAside)
	require.Contains(t, out.Failure.Message, "in quarantine")
	require.Equal(t, int64(5), p.Stats().Died)
	other := newModule(done).attempt(t, p)
	require.False(t, p.Execute(t.Context(), other, &nowhere{}).SetAside)
	p.Release(deadly.Digest)
	require.Equal(t, host.KindCrashed, p.Execute(t.Context(), deadly, &nowhere{}).Failure.Kind)
}

// What is kept on the disk and is damaged is made again.
func TestDamagedCache(t *testing.T) {
	p := newPool(t, sandbox.Config{CacheDir: t.TempDir(), MaxRuns: 1})
	attempt := echo().attempt(t, p)
	requireEcho(t, p, attempt)
	require.NoError(t, filepath.WalkDir(p.ModuleDir(attempt.Digest), func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && entry.Name() != "module.wasm" && entry.Name() != "ready" {
			err = os.WriteFile(path, []byte(strings.Repeat("damaged", 100)), 0o600)
		}
		return err
	}))
	requireEcho(t, p, attempt)
	require.False(t, p.Prepared(attempt.Digest), "it is to be compiled again")
	require.True(t, p.Execute(t.Context(), attempt, &nowhere{}).NotPrepared)
	require.NoError(t, p.Prepare(t.Context(), attempt.Digest, echo().bytes()))
	requireEcho(t, p, attempt)
}

// A directory of a module that was copied without its modes is of no use to workers.
func TestCopiedWithoutModes(t *testing.T) {
	config := sandbox.Config{CacheDir: t.TempDir()}
	p := newPool(t, config)
	attempt := echo().attempt(t, p)
	require.NoError(t, os.Chmod(p.ModuleDir(attempt.Digest), 0o700))
	again := newPool(t, config)
	// Workers of an ordinary user are that user, to whom it is open.
	require.Equal(t, os.Geteuid() != 0, again.Prepared(attempt.Digest))
	require.NoError(t, again.Prepare(t.Context(), attempt.Digest, echo().bytes()))
	requireEcho(t, again, attempt)
}

// A directory that a worker could write to when the host died is not trusted.
func TestLeftDirectory(t *testing.T) {
	ours := filepath.Join(t.TempDir(), "ours")
	require.NoError(t, os.WriteFile(ours, []byte("precious"), 0o600))
	for _, name := range []string{"module.wasm", "module.wasm.new", "ready", "more"} {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, sandbox.Config{CacheDir: t.TempDir()})
			require.NoError(t, os.Mkdir(p.ModuleDir("one"), 0o755))
			require.NoError(t, os.Symlink(ours, filepath.Join(p.ModuleDir("one"), name)))
			_, err := p.Inspect(t.Context(), "one", echo().bytes())
			require.NoError(t, err)
			content, err := os.ReadFile(ours)
			require.NoError(t, err)
			require.Equal(t, "precious", string(content))
			requireEcho(t, p, host.Attempt{Digest: "one"})
		})
	}
}

// The path of the program and of its files need not be readable for a worker.
func TestUnreadablePath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "closed")
	require.NoError(t, os.Mkdir(dir, 0o700))
	p := newPool(t, sandbox.Config{CacheDir: filepath.Join(dir, "cache")})
	requireEcho(t, p, echo().attempt(t, p))
}

// A module may be looked at while it runs, also again and by many.
func TestInspectWhileItRuns(t *testing.T) {
	p := newPool(t, sandbox.Config{MaxRuns: 1})
	attempt, wasm := echo().attempt(t, p), echo().bytes()
	inspected := make(chan error)
	go func() {
		for range 10 {
			if _, err := p.Inspect(context.Background(), attempt.Digest, wasm); err != nil {
				inspected <- err
			}
		}
		close(inspected)
	}()
	for {
		select {
		case err := <-inspected:
			require.NoError(t, err)
			return
		default:
			requireEcho(t, p, attempt)
		}
	}
}

// Each way to isolate that works here runs modules.
func TestIsolations(t *testing.T) {
	stood := 0
	for i := range sandbox.Isolations() {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			p, err := sandbox.NewIsolated(t.Context(), roomy(sandbox.Config{}), i)
			if err != nil {
				require.ErrorContains(t, err, "start a sandbox worker")
				return
			}
			stood++
			p = ended(t, p, nil)
			t.Log(p.Walls())
			attempt := echo().attempt(t, p)
			requireEcho(t, p, attempt)
			requireEcho(t, p, attempt)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			require.Equal(t, host.KindStopped, p.Execute(ctx, spin().attempt(t, p), &nowhere{}).Failure.Kind)
		})
	}
	require.Positive(t, stood)
}

func TestRequireIsolation(t *testing.T) {
	p, err := sandbox.NewUnwalled(t.Context(), sandbox.Config{RequireIsolation: true})
	require.ErrorContains(t, err, "does not have: [namespaces ")
	require.ErrorContains(t, err, "or do not require isolation")
	require.Nil(t, p)
}

// Whoever comes too late is told so, and what still runs ends.
func TestClosed(t *testing.T) {
	p, err := sandbox.New(t.Context(), roomy(sandbox.Config{}))
	require.NoError(t, err)
	attempt := spin().attempt(t, p)
	out := p.Execute(t.Context(), attempt, first(func() { require.NoError(t, p.Close(context.Background())) }))
	require.Equal(t, host.KindCrashed, out.Failure.Kind)
	require.Equal(t, host.KindHost, p.Execute(t.Context(), attempt, &nowhere{}).Failure.Kind)
	require.Error(t, p.Prepare(t.Context(), "late", echo().bytes()))
	require.NoError(t, p.Close(t.Context()))
}

func TestGoGuest(t *testing.T) {
	p := newPool(t, sandbox.Config{})
	found, err := p.Inspect(t.Context(), "go", guestbuild.Build(t, "../testdata/raw-go"))
	require.NoError(t, err)
	require.Contains(t, string(found.Manifest), "definitions")
	requireEcho(t, p, host.Attempt{Digest: "go", Name: "raw"})
}
