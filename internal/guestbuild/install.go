package guestbuild

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
)

//go:embed debian.sh
var debianScript string

// Install installs the compilers that the machine lacks: with apt-get, for root or
// where sudo asks for no password, and AssemblyScript's with npm into .build. What
// it cannot install, the error tells how to. It says on output what it does, and
// nothing where everything is there, which it finds out in a moment.
func Install(ctx context.Context, output *os.File) error {
	root, err := findRoot()
	if err != nil {
		return err
	}
	missing := lacking(ctx)
	var packages []string
	for _, tools := range missing {
		if tools.main != assemblyScript().main || !hasNode() {
			packages = append(packages, tools.packages...)
		}
	}
	var errs []error
	if manager, args := installer(ctx); len(packages) > 0 && manager != "" {
		say(output, "installing %s with %s", strings.Join(packages, " "), manager)
		// What it has begun it ends: a package must not be left half installed.
		cmd := exec.CommandContext(context.WithoutCancel(ctx), args[0], append(args[1:], packages...)...)
		cmd.Stdout, cmd.Stderr = output, output
		if err := cmd.Run(); err != nil {
			errs = append(errs, fmt.Errorf("install %s with %s: %w", strings.Join(packages, " "), manager, err))
		}
	}
	for _, tools := range missing {
		if tools.main == assemblyScript().main && hasNode() {
			say(output, "installing the AssemblyScript compiler with npm into .build/npm")
			errs = append(errs, installNPM(ctx, output, root))
		}
		errs = append(errs, tools.check(ctx))
	}
	return errors.Join(errs...)
}

func say(output *os.File, format string, args ...any) {
	_, _ = fmt.Fprintf(output, "guestbuild: "+format+"\n", args...) // nobody may be reading
}

// lacking are the toolchains that do not work, of which some take a moment to find out.
func lacking(ctx context.Context) []*toolchain {
	all := toolchains()
	errs := make([]error, len(all))
	var checks sync.WaitGroup
	for i, tools := range all {
		checks.Go(func() { errs[i] = tools.check(ctx) })
	}
	checks.Wait()
	var missing []*toolchain
	for i, tools := range all {
		if errs[i] != nil {
			missing = append(missing, tools)
		}
	}
	return missing
}

func hasNode() bool { return has("node") && has("npm") }

func has(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// installer is the package manager of this machine, and the command that takes
// packages. It is empty where there is none that we may use.
func installer(ctx context.Context) (manager string, args []string) {
	switch {
	case has("apt-get") && os.Getuid() == 0:
		return "apt-get", []string{"/bin/sh", "-c", debianScript, "sh"}
	case has("apt-get") && has("sudo") && exec.CommandContext(ctx, "sudo", "-n", "true").Run() == nil:
		return "sudo apt-get", []string{"sudo", "-n", "/bin/sh", "-c", debianScript, "sh"}
	}
	return "", nil
}
