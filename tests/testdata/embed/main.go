// Command embed is a program of its own that works the tasks of a Postgres
// database beside taskhost serve, and has a Go function that nobody else has.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/taskhost/taskhost"
	"github.com/taskhost/taskhost/task"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	err := run(ctx, os.Args[1], os.Args[2])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:forbidigo // this is a program's main
	}
}

// run works the database until ctx ends, and says on standard output when it has
// begun.
func run(ctx context.Context, database, cache string) error {
	logger := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	h, err := taskhost.New(ctx, taskhost.Config{Database: database, CacheDir: cache, Logger: logger})
	if err != nil {
		return err
	}
	greet := func(_ context.Context, name string) (string, error) { return "Hello, " + name, nil }
	if _, err := taskhost.Register(h, "embed.greet", greet, task.Options{}); err != nil {
		return errors.Join(err, h.Stop(context.WithoutCancel(ctx)))
	}
	if err := h.Start(ctx); err != nil {
		return errors.Join(err, h.Stop(context.WithoutCancel(ctx)))
	}
	if _, err := fmt.Fprintln(os.Stdout, "started"); err != nil {
		return errors.Join(err, h.Stop(context.WithoutCancel(ctx)))
	}
	return h.Run(ctx)
}
