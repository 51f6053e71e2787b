//go:build unix

package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskhost/taskhost/internal/pgtest"
)

const (
	waitAtMost = 20 * time.Second
	tick       = 20 * time.Millisecond
	asRun      = "TASKHOST_PGTEST_AS_RUN"
)

// TestMain lets the test binary be the command under test.
func TestMain(m *testing.M) {
	if os.Getenv(asRun) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

// prepare is run with a shell script for its command, without a server.
func prepare(t *testing.T, script string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "sh", "-c", script)
	cmd.Env = append(os.Environ(), asRun+"=1", pgtest.Variable+"=")
	cmd.Stderr = t.Output()
	cmd.WaitDelay = waitAtMost
	return cmd
}

func codeOf(t *testing.T, err error) int {
	t.Helper()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return exit.ExitCode()
	}
	require.NoError(t, err)
	return 0
}

func TestPassesOn(t *testing.T) {
	t.Parallel()
	cmd := prepare(t, "cat; echo $"+pgtest.Variable+"; exit 3")
	cmd.Stdin = strings.NewReader("input\n")
	output, err := cmd.Output()
	require.Equal(t, 3, codeOf(t, err))
	input, address, _ := strings.Cut(strings.TrimSpace(string(output)), "\n")
	require.Equal(t, "input", input)
	_, err = pgx.Connect(t.Context(), address)
	require.ErrorIs(t, err, syscall.ECONNREFUSED, "the server is gone")
}

// TestUsesTheServerThatIsThere also has the exit codes: it is quick.
func TestUsesTheServerThatIsThere(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]int{
		"test $" + pgtest.Variable + " = postgres://elsewhere": 0,
		"exit 7":                   7,
		"kill -TERM $$":            128 + int(syscall.SIGTERM),
		"kill -KILL $$":            128 + int(syscall.SIGKILL),
		"exec /no/such/executable": 127, // as sh has it
	} {
		cmd := prepare(t, script)
		cmd.Env = append(cmd.Env, pgtest.Variable+"=postgres://elsewhere")
		require.Equal(t, want, codeOf(t, cmd.Run()), script)
	}
	for _, args := range [][]string{nil, {"/no/such/executable"}} {
		cmd := prepare(t, "")
		cmd.Args = append(cmd.Args[:1], args...)
		cmd.Env = append(cmd.Env, pgtest.Variable+"=postgres://elsewhere")
		require.Equal(t, failed, codeOf(t, cmd.Run()), args)
	}
}

// A running is a run that has started its command, which goes on for long.
type running struct {
	*exec.Cmd
	output  io.Reader
	command int // the number of the command's process
	address string
	data    string // the folder of the database
}

func begin(t *testing.T, script string) *running {
	t.Helper()
	r := &running{Cmd: prepare(t, "echo $$ $"+pgtest.Variable+"\n"+script)}
	output, err := r.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, r.Start())
	reader := bufio.NewReader(output)
	line, err := reader.ReadString('\n')
	require.NoError(t, err)
	number, address, _ := strings.Cut(strings.TrimSpace(line), " ")
	r.command, err = strconv.Atoi(number)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Kill(-r.command, syscall.SIGKILL) }) // it may have ended
	r.output, r.address = reader, address

	conn, err := pgx.Connect(t.Context(), r.address)
	require.NoError(t, err)
	defer conn.Close(context.WithoutCancel(t.Context()))
	require.NoError(t, conn.QueryRow(t.Context(), "SHOW data_directory").Scan(&r.data))
	return r
}

func (r *running) requireGone(t *testing.T) {
	t.Helper()
	require.NoDirExists(t, filepath.Dir(r.data))
	_, err := pgx.Connect(t.Context(), r.address)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

func TestSignals(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		signal syscall.Signal
		script string
		want   int
		output string
	}{
		"ends it, and what it leaves behind": {syscall.SIGTERM, "(trap '' TERM; exec sleep 1000) & wait", 143, ""},
		"is handled":                         {syscall.SIGHUP, "trap 'echo trapped; exit 5' HUP; sleep 1000 & wait", 5, "trapped\n"},
		// sh waits for its child, so this ends only if the child gets it too.
		"gets to all": {syscall.SIGINT, "trap 'echo later; exit 6' INT; sleep 1000", 6, "later\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := begin(t, test.script)
			require.NoError(t, r.Process.Signal(test.signal))
			output, err := io.ReadAll(r.output) // to its end, when nobody is left who has it
			require.NoError(t, err)
			require.Equal(t, test.want, codeOf(t, r.Wait()))
			require.Equal(t, test.output, string(output))
			r.requireGone(t)
		})
	}
}

// TestKilled: what kills run may be what kills it last.
func TestKilled(t *testing.T) {
	t.Parallel()
	r := begin(t, "exec sleep 1000")
	require.NoError(t, r.Process.Kill())
	require.NoError(t, syscall.Kill(r.command, syscall.SIGKILL)) // it has our pipe
	require.Error(t, r.Wait())
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Dir(r.data))
		return errors.Is(err, os.ErrNotExist)
	}, waitAtMost, tick)
	r.requireGone(t)
}
