// Package guestbuild builds guests from their source, each with the compiler of
// its language: Go, C, Rust or AssemblyScript. Tests and `make guests` build with
// it, so that a guest in a test is what its author would get. [Install] brings
// the compilers to a machine that lacks them.
//
// A guest is a folder with main.go, main.c, main.rs or main.ts, somewhere in a
// clone of Taskhost: the SDKs are taken from guest-sdk in the same clone. Modules
// are kept in .build and built again where a source, an SDK or a compiler has
// changed.
package guestbuild

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// TB is what Build needs of a *testing.T, *testing.B or *testing.F.
type TB interface {
	Helper()
	Context() context.Context
	Fatal(args ...any)
}

// Build builds the guest in a folder, which is relative to that of the test. The
// test fails where the guest does not compile, and where its compiler is missing.
// What was built in this process is not looked at again.
func Build(t TB, dir string) []byte {
	t.Helper()
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	// Other tests wait for this build too, so the end of one does not end it.
	ctx := context.WithoutCancel(t.Context())
	build, _ := built.LoadOrStore(dir, sync.OnceValues(func() ([]byte, error) { return Compile(ctx, dir) }))
	wasm, err := build.(func() ([]byte, error))()
	if err != nil {
		t.Fatal(err.Error())
	}
	// A copy, since what one test does to it is none of another's business.
	return bytes.Clone(wasm)
}

// built has a func() ([]byte, error) for each folder. It is not configuration but
// memory of what is on disk.
var built sync.Map

// Compile builds the guest in a folder, or takes it from .build where nothing has
// changed. It is safe for concurrent use, also by several processes.
func Compile(ctx context.Context, dir string) ([]byte, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	tools, err := toolchainOf(dir)
	if err != nil {
		return nil, err
	}
	root, err := findRoot()
	if err != nil {
		return nil, err
	}
	j := job{root: root, dir: dir}
	wasm, err := cached(ctx, tools, j)
	if err != nil {
		return nil, fmt.Errorf("build the %s guest %s: %w", tools.language, filepath.Base(dir), err)
	}
	return wasm, nil
}

// A job is one build.
type job struct {
	root string // the clone
	dir  string // the guest's folder
	out  string // the file to make
	temp string // a folder for what is not kept
}

// A step is one command of a build.
type step struct {
	env  []string
	args []string
}

// make runs the steps of a build. Where one fails, the compiler may be at fault.
func (tools *toolchain) make(ctx context.Context, c compiler, j job) error {
	steps, err := tools.steps(c, j)
	if err != nil {
		return err
	}
	for _, step := range steps {
		if err := step.run(ctx, j.root); err != nil {
			return err
		}
	}
	return nil
}

func (s step) run(ctx context.Context, dir string) error {
	cmd := exec.CommandContext(ctx, s.args[0], s.args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), s.env...)
	output, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(append(s.env, s.args...), " "), err, output)
	}
	return nil
}

const moduleLine = "module github.com/taskhost/taskhost"

// findRoot looks for the clone, upwards from here: a test runs in its package's
// folder, a command in the clone's.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		first, _, _ := strings.Cut(string(text), "\n")
		if err == nil && strings.TrimSpace(first) == moduleLine {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errNoClone
		}
		dir = parent
	}
}
