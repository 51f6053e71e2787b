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
		find:     findRust,
		steps:    rustSteps,
		probe:    "#[no_mangle]\npub extern \"C\" fn f() -> usize { vec![1, 2].len() }\n",
		packages: []string{"rustc", "libstd-rust-dev-wasm32", "lld"},
		byHand: "install rustc with the target wasm32-wasip1 or wasm32-wasi, and lld " +
			"(Debian: apt-get install rustc libstd-rust-dev-wasm32 lld; rustup: rustup target add wasm32-wasip1).",
	}
}

// findRust looks for a rustc whose standard library for WASI is there. The one on
// the PATH may be another than Debian's and lack it. The target has been renamed:
// Rust has known wasm32-wasi up to 1.83 and wasm32-wasip1 from 1.78 on.
func findRust(ctx context.Context) (compiler, error) {
	errs := []error{errors.New("found no rustc with a WASI target")}
	for _, name := range []string{"rustc", "/usr/bin/rustc"} {
		sysroot, err := exec.CommandContext(ctx, name, "--print", "sysroot").Output()
		if err != nil {
			errs = append(errs, fmt.Errorf("%s --print sysroot: %w", name, err))
			continue
		}
		for _, target := range []string{"wasm32-wasip1", "wasm32-wasi"} {
			library := filepath.Join(strings.TrimSpace(string(sysroot)), "lib", "rustlib", target, "lib", "libstd-*.rlib")
			if found, _ := filepath.Glob(library); len(found) == 0 {
				continue
			}
			version, err := exec.CommandContext(ctx, name, "--version", "--verbose").Output()
			return compiler{path: name, target: target, version: string(version)}, err
		}
		errs = append(errs, fmt.Errorf("%s has no standard library for WASI", name))
	}
	return compiler{}, errors.Join(errs...)
}

func rustSteps(c compiler, j job) ([]step, error) {
	main, err := filepath.Rel(j.root, filepath.Join(j.dir, "main.rs")) // panics name it
	if err != nil {
		return nil, err
	}
	return []step{{args: []string{
		c.path, "--edition", "2021", "--crate-name", "guest", "--crate-type", "cdylib", "--target", c.target,
		"-D", "warnings", "-C", "opt-level=3", "-C", "strip=debuginfo", "-o", j.out, main,
	}}}, nil
}
