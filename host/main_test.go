package host_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskhost/taskhost/host"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(suite{m}) }

// suite is the tests, and what they share.
type suite struct{ *testing.M }

func (s suite) Run() (code int) {
	defer func() {
		if err := errors.Join(sharedEngine().Close(context.Background()), os.RemoveAll(workDir())); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	return s.M.Run()
}

// workDir is where files are that tests share.
var workDir = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "taskhost-host-test")
	if err != nil {
		panic(err)
	}
	return dir
})

// sharedEngine is one for most tests, since the Go guest takes long to compile.
var sharedEngine = sync.OnceValue(func() *host.Engine {
	e, err := host.New(context.Background(), host.Config{CacheDir: compiledDir()})
	if err != nil {
		panic(err)
	}
	return e
})

func compiledDir() string { return filepath.Join(workDir(), "compiled") }

func newEngine(t testing.TB, config host.Config) *host.Engine {
	t.Helper()
	e, err := host.New(context.Background(), config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close(context.Background())) })
	return e
}

// attempt prepares a module, and gives an attempt at its definition.
func (m *module) attempt(t testing.TB) host.Attempt {
	t.Helper()
	wasm := m.bytes()
	require.NoError(t, sharedEngine().Prepare(context.Background(), digestOf(wasm), wasm))
	return host.Attempt{Digest: digestOf(wasm), Name: "raw", MaxAttempts: 1, Deadline: time.Now().Add(time.Minute)}
}

// logged keeps what is logged. It has no lock: the engine has promised that it
// needs none.
type logged struct {
	lines []host.LogLine
	// first is called with the first line, where it is not nil.
	first func()
}

func (l *logged) Log(_ context.Context, line host.LogLine) {
	if l.lines = append(l.lines, line); len(l.lines) == 1 && l.first != nil {
		l.first()
	}
}

func (l *logged) messages() []string {
	var out []string
	for _, line := range l.lines {
		out = append(out, line.Message)
	}
	return out
}

// execute runs an attempt, and gives how it ended and what it logged.
func execute(t testing.TB, attempt host.Attempt) (host.Outcome, *logged) {
	t.Helper()
	log := &logged{}
	return sharedEngine().Execute(context.Background(), attempt, log), log
}

// succeed runs an attempt that must succeed.
func succeed(t testing.TB, attempt host.Attempt) (host.Outcome, *logged) {
	t.Helper()
	out, log := execute(t, attempt)
	require.Nil(t, out.Failure, "%+v", out.Failure)
	return out, log
}

// fail runs an attempt that must fail in a way.
func fail(t testing.TB, kind host.Kind, attempt host.Attempt) *host.Failure {
	t.Helper()
	out, _ := execute(t, attempt)
	requireFailure(t, kind, out)
	return out.Failure
}

// requireFailure checks what holds for every failure.
func requireFailure(t testing.TB, kind host.Kind, out host.Outcome) {
	t.Helper()
	require.NotNil(t, out.Failure)
	require.Equal(t, kind, out.Failure.Kind, "%+v", out.Failure)
	require.Nil(t, out.Output)
	require.Empty(t, out.OutputType)
	requireText(t, 4<<10, out.Failure.Message)
	require.NotEmpty(t, out.Failure.Message)
	requireText(t, 16<<10, out.Failure.Trace)
}
