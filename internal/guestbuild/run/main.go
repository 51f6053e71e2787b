// Command run builds guests, and installs the compilers for it:
//
//	go run ./internal/guestbuild/run install
//	go run ./internal/guestbuild/run build FOLDER GUEST...
//
// build writes FOLDER/NAME.wasm for each guest, which is a folder called NAME.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/taskhost/taskhost/internal/guestbuild"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "guestbuild:", err)
		os.Exit(1) //nolint:forbidigo,gocritic // this is a program's main, and what is deferred ends with it
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 1 && args[0] == "install":
		return guestbuild.Install(ctx, os.Stderr)
	case len(args) > 2 && args[0] == "build":
		return build(ctx, args[1], args[2:])
	default:
		return errors.New("usage: run install, or run build FOLDER GUEST")
	}
}

func build(ctx context.Context, out string, guests []string) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for _, guest := range guests {
		guest, err := filepath.Abs(guest) // for its name
		if err != nil {
			return err
		}
		wasm, err := guestbuild.Compile(ctx, guest)
		if err != nil {
			return err
		}
		file := filepath.Join(out, filepath.Base(guest)+".wasm")
		if err := os.WriteFile(file, wasm, 0o644); err != nil {
			return err
		}
		_, _ = fmt.Fprintf(os.Stderr, "%s: %d bytes\n", file, len(wasm)) // nobody may be reading
	}
	return nil
}
