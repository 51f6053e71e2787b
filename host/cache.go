package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tetratelabs/wazero"
)

// Compiled code is kept in one directory a module, named by its digest, which
// wazero keeps apart by its own version, by the processor and by what the module
// was rewritten to. What is there is checked before wazero reads it: the lengths
// that it states are believed.

// sumsName is the file with the digests of the others in the directory.
const sumsName = "sums"

// kept is what was found in the directory of a module.
type kept struct {
	dir  string // empty where nothing is to be kept
	sums string // of what is there, empty where nothing is
	err  error  // what is there is of no use
}

// lookUp looks at what is kept of the module.
func (m *module) lookUp() (k kept) {
	if m.engine.config.CacheDir != "" {
		k.dir = filepath.Join(m.engine.config.CacheDir, CacheName(m.digest))
		k.sums, k.err = checkKept(k.dir)
	}
	return k
}

// load compiles the module, or takes what is kept.
func (m *module) load(ctx context.Context, k kept, code *instrumented) error {
	if k.dir != "" {
		err := m.loadKept(ctx, k, code)
		if !isCacheFailure(err) {
			return err
		}
		// A disk that is full or cannot be read must not stop tasks.
		if err := m.closeRuntime(ctx); err != nil {
			return err
		}
	}
	if err := m.newRuntime(ctx); err != nil {
		return err
	}
	m.count(func(s *Stats) { s.Compiled++ })
	return m.compile(ctx, code.code)
}

// loadKept uses a directory for compiled code, and rebuilds what is damaged there.
func (m *module) loadKept(ctx context.Context, k kept, code *instrumented) error {
	before, err := listing(k.dir), k.err
	if err == nil {
		err = m.loadFrom(ctx, k.dir, code.code)
	}
	if isDamaged(err) {
		m.count(func(s *Stats) { s.Rebuilt++ })
		if err := errors.Join(m.closeRuntime(ctx), os.RemoveAll(k.dir)); err != nil {
			return err
		}
		k.sums, err = "", m.loadFrom(ctx, k.dir, code.code)
	}
	if err != nil {
		return err
	}
	if k.sums != "" && listing(k.dir) == before { // wazero wrote nothing
		MarkUsed(k.dir)
		m.count(func(s *Stats) { s.Loaded++ })
		return nil
	}
	m.count(func(s *Stats) { s.Compiled++ })
	_ = code.keep(k.dir) // without, it is made and compiled again next time
	if now, err := sums(k.dir); err == nil {
		_ = writeSums(k.dir, now)
	}
	return nil
}

func (m *module) loadFrom(ctx context.Context, dir string, code []byte) (err error) {
	if m.cache, err = wazero.NewCompilationCacheWithDir(dir); err != nil {
		m.cache = nil
		return fmt.Errorf("%w: %w", errNoDir, err)
	}
	if err := m.newRuntime(ctx); err != nil {
		return err
	}
	return m.compile(ctx, code)
}

func (m *module) count(change func(*Stats)) {
	m.engine.mu.Lock()
	change(&m.engine.stats)
	m.engine.mu.Unlock()
}

// namedPrefix begins the directories of modules whose digest is not one.
const namedPrefix = "named-"

// CacheName is the name of a module's directory. A digest is the caller's, who may
// have named the module in another way.
func CacheName(digest string) string {
	if raw, err := hex.DecodeString(digest); err == nil && len(raw) == sha256.Size {
		return strings.ToLower(digest)
	}
	sum := sha256.Sum256([]byte(digest))
	return namedPrefix + hex.EncodeToString(sum[:])
}

// errNoDir is that of a directory that could not be made. wazero's own has no type.
var errNoDir = errors.New("compiled code cannot be kept")

var errDamaged = errors.New("compiled code is not what was written")

// isDamaged reports whether compiled code is not what was written. wazero says so
// in no other way, and begins no other error like that.
func isDamaged(err error) bool {
	return err != nil && (errors.Is(err, errDamaged) || strings.HasPrefix(err.Error(), "compilationcache: "))
}

// isCacheFailure reports whether an error is of the directory for compiled code and
// not of the module: wazero does nothing else with files.
func isCacheFailure(err error) bool {
	var path *fs.PathError
	var link *os.LinkError
	return errors.As(err, &path) || errors.As(err, &link) || errors.Is(err, errNoDir) || isDamaged(err)
}

// checkKept gives the sums of what is kept, or nothing where nothing is.
func checkKept(dir string) (string, error) {
	written, err := os.ReadFile(filepath.Join(dir, sumsName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	have, err := sums(dir)
	if err != nil {
		return "", err
	}
	if have != string(written) {
		return "", errDamaged
	}
	return have, nil
}

// sums is a line of digest and name for each file that is kept.
func sums(dir string) (string, error) {
	var text strings.Builder
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil || entry.IsDir():
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || name == sumsName || strings.HasSuffix(name, ".tmp") {
			return err
		}
		if !entry.Type().IsRegular() { // which may have no end
			return errDamaged
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		sum := sha256.New()
		if _, err = io.Copy(sum, file); err == nil {
			fmt.Fprintf(&text, "%x  %s\n", sum.Sum(nil), filepath.ToSlash(name))
		}
		return errors.Join(err, file.Close())
	})
	return text.String(), err
}

// listing tells whether there is anything new in a directory.
func listing(dir string) string {
	var text strings.Builder
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil //nolint:nilerr // it is then not in either listing
		}
		if info, err := entry.Info(); err == nil {
			fmt.Fprintln(&text, path, info.Size(), info.ModTime().UnixNano())
		}
		return nil
	})
	return text.String()
}

// writeSums writes them at once or not at all.
func writeSums(dir, text string) error {
	temporary := filepath.Join(dir, fmt.Sprintf("%s.%d.tmp", sumsName, os.Getpid()))
	if err := os.WriteFile(temporary, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, filepath.Join(dir, sumsName))
}
