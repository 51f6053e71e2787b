package guestbuild

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

func rust() *toolchain {
	return &toolchain{
		language: "Rust",
		main:     "main.rs",
		sdk:      "guest-sdk/rust",
		version: func(ctx context.Context) (string, error) {
			found, err := findRust(ctx)
			return found.version, err
		},
		steps:    rustSteps,
		probe:    "#[no_mangle]\npub extern \"C\" fn f() -> usize { vec![1, 2].len() }\n",
		packages: []string{"rustc", "libstd-rust-dev-wasm32", "lld"},
		byHand: "install rustc with the target wasm32-wasip1 or wasm32-wasi, and lld " +
			"(Debian: apt-get install rustc libstd-rust-dev-wasm32 lld; rustup: rustup target add wasm32-wasip1).",
	}
}

// A rustc that has a WASI target.
type rustc struct {
	path, target, version string
}

// findRust looks for a rustc whose standard library for WASI is there. The one on
// the PATH may be another than Debian's and lack it. The target has been renamed:
// Rust has known wasm32-wasi up to 1.83 and wasm32-wasip1 from 1.78 on.
func findRust(ctx context.Context) (rustc, error) {
	errs := []error{errors.New("found no rustc with a WASI target")}
	for _, name := range []string{"rustc", "/usr/bin/rustc"} {
		path, err := exec.LookPath(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		version, err := exec.CommandContext(ctx, path, "--version", "--verbose").Output()
		if err != nil {
			errs = append(errs, fmt.Errorf("%s --version: %w", path, err))
			continue
		}
		for _, target := range []string{"wasm32-wasip1", "wasm32-wasi"} {
			dir, err := exec.CommandContext(ctx, path, "--print", "target-libdir", "--target", target).Output()
			if err != nil {
				continue // it does not know the name
			}
			if found, _ := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "libstd-*.rlib")); len(found) > 0 {
				return rustc{path, target, string(version) + target}, nil
			}
		}
		errs = append(errs, fmt.Errorf("%s has no standard library for WASI", path))
	}
	return rustc{}, errors.Join(errs...)
}

func rustSteps(ctx context.Context, j job) ([]step, error) {
	found, err := findRust(ctx)
	if err != nil {
		return nil, err
	}
	main, err := filepath.Rel(j.root, filepath.Join(j.dir, "main.rs")) // panics name it
	if err != nil {
		return nil, err
	}
	return []step{{args: []string{
		found.path, "--edition", "2021", "--crate-name", "guest", "--crate-type", "cdylib", "--target", found.target,
		"-D", "warnings", "-C", "opt-level=3", "-C", "strip=debuginfo", "-o", j.out, main,
	}}}, nil
}
