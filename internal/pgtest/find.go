package pgtest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// oldest is the oldest major version that Taskhost works with.
const oldest = 14

// errNotFound is wrapped where the machine has no Postgres to start.
var errNotFound = errors.New("found no Postgres server: " +
	"install one (Debian: apt-get install postgresql; macOS: brew install postgresql@17), " +
	"or let `go run ./internal/pgtest/run true` do it")

// folders is where systems put the servers that they do not put on the PATH.
var folders = []string{
	"/usr/lib/postgresql/*/bin", // Debian
	"/usr/pgsql-*/bin",          // Red Hat
	"/opt/homebrew/opt/postgresql@*/bin",
	"/usr/local/opt/postgresql@*/bin",
}

// binaries are the programs of one installation.
type binaries struct {
	initdb, postgres string
}

// find finds the server on the PATH, else the newest in folders, which are
// patterns.
func find(ctx context.Context, account account, folders []string) (binaries, error) {
	var candidates []binaries
	for _, folder := range filepath.SplitList(os.Getenv("PATH")) {
		candidates = append(candidates, in(folder))
	}
	var others []string
	for _, pattern := range folders {
		matches, _ := filepath.Glob(pattern) // it fails for a bad pattern alone
		others = append(others, matches...)
	}
	version := func(folder string) int { return number(filepath.Base(filepath.Dir(folder))) }
	slices.SortStableFunc(others, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
	for _, folder := range others {
		candidates = append(candidates, in(folder))
	}
	var unfit []error
	for _, candidate := range candidates {
		if _, err := exec.LookPath(candidate.postgres); err != nil {
			continue
		}
		if err := candidate.check(ctx, account); err != nil {
			unfit = append(unfit, err)
			continue
		}
		return candidate, nil
	}
	return binaries{}, errors.Join(append(unfit, errNotFound)...)
}

func in(folder string) binaries {
	return binaries{initdb: filepath.Join(folder, "initdb"), postgres: filepath.Join(folder, "postgres")}
}

var digits = regexp.MustCompile(`\d+`)

// number is the first one in a text: the major version, in the name of a folder
// and in what the programs say of themselves.
func number(text string) int {
	n, _ := strconv.Atoi(digits.FindString(text)) // 0 if there is none
	return n
}

// check runs both programs as the account, which may not be able to where root
// is, and compares their versions: links may lead to different installations.
func (b binaries) check(ctx context.Context, account account) error {
	var versions []int
	for _, program := range []string{b.initdb, b.postgres} {
		cmd := account.command(ctx, program, "--version")
		cmd.Dir = "/"
		output, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("%s%s: %w", cmd, account, err)
		}
		_, version, _ := bytes.Cut(output, []byte(") ")) // "initdb (PostgreSQL) 17.2"
		versions = append(versions, number(string(version)))
	}
	if versions[0] != versions[1] {
		return fmt.Errorf("%s is of Postgres %d and %s of %d", b.initdb, versions[0], b.postgres, versions[1])
	}
	if versions[0] < oldest {
		return fmt.Errorf("%s is of Postgres %d, and Taskhost needs %d or newer", b.postgres, versions[0], oldest)
	}
	return nil
}
