package pgtest

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
)

//go:embed debian.sh
var debianScript string

// Install installs a Postgres server where the machine has none that [Start]
// could use, with the system's own package manager: apt-get, for root or where
// sudo asks for no password, or Homebrew. It says on output what it does.
func Install(ctx context.Context, output io.Writer) error {
	account, err := ordinary()
	if err != nil {
		return err
	}
	_, missing := find(ctx, account, folders)
	if missing == nil {
		return nil
	}
	manager, args := installer(ctx)
	if manager == "" {
		return missing
	}
	_, _ = fmt.Fprintf(output, "pgtest: this machine has no Postgres server to test with; installing one with %s\n", manager)
	// What it has begun it ends: a package must not be left half installed.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("install Postgres with %s: %w; %w", manager, err, missing)
	}
	if _, err := find(ctx, account, folders); err != nil {
		return fmt.Errorf("install Postgres with %s: it ended well, and yet: %w", manager, err)
	}
	return nil
}

// installer is the package manager of this machine, and the command to run. It
// is empty where there is none that we may use.
func installer(ctx context.Context) (manager string, args []string) {
	root := os.Getuid() == 0
	has := func(program string) bool { _, err := exec.LookPath(program); return err == nil }
	switch {
	case has("apt-get") && root:
		return "apt-get", []string{"/bin/sh", "-c", debianScript}
	case has("apt-get") && has("sudo") && exec.CommandContext(ctx, "sudo", "-n", "true").Run() == nil:
		return "sudo apt-get", []string{"sudo", "-n", "/bin/sh", "-c", debianScript}
	case has("brew") && !root: // brew refuses root
		return "brew", []string{"brew", "install", "postgresql@17"}
	}
	return "", nil
}
