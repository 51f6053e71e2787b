package guestbuild

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var _ TB = testing.TB(nil)

const magic = "\x00asm\x01\x00\x00\x00"

func TestBuild(t *testing.T) {
	t.Parallel()
	for _, guest := range []string{"raw-go", "raw-c", "raw-rust", "raw-assemblyscript"} {
		t.Run(guest, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join("..", "..", "host", "testdata", guest)
			wasm := Build(t, dir)
			require.Equal(t, magic, string(wasm[:8]))
			wasm[0] = 'X' // one caller's copy is not another's
			require.Equal(t, magic, string(Build(t, dir)[:8]))

			root, err := findRoot()
			require.NoError(t, err)
			require.NotContains(t, string(wasm), root, "it names a folder of the machine that it was built on")
		})
	}
}

// A fakeT is a test that may fail.
type fakeT struct {
	testing.TB
	said []any
}

func (f *fakeT) Helper() {}

func (f *fakeT) Fatal(args ...any) {
	f.said = args
	runtime.Goexit()
}

func TestBuildFailsTheTest(t *testing.T) {
	t.Parallel()
	fake := &fakeT{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		Build(fake, "npm")
	}()
	<-done
	require.Len(t, fake.said, 1)
	require.Contains(t, fake.said[0], "npm is no guest: it has none of main.go, main.c, main.rs, main.ts")
}

// A clone is a folder that passes for a clone of Taskhost, with one C guest.
type clone struct {
	t     *testing.T
	tools *toolchain
	job   job
}

func newClone(t *testing.T) *clone {
	root := t.TempDir()
	c := &clone{t, clang(), job{root: root, dir: filepath.Join(root, "guest")}}
	c.write("guest-sdk/c/taskhost.h", "#define RESULT 1\n")
	c.write("guest/main.c", "#include \"taskhost.h\"\n__attribute__((export_name(\"f\"))) int f(void) { return RESULT; }\n")
	return c
}

func (c *clone) write(name, text string) {
	c.t.Helper()
	file := filepath.Join(c.job.root, name)
	require.NoError(c.t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(c.t, os.WriteFile(file, []byte(text), 0o600))
}

func (c *clone) build() string {
	c.t.Helper()
	wasm, err := cached(c.t.Context(), c.tools, c.job)
	require.NoError(c.t, err)
	return string(wasm)
}

// kept is the path of the one module that is kept.
func (c *clone) kept() string {
	c.t.Helper()
	files, err := filepath.Glob(filepath.Join(c.job.root, ".build", "cache", "guests", "*", "*.wasm"))
	require.NoError(c.t, err)
	require.Len(c.t, files, 1)
	return files[0]
}

func TestBuildsAnewWhereSomethingChanged(t *testing.T) {
	t.Parallel()
	c := newClone(t)
	for what, change := range map[string]func(){
		"the guest":    func() { c.write("guest/main.c", "#include \"taskhost.h\"\nint g(void) { return RESULT; }\n") },
		"the SDK":      func() { c.write("guest-sdk/c/taskhost.h", "#define RESULT 2\n") },
		"another file": func() { c.write("guest/other.c", "int other(void);\nint other(void) { return 3; }\n") },
		"the compiler": func() {
			c.tools.find = func(context.Context) (compiler, error) { return compiler{"clang", "", "another"}, nil }
		},
		"what is built": func() { require.NoError(t, os.Remove(c.kept())) },
	} {
		require.Equal(t, magic, c.build()[:8])
		require.NoError(t, os.WriteFile(c.kept(), []byte("kept"), 0o600))
		require.Equal(t, "kept", c.build(), "it is not built again")
		change()
		require.Equal(t, magic, c.build()[:8], what)
	}
}

func TestBuildsOnceForAll(t *testing.T) {
	t.Parallel()
	c := newClone(t)
	steps, made := c.tools.steps, make(chan string, 100)
	c.tools.steps = func(found compiler, j job) ([]step, error) {
		if j.out != "" { // and not for the key
			made <- j.out
		}
		return steps(found, j)
	}
	wasm := make(chan string)
	for range 4 {
		go func() {
			out, err := cached(t.Context(), c.tools, c.job)
			if err != nil {
				wasm <- err.Error()
				return
			}
			wasm <- string(out)
		}()
	}
	first := <-wasm
	require.True(t, strings.HasPrefix(first, magic), first)
	for range 3 {
		require.Equal(t, first, <-wasm)
	}
	require.Len(t, made, 1)
}

func TestCompilerErrors(t *testing.T) {
	t.Parallel()
	c := newClone(t)
	c.write("guest/main.c", "int f(void) { return 1 }\n")
	_, err := cached(t.Context(), c.tools, c.job)
	require.ErrorContains(t, err, "guest/main.c:1:23: error: expected ';'")
	require.NotContains(t, err.Error(), "install", "the compiler is not at fault")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = cached(ctx, c.tools, c.job)
	require.ErrorIs(t, err, context.Canceled)
}

// Where a part of a toolchain is missing, that is said, and not what came of it.
func TestMissing(t *testing.T) {
	c := newClone(t)
	t.Setenv("PATH", t.TempDir())
	for _, tools := range []*toolchain{clang(), assemblyScript()} {
		err := tools.check(t.Context())
		require.ErrorContains(t, err, "this machine cannot build "+tools.language+" guests")
		require.ErrorContains(t, err, "go run ./internal/guestbuild/run install")
		require.ErrorContains(t, err, "apt-get install "+strings.Join(tools.packages, " "))
	}
	_, err := cached(t.Context(), c.tools, c.job)
	require.ErrorContains(t, err, "this machine cannot build C guests")

	output, err := os.Create(filepath.Join(t.TempDir(), "output"))
	require.NoError(t, err)
	defer output.Close()
	err = Install(t.Context(), output)
	require.ErrorContains(t, err, "cannot build C guests", "there is no apt-get")
	require.ErrorContains(t, err, "cannot build AssemblyScript guests")
}

// The C library is found by the build alone.
func TestMissingLibrary(t *testing.T) {
	t.Parallel()
	c := newClone(t)
	steps := c.tools.steps
	c.tools.steps = func(found compiler, j job) ([]step, error) {
		all, err := steps(found, j)
		all[0].args = append(all[0].args, "-nostdinc") // as where it is not installed
		return all, err
	}
	c.write("guest/main.c", "#include <stdlib.h>\n")
	_, err := cached(t.Context(), c.tools, c.job)
	require.ErrorContains(t, err, "this machine cannot build C guests")
	require.ErrorContains(t, err, "'stdlib.h' file not found")
}

// Where everything is there, nothing is done and nothing is said.
func TestInstallIsDone(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "output")
	output, err := os.Create(file)
	require.NoError(t, err)
	defer output.Close()
	require.NoError(t, Install(t.Context(), output))
	said, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Empty(t, said)
}

// What wasm-opt would do to a guest depends on whether a machine has it.
func TestNoWasmOpt(t *testing.T) {
	c := newClone(t)
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "wasm-opt"), []byte("#!/bin/sh\nexit 1\n"), 0o755))
	t.Setenv("PATH", folder+string(filepath.ListSeparator)+os.Getenv("PATH"))
	c.build()
}
