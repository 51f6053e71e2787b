package guestbuild

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

var wasip1 = []string{"GOOS=wasip1", "GOARCH=wasm"}

func golang() *toolchain {
	return &toolchain{
		language: "Go",
		main:     "main.go",
		find:     findGo,
		steps:    goSteps,
		byHand:   "install Go 1.26 or later.",
	}
}

func findGo(ctx context.Context) (compiler, error) {
	version, err := exec.CommandContext(ctx, "go", "env", "GOVERSION").Output()
	if err != nil {
		return compiler{}, fmt.Errorf("go env GOVERSION: %w", err)
	}
	return compiler{path: "go", version: string(version)}, nil
}

func goSteps(c compiler, j job) ([]step, error) {
	mode, err := buildMode(j.dir)
	if err != nil {
		return nil, err
	}
	return []step{{
		env:  wasip1,
		args: []string{c.path, "build", "-trimpath", "-buildmode=" + mode, "-o", j.out, j.dir},
	}}, nil
}

// buildMode is that of a guest, or of a WASI command for a program that neither
// imports the SDK nor exports anything itself.
func buildMode(dir string) (string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return "", err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		if bytes.Contains(text, []byte("\n//go:wasmexport ")) || bytes.Contains(text, []byte(`"github.com/taskhost/taskhost/guest-sdk`)) {
			return "c-shared", nil
		}
	}
	return "exe", nil
}

// goInputs are the files of the guest and of all that it imports, but for the
// standard library, which has the version of Go.
func goInputs(ctx context.Context, j job) ([]string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-json=Dir,GoFiles,EmbedFiles,Standard", j.dir)
	cmd.Dir = j.root
	cmd.Env = append(os.Environ(), wasip1...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, stderr.String())
	}
	var files []string
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var pkg struct {
			Dir                 string
			GoFiles, EmbedFiles []string
			Standard            bool
		}
		err := decoder.Decode(&pkg)
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		for _, file := range append(pkg.GoFiles, pkg.EmbedFiles...) {
			if !pkg.Standard {
				files = append(files, filepath.Join(pkg.Dir, file))
			}
		}
	}
}
