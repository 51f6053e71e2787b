package tests_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// buildTimeout bounds the building of everything, on a machine that has
// compiled nothing yet.
const buildTimeout = 8 * time.Minute

// kit is what the tests run.
type kit struct {
	// race is taskhost with the race detector, which most tests run; plain is
	// without, where time is measured or a compiler runs.
	race, plain string
	// guests are paths of modules, by the name that they are pushed under.
	guests map[string]string
	// template is the data directory of a server that was given the guests and
	// was stopped.
	template string
}

// guestDirs are the packages of the guests.
var guestDirs = map[string]string{
	"thumbnail": "./examples/wasm-tasks/thumbnail",
	"csvreport": "./examples/wasm-tasks/csvreport",
	"flaky":     "./examples/wasm-tasks/flaky",
	"slow":      "./tests/testdata/guests/slow",
}

var buildOnce = sync.OnceValues(buildKit)

// built returns the kit, and builds it for the first who asks.
func built(t *testing.T) *kit {
	t.Helper()
	k, err := buildOnce()
	require.NoError(t, err)
	return k
}

func buildKit() (*kit, error) {
	ctx, cancel := context.WithTimeout(context.Background(), buildTimeout)
	defer cancel()
	root, err := filepath.Abs("..")
	if err != nil {
		return nil, err
	}
	if err := noticeSources(root); err != nil {
		return nil, err
	}
	k := &kit{
		race:     filepath.Join(scratch, "taskhost-race"),
		plain:    filepath.Join(scratch, "taskhost"),
		guests:   make(map[string]string),
		template: filepath.Join(scratch, "template"),
	}
	var builds sync.WaitGroup
	var errs [3]error
	builds.Go(func() {
		errs[0] = goBuild(ctx, root, []string{"CGO_ENABLED=1"}, "-race", "-o", k.race, "./cmd/taskhost")
	})
	builds.Go(func() { errs[1] = goBuild(ctx, root, nil, "-o", k.plain, "./cmd/taskhost") })
	for name := range guestDirs {
		k.guests[name] = filepath.Join(scratch, name+".wasm")
	}
	builds.Go(func() {
		for name, dir := range guestDirs {
			errs[2] = errors.Join(errs[2], goBuild(ctx, root, []string{"GOOS=wasip1", "GOARCH=wasm"},
				"-trimpath", "-buildmode=c-shared", "-o", k.guests[name], dir))
		}
	})
	builds.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	return k, k.makeTemplate(ctx)
}

func goBuild(ctx context.Context, root string, env []string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"build"}, args...)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), env...)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", strings.Join(args, " "), err, output)
	}
	return nil
}

// makeTemplate serves twice and pushes the guests. It takes the binary without the
// race detector, with which a module takes half a minute to compile; what was
// compiled is kept in the data directory, for workers and for the process itself,
// where the binary with the detector has its guests.
func (k *kit) makeTemplate(ctx context.Context) error {
	for _, isolation := range []string{"inprocess", "worker"} {
		if err := k.pushInto(ctx, k.template, "--isolation", isolation); err != nil {
			return fmt.Errorf("isolation %s: %w", isolation, err)
		}
	}
	return nil
}

func (k *kit) pushInto(ctx context.Context, dir string, more ...string) (err error) {
	s, err := launch(ctx, k.plain, dir, more...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.end()) }()
	c := newClient(s.url, s.token)
	defer c.close()
	for name, path := range k.guests {
		wasm, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		a, err := c.send(ctx, "POST", "/v1/modules/"+name, wasm, "Content-Type", "application/wasm")
		if err != nil {
			return err
		}
		if a.status != 201 && a.status != 200 {
			return fmt.Errorf("push %s: %d %s", name, a.status, a.body)
		}
	}
	return nil
}

// dataDir returns a data directory in which the guests have been pushed.
func (k *kit) dataDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	copyTree(t, k.template, dir, "")
	return dir
}

// emptyDataDir returns one in which nothing was pushed, and whose cache knows
// the guests: pushing them takes no compiler.
func (k *kit) emptyDataDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	copyTree(t, filepath.Join(k.template, "cache"), filepath.Join(dir, "cache"), "")
	return dir
}

// copyTree copies what is in a directory and has the prefix in its name, with
// the modes.
func copyTree(t *testing.T, from, to, prefix string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), info.Mode().Perm())
		}
		if !strings.HasPrefix(entry.Name(), prefix) {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), content, info.Mode().Perm())
	}))
}

// noticeSources opens the folders of the module in this process, since go test
// keeps a verdict for as long as what the test itself has opened is the same,
// and does not know what the go command reads that it starts.
func noticeSources(root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir
		}
		return err
	})
}

// readGuest returns the bytes of a guest.
func (k *kit) readGuest(t *testing.T, name string) []byte {
	t.Helper()
	wasm, err := os.ReadFile(k.guests[name])
	require.NoError(t, err)
	require.True(t, bytes.HasPrefix(wasm, []byte("\x00asm")))
	return wasm
}
