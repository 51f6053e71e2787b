package guestbuild

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// poll is how often a process looks whether another has built what both want.
const poll = 50 * time.Millisecond

// cached takes a module from .build, or builds it. A folder's last module is kept
// and no other, so that .build does not grow with every edit.
func cached(ctx context.Context, tools *toolchain, j job) ([]byte, error) {
	found, err := tools.find(ctx)
	if err != nil {
		return nil, tools.blame(ctx, err)
	}
	key, err := tools.key(ctx, found, j)
	if err != nil {
		return nil, err
	}
	kept := filepath.Join(j.root, ".build", "cache", "guests", folderName(j.dir))
	if err := os.MkdirAll(kept, 0o755); err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(kept, "lock"))
	if _, err := lock.TryLockContext(ctx, poll); err != nil {
		return nil, fmt.Errorf("wait for another build of it: %w", err)
	}
	defer func() { _ = lock.Unlock() }() // closing the file does it too

	file := filepath.Join(kept, key+".wasm")
	wasm, err := os.ReadFile(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return wasm, err
	}
	// In the same folder, so that the module can be moved to its place at once.
	if j.temp, err = os.MkdirTemp(kept, "build-"); err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(j.temp) }() // make clean removes it
	j.out = filepath.Join(j.temp, "guest.wasm")
	if err := tools.make(ctx, found, j); err != nil {
		return nil, tools.blame(ctx, err)
	}
	if wasm, err = os.ReadFile(j.out); err != nil {
		return nil, err
	}
	olds, err := filepath.Glob(filepath.Join(kept, "*.wasm"))
	if err != nil {
		return nil, err
	}
	for _, old := range olds {
		if err := os.Remove(old); err != nil {
			return nil, err
		}
	}
	return wasm, os.Rename(j.out, file)
}

// blame asks, after a build that failed, whether the toolchain is whole: an author
// whose C library is missing should not look for the mistake in the guest.
func (tools *toolchain) blame(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	if missing := tools.check(ctx); missing != nil {
		return missing
	}
	return err
}

// folderName names a folder uniquely and legibly.
func folderName(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return filepath.Base(dir) + "-" + hex.EncodeToString(sum[:4])
}

// key is made from all that a module depends on. Reading the sources here also
// makes go test notice when they change.
func (tools *toolchain) key(ctx context.Context, c compiler, j job) (string, error) {
	files, err := tools.inputs(ctx, j)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	put(h, tools.language, c.version)
	steps, err := tools.steps(c, j)
	if err != nil {
		return "", err
	}
	for _, step := range steps {
		put(h, step.env...)
		put(h, step.args...)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		put(h, file, string(content))
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}

func put(h hash.Hash, texts ...string) {
	for _, text := range texts {
		fmt.Fprintf(h, "%d:%s", len(text), text) //nolint:errcheck // a hash takes everything
	}
}

// inputs lists the files that a guest is made from.
func (tools *toolchain) inputs(ctx context.Context, j job) ([]string, error) {
	if tools.sdk == "" {
		return goInputs(ctx, j)
	}
	var files []string
	for _, dir := range []string{j.dir, filepath.Join(j.root, filepath.FromSlash(tools.sdk))} {
		err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() && !strings.HasPrefix(entry.Name(), ".") {
				files = append(files, name)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(files)
	return files, nil
}
