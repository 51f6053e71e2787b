package wasi_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/sys"

	"github.com/taskhost/taskhost/host/wasi"
)

// TestGoGuest runs a program that the Go compiler made, with nothing but this
// package for an operating system.
func TestGoGuest(t *testing.T) {
	run := newGoGuest(t)

	// ok runs the guest to a successful end.
	ok := func(t *testing.T, o *output) {
		t.Helper()
		requireExit(t, 0, run(context.Background(), &o.Execution), &o.Execution)
	}

	t.Run("arguments and environment", func(t *testing.T) {
		o := newOutput("describe", "a b", "", "ü")
		o.Env = []string{"HOME=/", "EMPTY="}
		ok(t, o)
		require.Equal(t, "5 [a b  ü] [HOME=/ EMPTY=]\n", o.stdout.String())
		require.Empty(t, o.stderr.String())

		o = newOutput("describe")
		ok(t, o)
		require.Equal(t, "2 [] []\n", o.stdout.String(), "nothing of the host's environment")
	})

	t.Run("time of day", func(t *testing.T) {
		o := newOutput("time")
		o.WallClock = func() time.Time { return time.Unix(1_700_000_000, 123_456_789) }
		ok(t, o)
		require.Equal(t, "1700000000123456789\n", o.stdout.String())
	})

	t.Run("sleep", func(t *testing.T) {
		o, start := newOutput("nap"), time.Now()
		ok(t, o)
		require.Equal(t, "true\n", o.stdout.String())
		require.GreaterOrEqual(t, time.Since(start), 20*time.Millisecond)
	})

	t.Run("standard input", func(t *testing.T) {
		o := newOutput("copy")
		o.Stdin = bytes.Repeat([]byte("0123456789abcdef"), 20_000)
		ok(t, o)
		require.True(t, bytes.Equal(o.Stdin, o.stdout.Bytes()))
		require.Equal(t, "320000 <nil>\n", o.stderr.String())

		o = newOutput("copy")
		ok(t, o)
		require.Empty(t, o.stdout.String())
		require.Equal(t, "0 <nil>\n", o.stderr.String())
	})

	t.Run("much output", func(t *testing.T) {
		o := newOutput("flood")
		ok(t, o)
		require.Equal(t, strings.Repeat("out.", 1<<18), o.stdout.String())
		require.Equal(t, strings.Repeat("err.", 1<<18), o.stderr.String())

		ok(t, &output{Execution: wasi.Execution{Args: o.Args}}) // to nowhere
	})

	t.Run("failing output", func(t *testing.T) {
		o := newOutput("write")
		o.Stdout = writerFunc(func([]byte) (int, error) { return 0, errors.New("full") })
		ok(t, o)
		require.Equal(t, "write /dev/stdout: I/O error\n", o.stderr.String())
	})

	t.Run("randomness", func(t *testing.T) {
		draw := func(source io.Reader) string {
			o := newOutput("random")
			o.Random = source
			ok(t, o)
			return o.stdout.String()
		}
		require.Equal(t, draw(rand.NewChaCha8([32]byte{1})), draw(rand.NewChaCha8([32]byte{1})))
		require.NotEqual(t, draw(nil), draw(nil))
	})

	t.Run("no files", func(t *testing.T) {
		o := newOutput("files")
		ok(t, o)
		require.Equal(t, []string{
			"open /etc/passwd: Bad file number",
			"open x: Bad file number",
			"true <nil>",
			"seek /dev/stdout: Illegal seek",
			"<nil> sync /dev/stdout: Invalid argument",
		}, strings.Split(strings.TrimSpace(o.stdout.String()), "\n"))
	})

	t.Run("exit", func(t *testing.T) {
		o := newOutput("exit")
		requireExit(t, 3, run(context.Background(), &o.Execution), &o.Execution)
	})

	t.Run("panic", func(t *testing.T) {
		o := newOutput("panic")
		requireExit(t, 2, run(context.Background(), &o.Execution), &o.Execution)
		require.Contains(t, o.stderr.String(), "panic: boom\n")
		require.Contains(t, o.stderr.String(), "main.go:")
	})

	t.Run("cancelled in its sleep", func(t *testing.T) {
		// The best of a few, so that a busy machine does not fail the test.
		require.Less(t, min(cancelSleep(t, run), cancelSleep(t, run), cancelSleep(t, run)), 50*time.Millisecond)
	})
}

// cancelSleep cancels a guest that sleeps for ten seconds, and gives how long
// that took to end it.
func cancelSleep(t *testing.T, run goGuest) time.Duration {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	o, asleep := newOutput("sleep"), make(chan struct{})
	o.Stdout = writerFunc(func(p []byte) (int, error) {
		close(asleep) // a second line would panic
		return len(p), nil
	})
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, &o.Execution) }()
	<-asleep
	start := time.Now()
	cancel()
	err := <-ended
	took := time.Since(start)
	require.ErrorIs(t, err, context.Canceled)
	_, exited := o.Exit()
	require.False(t, exited, "it was ended, and did not exit")
	require.Empty(t, o.stderr.String(), "and it left no trace in its log")
	return took
}

// requireExit checks that a guest exited with a code, and that the error of
// the call and the execution agree on that.
func requireExit(t *testing.T, code uint32, err error, e *wasi.Execution) {
	t.Helper()
	var exit *sys.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, code, exit.ExitCode())
	got, exited := e.Exit()
	require.True(t, exited)
	require.Equal(t, code, got)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
