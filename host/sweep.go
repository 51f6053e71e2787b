package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// oldPrefix is before the name of a directory that is being removed. It is renamed
// first, at once, so that nobody finds half of it.
const oldPrefix = "old-"

// OldModules finds directories of modules in dir, by their names, which [CacheName] has
// given: those that were last used before a time, and are of no digest in stored. What
// was left of an earlier removal it removes.
func OldModules(dir string, stored []string, before time.Time) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	needed := make(map[string]bool, len(stored))
	for _, digest := range stored {
		needed[CacheName(digest)] = true
	}
	var old []string
	for _, entry := range entries {
		name := entry.Name()
		if rest, isOld := strings.CutPrefix(name, oldPrefix); isOld && isCacheName(rest) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, name)))
			continue
		}
		if !entry.IsDir() || !isCacheName(name) || needed[name] {
			continue
		}
		info, infoErr := entry.Info()
		switch {
		case errors.Is(infoErr, fs.ErrNotExist): // by somebody else
		case infoErr != nil:
			err = errors.Join(err, infoErr)
		case info.ModTime().Before(before):
			old = append(old, name)
		}
	}
	return old, err
}

// isCacheName tells what CacheName gives from whatever else is there.
func isCacheName(name string) bool {
	raw, err := hex.DecodeString(strings.TrimPrefix(name, namedPrefix))
	return err == nil && len(raw) == sha256.Size
}

// SetAsideOld renames the directory of a module, and returns what is to be removed.
func SetAsideOld(dir, name string) (string, error) {
	old := filepath.Join(dir, oldPrefix+name)
	if err := os.RemoveAll(old); err != nil {
		return "", err
	}
	return old, os.Rename(filepath.Join(dir, name), old)
}

// MarkUsed notes on the disk that the directory of a module was used, for later
// processes. It need not succeed.
func MarkUsed(dir string) {
	now := time.Now()
	_ = os.Chtimes(dir, now, now)
}

// RemoveOld removes the compiled code of modules that are not among stored, by their
// digests, once it has not been used for unused. One that comes back is compiled again.
// It returns what it removed, by the names of directories.
func (e *Engine) RemoveOld(ctx context.Context, stored []string, unused time.Duration) (removed []string, err error) {
	dir := e.config.CacheDir
	if dir == "" {
		return nil, nil
	}
	before := time.Now().Add(-unused)
	names, err := OldModules(dir, stored, before)
	for _, name := range names {
		path, one := e.removeOld(ctx, name, before)
		if one == nil && path != "" {
			removed = append(removed, name)
			one = os.RemoveAll(path)
		}
		err = errors.Join(err, one)
	}
	return removed, err
}

// removeOld sets the directory of a module aside, and lets go of the module, unless it
// is in use.
func (e *Engine) removeOld(ctx context.Context, name string, before time.Time) (path string, err error) {
	e.mu.Lock()
	var m *module
	for digest, one := range e.modules {
		if CacheName(digest) == name {
			m = one
		}
	}
	switch {
	case m == nil:
	case !m.isReady() || m.users > 0 || m.usedAt.After(before):
		e.mu.Unlock()
		return "", nil
	default:
		delete(e.modules, m.digest)
	}
	path, err = SetAsideOld(e.config.CacheDir, name)
	e.mu.Unlock()
	if m != nil {
		err = errors.Join(err, m.close(ctx))
	}
	return path, err
}
