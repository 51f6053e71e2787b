package guestbuild

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A toolchain builds the guests of one language.
type toolchain struct {
	language string
	// main is the file that a guest of this language has.
	main string
	// sdk is the folder whose files go into a guest too, below the clone's.
	// Empty for Go, whose own tools know what goes into a program.
	sdk string
	// find finds the compiler, and fails where there is none.
	find func(ctx context.Context) (compiler, error)
	// steps are the commands of a build.
	steps func(c compiler, j job) ([]step, error)
	// probe is a guest that needs all of the toolchain's parts. Empty where
	// find finds out by itself.
	probe string
	// packages are Debian's.
	packages []string
	// byHand is for whoever has no Debian.
	byHand string
}

// A compiler is what was found of a toolchain.
type compiler struct {
	path    string
	target  string // where it goes by several names
	version string // another version builds anew
}

// toolchains are asked in this order.
func toolchains() []*toolchain {
	return []*toolchain{golang(), clang(), rust(), assemblyScript()}
}

// toolchainOf finds the language of a folder.
func toolchainOf(dir string) (*toolchain, error) {
	var mains []string
	for _, tools := range toolchains() {
		info, err := os.Stat(filepath.Join(dir, tools.main))
		if err == nil && info.Mode().IsRegular() {
			return tools, nil
		}
		mains = append(mains, tools.main)
	}
	return nil, fmt.Errorf("%s is no guest: it has none of %s", dir, strings.Join(mains, ", "))
}

// check returns an error that says what is missing, and how to get it.
func (tools *toolchain) check(ctx context.Context) error {
	err := tools.try(ctx)
	if err == nil || ctx.Err() != nil {
		return err
	}
	return &missingError{tools: tools, err: err}
}

func (tools *toolchain) try(ctx context.Context) (err error) {
	found, err := tools.find(ctx)
	if err != nil || tools.probe == "" {
		return err
	}
	dir, err := os.MkdirTemp("", "taskhost-probe-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // the system clears it too
	if err := os.WriteFile(filepath.Join(dir, tools.main), []byte(tools.probe), 0o600); err != nil {
		return err
	}
	return tools.make(ctx, found, job{root: dir, dir: dir, temp: dir, out: filepath.Join(dir, "probe.wasm")})
}

// A missingError says that a machine cannot build guests of a language.
type missingError struct {
	tools *toolchain
	err   error
}

func (e *missingError) Error() string {
	return fmt.Sprintf("this machine cannot build %s guests: %v\n"+
		"To install what is missing, run as root, or where sudo asks for no password:\n\n\tgo run ./internal/guestbuild/run install\n\nor %s",
		e.tools.language, e.err, e.tools.byHand)
}

func (e *missingError) Unwrap() error { return e.err }
