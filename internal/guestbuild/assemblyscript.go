package guestbuild

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
)

// The compiler's exact version, and those of what it needs. To move to another:
// npm install --omit-lockfile-registry-resolved, in this folder.
//
//go:embed npm/package.json npm/package-lock.json
var npmFiles embed.FS

var npmNames = []string{"package.json", "package-lock.json"}

func assemblyScript() *toolchain {
	return &toolchain{
		language: "AssemblyScript",
		main:     "main.ts",
		sdk:      "guest-sdk/assemblyscript",
		find:     findAssemblyScript,
		steps:    assemblyScriptSteps,
		packages: []string{"nodejs", "npm"},
		byHand: "install Node.js 18 or later with npm (Debian: apt-get install nodejs npm), " +
			"and run the command above as yourself.",
	}
}

func npmFolder(root string) string { return filepath.Join(root, ".build", "npm") }

func ascPath(root string) string {
	return filepath.Join(npmFolder(root), "node_modules", "assemblyscript", "bin", "asc.js")
}

// findAssemblyScript finds what the lockfile names, if that has been installed.
func findAssemblyScript(ctx context.Context) (compiler, error) {
	root, err := findRoot()
	if err != nil {
		return compiler{}, err
	}
	node, err := exec.CommandContext(ctx, "node", "--version").Output()
	if err != nil {
		return compiler{}, fmt.Errorf("node --version: %w", err)
	}
	version := string(node)
	for _, name := range npmNames {
		want, err := npmFiles.ReadFile(path.Join("npm", name))
		if err != nil {
			return compiler{}, err
		}
		have, err := os.ReadFile(filepath.Join(npmFolder(root), name))
		if errors.Is(err, fs.ErrNotExist) || err == nil && !bytes.Equal(want, have) {
			return compiler{}, fmt.Errorf("the compiler of the version that %s names is not in %s", name, npmFolder(root))
		}
		if err != nil {
			return compiler{}, err
		}
		version += string(want)
	}
	_, err = os.Stat(ascPath(root))
	return compiler{path: ascPath(root), version: version}, err
}

// assemblyScriptSteps has the SDK stand in for what the compiler would import from
// a browser: the end of a guest that fails, and the seed of Math.random.
func assemblyScriptSteps(c compiler, j job) ([]step, error) {
	main, err := filepath.Rel(j.root, filepath.Join(j.dir, "main.ts"))
	if err != nil {
		return nil, err
	}
	return []step{{args: []string{
		"node", c.path, filepath.ToSlash(main), "--outFile", j.out, "-O3", "--exportStart", "_initialize",
		"--use", "abort=guest-sdk/assemblyscript/taskhost/abort", "--use", "seed=guest-sdk/assemblyscript/taskhost/seed",
	}}}, nil
}

// installNPM installs the compiler, in .build and for this clone alone. Its
// packages run nothing of their own meanwhile.
func installNPM(ctx context.Context, output *os.File, root string) error {
	folder := npmFolder(root)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, name := range npmNames {
		content, err := npmFiles.ReadFile(path.Join("npm", name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o644); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir, cmd.Stdout, cmd.Stderr = folder, output, output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("npm ci in %s: %w", folder, err)
	}
	return nil
}
