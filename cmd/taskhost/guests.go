package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

// demoGuests are the example modules that the demo builds.
var demoGuests = []string{"thumbnail", "csvreport", "flaky"}

// guest is a module that was built.
type guest struct {
	name string
	wasm []byte
}

// buildGuests builds the example guests with the go command of this machine.
func (a *app) buildGuests(ctx context.Context, dir string) ([]guest, error) {
	root, err := findCheckout()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	bar := newProgress(a.stderr, len(demoGuests))
	defer bar.clear()
	var guests []guest
	for i, name := range demoGuests {
		bar.show(i, "building "+name+" for WebAssembly (the first time takes a while)")
		started := time.Now()
		path := filepath.Join(dir, name+".wasm")
		if err := goBuild(ctx, a.environ, root, path, "./examples/wasm-tasks/"+name); err != nil {
			return nil, err
		}
		wasm, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		guests = append(guests, guest{name, wasm})
		bar.line("built    %s.wasm, %s, in %s", name, sizeText(int64(len(wasm))), durationText(time.Since(started)))
	}
	return guests, nil
}

func goBuild(ctx context.Context, environ []string, root, out, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildmode=c-shared", "-o", out, pkg)
	cmd.Dir = root
	cmd.Env = slices.Concat(environ, []string{"GOOS=wasip1", "GOARCH=wasm"})
	output, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return errors.New("the demo builds its guests with Go, and there is no go command on the PATH: install Go 1.26 or later")
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, output)
	}
	return nil
}

var moduleLine = regexp.MustCompile(`(?m)^module github\.com/taskhost/taskhost$`)

// findCheckout looks for the project's root, upwards from here.
func findCheckout() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if text, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil && moduleLine.Match(bytes.ReplaceAll(text, []byte("\r"), nil)) {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("the demo builds the project's examples: run it in a clone of the project")
		}
		dir = parent
	}
}
