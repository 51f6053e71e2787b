package wasi_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/sys"

	"github.com/taskhost/taskhost/host/wasi"
)

func TestExit(t *testing.T) {
	r := newRuntime(t)
	tests := []struct{ code, wazero uint32 }{
		{0, 0},
		{1, 1},
		{3, 3},
		{256, 256},
		{0xfffffffe, 0xfffffffe},
		{sys.ExitCodeContextCanceled, 1},
		{sys.ExitCodeDeadlineExceeded, 1},
	}
	for _, test := range tests {
		for _, name := range []string{"proc_exit", "direct_proc_exit", "repeat_proc_exit"} {
			c, e := newCaller(t, r, 1), &wasi.Execution{}
			_, exited := e.Exit()
			require.False(t, exited)
			params := []uint64{uint64(test.code)}
			if name == "repeat_proc_exit" {
				params = append(params, 1)
			}
			_, err := c.ExportedFunction(name).Call(wasi.With(context.Background(), e), params...)
			var exit *sys.ExitError
			require.ErrorAs(t, err, &exit)
			require.Equal(t, test.wazero, exit.ExitCode())
			require.NotErrorIs(t, err, context.Canceled)
			require.NotErrorIs(t, err, context.DeadlineExceeded)
			code, exited := e.Exit()
			require.True(t, exited)
			require.Equal(t, test.code, code)
			require.False(t, c.IsClosed(), "the host may use the instance again")

			_, err = c.ExportedFunction("sched_yield").Call(context.Background())
			require.NotErrorIs(t, err, context.Canceled)
			require.NotErrorIs(t, err, context.DeadlineExceeded)
		}
	}
}

// TestExportedImport calls a guest's exports that are its own imports, for
// which wazero gives the module of this package as the caller.
func TestExportedImport(t *testing.T) {
	r := newRuntime(t)
	done, cancel := context.WithCancel(context.Background())
	cancel()
	c := newCaller(t, r, 1)
	_, err := c.ExportedFunction("direct_proc_exit").Call(context.Background(), 0)
	require.ErrorIs(t, err, sys.NewExitError(0))
	require.Equal(t, success, c.call("direct_sched_yield"))
	require.Equal(t, fault, c.call("direct_poll_oneoff", 0, 64, 1, 128), "it has no memory")
	_, err = c.ExportedFunction("direct_proc_exit").Call(done, 1)
	require.ErrorIs(t, err, sys.NewExitError(1))

	require.False(t, r.Module(wasi.ModuleName).IsClosed())
	require.Equal(t, success, newCaller(t, r, 1).call("sched_yield"), "other guests still have WASI")
}

func TestExitWithoutExecution(t *testing.T) {
	c := newCaller(t, newRuntime(t), 1)
	_, err := c.ExportedFunction("proc_exit").Call(context.Background(), uint64(sys.ExitCodeContextCanceled))
	require.ErrorIs(t, err, sys.NewExitError(1))
	require.NotErrorIs(t, err, context.Canceled)
}

func TestRandom(t *testing.T) {
	c := newCaller(t, newRuntime(t), 1)
	require.Equal(t, success, c.call("random_get", 0, 16))
	require.NotEqual(t, make([]byte, 16), c.bytes(0, 16))
	require.Zero(t, c.uint64(16), "no more than was asked for")
	require.Equal(t, success, c.call("random_get", 0xffffffff, 0))
	require.Equal(t, success, c.call("random_get", 65_535, 1))
	require.Equal(t, fault, c.call("random_get", 65_535, 2))
	require.Equal(t, fault, c.call("random_get", 0, 0xffffffff))

	e := &wasi.Execution{Random: io.LimitReader(zeros{}, 20)}
	c = c.with(context.Background(), e)
	require.Equal(t, success, c.call("random_get", 0, 16))
	require.Equal(t, make([]byte, 16), c.bytes(0, 16))
	require.Equal(t, ioError, c.call("random_get", 0, 16), "its source is dry")
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestRandomAllowance draws all that one execution may.
func TestRandomAllowance(t *testing.T) {
	const mib = 1 << 20
	instance := newCaller(t, newRuntime(t), 65*16)
	c := instance.with(context.Background(), &wasi.Execution{Random: zeros{}})
	require.Equal(t, ioError, c.call("random_get", 0, 64*mib+1))
	require.Equal(t, success, c.call("random_get", 0, 40*mib))
	require.Equal(t, ioError, c.call("random_get", 0, 25*mib))
	require.Equal(t, success, c.call("random_get", 0, 24*mib))
	require.Equal(t, ioError, c.call("random_get", 0, 1))
	require.Equal(t, success, c.call("random_get", 0, 0))

	c = instance.with(context.Background(), &wasi.Execution{Random: zeros{}})
	require.Equal(t, success, c.call("random_get", 0, 64*mib), "another has its own")
	require.Equal(t, ioError, instance.call("random_get", 0, 64*mib+1), "without one, it is per call")
}

func TestRandomIsStopped(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	read := 0
	e := &wasi.Execution{Random: readerFunc(func(p []byte) (int, error) {
		if read += len(p); read >= 1<<20 {
			cancel(errors.New("enough"))
		}
		return len(p), nil
	})}
	c := newCaller(t, newRuntime(t), 1024)
	_, err := c.ExportedFunction("random_get").Call(wasi.With(ctx, e), 0, 60<<20)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 1<<20, read)
	require.False(t, c.IsClosed())
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
