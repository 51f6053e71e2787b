package guestbuild

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func clang() *toolchain {
	return &toolchain{
		language: "C",
		main:     "main.c",
		sdk:      "guest-sdk/c",
		find:     findClang,
		steps:    clangSteps,
		// The C library, and compiler-rt, without which nothing can be linked.
		probe:    "#include <stdlib.h>\n__attribute__((export_name(\"f\"))) int f(void) { return rand(); }\n",
		packages: []string{"clang", "lld", "wasi-libc", "libclang-rt-dev-wasm32"},
		byHand: "install clang, lld, wasi-libc and compiler-rt for wasm32 " +
			"(Debian: apt-get install clang lld wasi-libc libclang-rt-dev-wasm32).",
	}
}

func findClang(ctx context.Context) (compiler, error) {
	version, err := exec.CommandContext(ctx, "clang", "--version").Output()
	if err != nil {
		return compiler{}, fmt.Errorf("clang --version: %w", err)
	}
	return compiler{path: "clang", version: string(version)}, nil
}

// clangSteps compiles and links apart: a clang that links with -O runs wasm-opt
// where it finds one, and a guest must not depend on what else is installed.
func clangSteps(c compiler, j job) ([]step, error) {
	sources, err := filepath.Glob(filepath.Join(j.dir, "*.c"))
	if err != nil {
		return nil, err
	}
	compile := []string{c.path, "--target=wasm32-wasi", "-O2", "-Wall", "-Wextra", "-Werror", "-I", "guest-sdk/c", "-c"}
	// With its stack first, a guest that uses too much of it traps. Otherwise it
	// would write over its own data.
	link := []string{c.path, "--target=wasm32-wasi", "-mexec-model=reactor", "-Wl,--stack-first,--strip-debug", "-o", j.out}
	var steps []step
	for _, source := range sources {
		name, err := filepath.Rel(j.root, source) // what __FILE__ is, which people read
		if err != nil {
			return nil, err
		}
		object := filepath.Join(j.temp, strings.TrimSuffix(filepath.Base(source), ".c")+".o")
		steps = append(steps, step{args: append(slices.Clone(compile), name, "-o", object)})
		link = append(link, object)
	}
	return append(steps, step{args: link}), nil
}
