package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/taskhost/taskhost/host"
)

const (
	// moduleName is the file with the module as it was uploaded, and readyName the
	// one that says that it has been compiled.
	moduleName = "module.wasm"
	readyName  = "ready"
)

// moduleDir is the directory of a module: what its workers can read, and nothing else.
func (p *Pool) moduleDir(digest string) string { return filepath.Join(p.dir, host.CacheName(digest)) }

// Prepared reports whether a module can be executed without being prepared.
func (p *Pool) Prepared(digest string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.isReady(p.module(digest))
}

// isReady looks on the disk once. The lock is held.
func (p *Pool) isReady(m *module) bool {
	if !m.ready && m.working == nil {
		dir := p.moduleDir(m.digest)
		info, err := os.Stat(dir)
		if err == nil {
			_, err = os.Stat(filepath.Join(dir, readyName))
		}
		// Modes may have been lost where the directory was copied: compiling mends them.
		m.ready = err == nil && (!p.isolation.nobody || info.Mode().Perm()&0o005 == 0o005)
	}
	return m.ready
}

// forget has a module compiled again before it is executed next.
func (p *Pool) forget(digest string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.module(digest).ready = false
	_ = os.Remove(filepath.Join(p.moduleDir(digest), readyName))
}

// Prepare checks a module, and compiles it in a worker, once; concurrent calls share
// the work. It returns a *host.ModuleError where the module is at fault. ctx bounds
// the work.
func (p *Pool) Prepare(ctx context.Context, digest string, wasm []byte) error {
	_, err := p.prepare(ctx, digest, wasm, false)
	return err
}

// Inspect prepares a module and says what it is. It returns a *host.ModuleError where
// the module is at fault.
func (p *Pool) Inspect(ctx context.Context, digest string, wasm []byte) (*host.Inspection, error) {
	return p.prepare(ctx, digest, wasm, true)
}

// prepare compiles a module, or looks at it again.
func (p *Pool) prepare(ctx context.Context, digest string, wasm []byte, again bool) (*host.Inspection, error) {
	if err := host.Check(wasm); err != nil {
		return nil, err
	}
	for {
		p.mu.Lock()
		m := p.module(digest)
		if p.isReady(m) && !again {
			p.mu.Unlock()
			return nil, nil //nolint:nilnil // there is nothing to do, and nobody asked what it is
		}
		if m.working == nil {
			m.working = make(chan struct{})
			p.mu.Unlock()
			found, err := p.compile(ctx, digest, wasm)
			p.mu.Lock()
			m.ready = err == nil
			close(m.working)
			m.working = nil
			p.mu.Unlock()
			return found, err
		}
		working := m.working
		p.mu.Unlock()
		select {
		case <-working: // and see what came of it
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// compile has a worker compile a module into its directory.
func (p *Pool) compile(ctx context.Context, digest string, wasm []byte) (_ *host.Inspection, err error) {
	select {
	case p.compiles <- struct{}{}:
		defer func() { <-p.compiles }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	path := p.moduleDir(digest)
	if err := p.open(path, wasm); err != nil {
		return nil, fmt.Errorf("make the directory of a module: %w", err)
	}
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	limit := &host.ModuleError{Reason: fmt.Sprintf("limit compile time: the module takes longer than %v to compile: split it, or build it without inlining", p.config.CompileTimeout)}
	ctx, cancel := context.WithTimeoutCause(ctx, p.config.CompileTimeout, limit)
	defer cancel()
	found, err := p.compileIn(ctx, dir, digest, wasm)
	var death *deathError
	var refusal *host.ModuleError
	switch {
	case err == nil:
		return found, p.seal(path)
	case ctx.Err() != nil && errors.As(context.Cause(ctx), &refusal):
		err = refusal
	case ctx.Err() != nil:
		err = ctx.Err()
	case errors.As(err, &death) && death.cause == "out of memory":
		err = &host.ModuleError{Reason: fmt.Sprintf("limit compile memory: the module takes more than %d MiB to compile: split it, or build it without inlining", p.config.CompileMemory>>20), Err: err}
	case errors.As(err, &death):
		err = &host.ModuleError{Reason: "it cannot be compiled: " + death.Error(), Err: err}
	}
	return nil, errors.Join(err, os.RemoveAll(path))
}

func (p *Pool) compileIn(ctx context.Context, dir *os.File, digest string, wasm []byte) (*host.Inspection, error) {
	w, err := p.start(ctx, roleCompile, dir)
	if err != nil {
		return nil, err
	}
	release := w.killWhenDone(ctx) // also while the module is written, which may not be read
	m := newMessage(kindInspect)
	m.string(digest)
	m.string(string(wasm))
	err = m.writeTo(w.in)
	release()
	if err != nil {
		return nil, w.failed(err)
	}
	f, err := w.expect(ctx, kindInspected, maxInspected)
	if err != nil {
		p.config.Logger.WarnContext(ctx, "a sandbox worker ended while it compiled", slog.String("module", digest),
			slog.Any("error", err), slog.String("stderr", host.Clean(w.said.String(), headBytes+tailBytes)))
		return nil, err
	}
	err = getError(f)
	var found *host.Inspection
	if err == nil {
		found = getInspection(f)
		err = f.done()
	}
	if errors.Is(err, errFrame) {
		return nil, w.failed(err)
	}
	w.stop()
	return found, err
}

// open makes a directory that the worker which compiles can write to.
func (p *Pool) open(path string, wasm []byte) error {
	if err := os.MkdirAll(path, 0o755); err != nil { //nolint:gosec // workers are another user
		return err
	}
	// What is there without having been sealed was left by a worker that could write
	// there: it may be anything, such as a link to a file of ours.
	if _, err := os.Lstat(filepath.Join(path, readyName)); err != nil {
		if err := errors.Join(os.RemoveAll(path), os.Mkdir(path, 0o755)); err != nil { //nolint:gosec // the same
			return err
		}
	}
	if err := writeModule(path, wasm); err != nil {
		return err
	}
	return p.eachFile(path, func(root *os.Root, name string, mode fs.FileMode) error {
		if p.isolation.nobody {
			if err := root.Lchown(name, nobody, nobody); err != nil {
				return err
			}
		}
		if mode.IsDir() {
			return root.Chmod(name, 0o755)
		}
		return root.Chmod(name, 0o644)
	})
}

// writeModule puts the module there in one step, since workers that are just being
// started may read it, and through no link.
func writeModule(path string, wasm []byte) error {
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	const name = moduleName + ".new"
	for _, old := range []string{readyName, name} {
		if err := root.Remove(old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(err, root.Close())
		}
	}
	err = root.WriteFile(name, wasm, 0o644)
	if err == nil {
		err = root.Rename(name, moduleName)
	}
	return errors.Join(err, root.Close())
}

// seal takes a directory back, which is read from now on.
func (p *Pool) seal(path string) error {
	err := p.eachFile(path, func(root *os.Root, name string, mode fs.FileMode) error {
		if p.isolation.nobody {
			if err := root.Lchown(name, os.Geteuid(), os.Getegid()); err != nil {
				return err
			}
		}
		if mode.IsDir() {
			return root.Chmod(name, 0o755)
		}
		return root.Chmod(name, 0o444)
	})
	if err != nil {
		return errors.Join(fmt.Errorf("keep compiled code: %w", err), os.RemoveAll(path))
	}
	return os.WriteFile(filepath.Join(path, readyName), nil, 0o600)
}

var errNotOrdinary = errors.New("there is something else than files and directories")

// eachFile goes through a directory that strangers have written to.
func (p *Pool) eachFile(path string, each func(*os.Root, string, fs.FileMode) error) error {
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !entry.IsDir() && !entry.Type().IsRegular() {
			return errNotOrdinary
		}
		return each(root, name, entry.Type())
	})
	return errors.Join(err, root.Close())
}
