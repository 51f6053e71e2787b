package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/taskhost/taskhost/host/wasi"
)

// Config says how an [Engine] works.
type Config struct {
	// CacheDir keeps compiled code, so that a restart need not compile again.
	// Its files are executable code: nobody else may be able to write there.
	// It is made if it does not exist. Defaults to none.
	CacheDir string
}

// Engine runs modules. It is safe for concurrent use, and has no goroutines of
// its own.
type Engine struct {
	runtime   wazero.Runtime
	cache     wazero.CompilationCache // nil without a CacheDir
	onCompile func()                  // for tests, nil otherwise

	mu      sync.Mutex
	modules map[string]*module
}

// module is a prepared module, or one that is being prepared.
type module struct {
	ready    chan struct{} // closed when the fields below are set
	compiled wazero.CompiledModule
	// minMemory is the memory that the module starts with, in bytes.
	minMemory int64
	command   bool
	err       error
}

// New returns an engine. ctx bounds the setting up only. The caller must Close
// it.
func New(ctx context.Context, config Config) (*Engine, error) {
	e := &Engine{modules: make(map[string]*module)}
	rc := wazero.NewRuntimeConfigCompiler().
		WithCoreFeatures(api.CoreFeaturesV2).
		WithMemoryLimitPages(MaxMemory / pageSize).
		WithDebugInfoEnabled(false)
	if config.CacheDir != "" {
		if err := os.MkdirAll(config.CacheDir, 0o700); err != nil {
			return nil, fmt.Errorf("make the directory for compiled modules: %w", err)
		}
		cache, err := wazero.NewCompilationCacheWithDir(config.CacheDir)
		if err != nil {
			return nil, fmt.Errorf("open the directory for compiled modules: %w", err)
		}
		e.cache = cache
		rc = rc.WithCompilationCache(cache)
	}
	ctx = context.WithoutCancel(ctx)
	e.runtime = wazero.NewRuntimeWithConfig(ctx, rc)
	if _, err := wasi.Instantiate(ctx, e.runtime); err != nil {
		return nil, errors.Join(fmt.Errorf("set up WASI: %w", err), e.Close(ctx))
	}
	if err := instantiateHostModule(ctx, e.runtime); err != nil {
		return nil, errors.Join(fmt.Errorf("set up the host functions: %w", err), e.Close(ctx))
	}
	return e, nil
}

// Close frees what the engine holds. Executions must have ended.
func (e *Engine) Close(ctx context.Context) error {
	err := e.runtime.Close(ctx)
	if e.cache != nil {
		err = errors.Join(err, e.cache.Close(ctx))
	}
	return err
}

// Prepared reports whether a module can be executed without being prepared.
func (e *Engine) Prepared(digest string) bool {
	e.mu.Lock()
	m := e.modules[digest]
	e.mu.Unlock()
	if m == nil {
		return false
	}
	select {
	case <-m.ready:
		return m.err == nil
	default:
		return false
	}
}

// Prepare checks and compiles a module, and keeps it under its digest, which
// is the caller's to compute. A module that is prepared already is not
// prepared again; concurrent calls share the work. It returns a *ModuleError
// where the module is at fault. ctx bounds the work, as far as wazero looks at
// it: between functions.
func (e *Engine) Prepare(ctx context.Context, digest string, wasm []byte) error {
	e.mu.Lock()
	m := e.modules[digest]
	if m == nil {
		m = &module{ready: make(chan struct{})}
		e.modules[digest] = m
		e.mu.Unlock()
		m.err = e.prepare(ctx, m, wasm)
		if m.err != nil {
			e.mu.Lock()
			delete(e.modules, digest)
			e.mu.Unlock()
		}
		close(m.ready)
		return m.err
	}
	e.mu.Unlock()
	err := m.wait(ctx)
	if ctx.Err() == nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return e.Prepare(ctx, digest, wasm) // it was the other's context that ended
	}
	return err
}

// wait waits for a module that is being prepared.
func (m *module) wait(ctx context.Context) error {
	select {
	case <-m.ready:
		return m.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *Engine) prepare(ctx context.Context, m *module, wasm []byte) error {
	file, err := check(wasm)
	if err != nil {
		return err
	}
	m.command = isCommand(file)
	if len(file.Memories) > 0 {
		m.minMemory = int64(file.Memories[0].Min) * pageSize
	}
	code, err := e.instrument(file, wasm)
	if err != nil {
		return err
	}
	m.compiled, err = e.compile(ctx, code)
	return err
}

// compile survives wazero's validator, which panics on some modules.
func (e *Engine) compile(ctx context.Context, wasm []byte) (compiled wazero.CompiledModule, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &ModuleError{Reason: "it is not a valid module: " + capped(fmt.Sprint(p), maxMessage)}
		}
	}()
	// With two workers or more wazero looks at the context while it compiles.
	ctx = experimental.WithCompilationWorkers(ctx, max(2, runtime.GOMAXPROCS(0)))
	compiled, err = e.runtime.CompileModule(ctx, wasm)
	switch {
	case err == nil:
		return compiled, nil
	case errors.Is(ctx.Err(), context.Canceled):
		return nil, fmt.Errorf("compile the module: %w", ctx.Err())
	case ctx.Err() != nil:
		return nil, &ModuleError{Reason: "limit compile time: the module takes too long to compile: split it, or build it without inlining", Err: ctx.Err()}
	default:
		return nil, &ModuleError{Reason: "it cannot be compiled: " + capped(err.Error(), maxMessage), Err: err}
	}
}

// MinMemory is the memory that a prepared module starts with, in bytes.
func (e *Engine) MinMemory(ctx context.Context, digest string) (int64, error) {
	m, err := e.prepared(ctx, digest)
	if err != nil {
		return 0, err
	}
	return m.minMemory, nil
}

// IsCommand reports whether a prepared module is a WASI command: it declares no
// definitions, and all of it is one program that an attempt runs.
func (e *Engine) IsCommand(ctx context.Context, digest string) (bool, error) {
	m, err := e.prepared(ctx, digest)
	if err != nil {
		return false, err
	}
	return m.command, nil
}

// prepared returns a module that is ready.
func (e *Engine) prepared(ctx context.Context, digest string) (*module, error) {
	e.mu.Lock()
	m := e.modules[digest]
	e.mu.Unlock()
	if m == nil {
		return nil, fmt.Errorf("module %s has not been prepared", digest)
	}
	return m, m.wait(ctx)
}
