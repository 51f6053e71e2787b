//go:build unix

// Command run runs a command that needs a Postgres server for its tests:
//
//	go run ./internal/pgtest/run go test ./...
//
// Where TASKHOST_TEST_DATABASE_URL is set, the command uses that server.
// Otherwise it gets one of its own, which is gone when run ends, and which is
// installed first if the machine has none.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/taskhost/taskhost/internal/pgtest"
)

// failed is the exit code for what is not the command's doing.
const failed = 125

// caught is the signal that ended run's context.
type caught struct{ syscall.Signal }

func (c caught) Error() string { return "stopped by the signal: " + c.String() }

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
	}
	os.Exit(code) //nolint:forbidigo // this is a program's main
}

func run(args []string) (code int, err error) {
	if len(args) == 0 {
		return failed, errors.New("usage: go run ./internal/pgtest/run COMMAND [ARGUMENT...]")
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		select {
		case sig := <-signals:
			cancel(caught{sig.(syscall.Signal)})
		case <-ctx.Done():
		}
	}()

	if os.Getenv(pgtest.Variable) == "" {
		server, err := start(ctx)
		if err != nil {
			return exitCode(ctx, nil), err
		}
		defer func() {
			if stopErr := server.Stop(); stopErr != nil {
				code, err = max(code, failed), errors.Join(err, stopErr)
			}
		}()
		if err := os.Setenv(pgtest.Variable, server.URL("postgres")); err != nil {
			return failed, err
		}
	}
	cmd := command(ctx, args)
	if err := cmd.Start(); err != nil {
		return exitCode(ctx, nil), err
	}
	err = cmd.Wait()
	if ctx.Err() != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it started and left behind
	}
	if exit := new(exec.ExitError); errors.As(err, &exit) || errors.Is(err, context.Canceled) {
		err = nil // the code says it
	}
	return exitCode(ctx, cmd.ProcessState), err
}

func start(ctx context.Context) (*pgtest.Server, error) {
	if err := pgtest.Install(ctx, os.Stderr); err != nil {
		return nil, err
	}
	return pgtest.Start(ctx, pgtest.Options{})
}

// command is in a process group of its own, so that what we pass on gets to all
// that it starts, and once: a go test that is told to end does not tell its
// tests. A process group other than the terminal's may not read from it.
func command(ctx context.Context, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if info, err := os.Stdin.Stat(); err == nil && info.Mode()&os.ModeCharDevice == 0 {
		cmd.Stdin = os.Stdin
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		var signal caught
		errors.As(context.Cause(ctx), &signal)
		return syscall.Kill(-cmd.Process.Pid, signal.Signal)
	}
	cmd.WaitDelay = 10 * time.Second // then it is killed
	return cmd
}

// exitCode is the command's, or as a shell gives it for one that a signal ended.
func exitCode(ctx context.Context, state *os.ProcessState) int {
	var signal caught
	if state != nil {
		if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return 128 + int(status.Signal())
		}
		return state.ExitCode()
	}
	if errors.As(context.Cause(ctx), &signal) {
		return 128 + int(signal.Signal)
	}
	return failed
}
