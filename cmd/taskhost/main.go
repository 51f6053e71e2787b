// Command taskhost runs tasks and serves their interface.
//
//	taskhost demo        see it work, from a clone
//	taskhost serve       the server
//	taskhost run X.wasm  one execution, without a server
//
// Configuration comes from flags, then TASKHOST_* variables, then a file, then
// defaults; "taskhost config show" says which. The other commands talk to a
// server over HTTP.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/taskhost/taskhost"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
	// exitStillWaiting is what timeout(1) uses.
	exitStillWaiting = 124
	// exitInterrupted is what shells use for SIGINT.
	exitInterrupted = 130
)

func main() {
	taskhost.RunWorker() // and not return, where this process is to be a sandbox worker
	// The first signal begins a graceful stop. The second ends the process:
	// what was running is then found by the next start, as after a crash.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}

// run is main without the process, for tests.
func run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{environ: environ, stdin: stdin, stdout: stdout, stderr: stderr}
	root := a.rootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var usage *usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errReported):
		return exitFailed
	case ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))):
		fmt.Fprintln(stderr, "taskhost: interrupted")
		return exitInterrupted
	case errors.Is(err, errStillWaiting):
		complain(stderr, err)
		return exitStillWaiting
	case errors.As(err, &usage):
		complain(stderr, err)
		return exitUsage
	default:
		complain(stderr, err)
		return exitFailed
	}
}

// complain writes an error, with the program's name before it once.
func complain(stderr io.Writer, err error) {
	fmt.Fprintln(stderr, "taskhost: "+oneSentence(strings.TrimPrefix(err.Error(), "taskhost: ")))
}

// oneSentence puts the indented lines behind one another that the Postgres driver
// makes of the addresses that it tried, those that say the same once.
func oneSentence(text string) string {
	first, more, ok := strings.Cut(text, "\n\t")
	if !ok {
		return text
	}
	lines := strings.Split(more, "\n\t")
	var kept []string
	for i, line := range lines {
		if i == len(lines)-1 || !strings.HasPrefix(lines[i+1], line) {
			kept = append(kept, line)
		}
	}
	return first + " " + strings.Join(kept, "; ")
}

// usageError is a mistake in the call rather than a failure.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// errReported makes the command fail without another word.
var errReported = errors.New("reported already")
