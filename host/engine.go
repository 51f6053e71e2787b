package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/taskhost/taskhost/host/snapshot"
)

// Config says how an [Engine] works.
type Config struct {
	// CacheDir keeps compiled code, so that a restart need not compile again.
	// Its files are executable code: nobody else may be able to write there.
	// It is made if it does not exist. Defaults to none.
	CacheDir string
	// IdleInstances is how many instances are kept for the next executions, of
	// all modules together; the least recently used go first. Each may hold up
	// to 1 MiB. Defaults to 256.
	IdleInstances int
	// CodeBytes is how much compiled code is kept in memory, of all modules
	// together, in bytes; what was used least recently goes first, and what is in
	// use stays. Defaults to 512 MiB.
	CodeBytes int64
}

// Engine runs modules. It is safe for concurrent use, and has no goroutines of
// its own.
type Engine struct {
	config   Config
	space    *snapshot.Space
	patience time.Duration // of captures, less in tests
	// For tests, nil otherwise.
	onCompile func()
	onReset   func(*module, *instance)

	mu      sync.Mutex
	modules map[string]*module
	clock   uint64 // counts uses, for what was used least recently
	stats   Stats
}

// Stats are the figures of an [Engine] since it was made.
type Stats struct {
	// Modules is how many are prepared now, CodeBytes how much compiled code they
	// have, as an estimate, and IdleInstances how many instances wait for work.
	Modules       int
	CodeBytes     int64
	IdleInstances int
	// Compiled is how many modules were compiled, and Loaded how many came from
	// compiled code that was kept. Rebuilt is how many of the former were found
	// to be damaged there.
	Compiled, Loaded, Rebuilt int64
	// EvictedModules and EvictedInstances were let go because of the bounds.
	EvictedModules, EvictedInstances int64
	// Fresh and Pooled are executions in new instances and in used ones.
	Fresh, Pooled int64
	// Discarded is how many instances could not be used again.
	Discarded int64
}

// New returns an engine. ctx bounds the setting up only. The caller must Close
// it.
func New(ctx context.Context, config Config) (*Engine, error) {
	return newEngine(ctx, config, "")
}

// learnVersion makes a runtime once: wazero finds out its own version with the first
// one and keeps it in a variable that nothing guards.
var learnVersion = sync.OnceValue(func() error {
	ctx := context.Background()
	return wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler()).Close(ctx)
})

func newEngine(_ context.Context, config Config, method snapshot.Method) (*Engine, error) {
	setDefault(&config.IdleInstances, 256)
	setDefault(&config.CodeBytes, 512<<20)
	if config.CacheDir != "" {
		if err := os.MkdirAll(config.CacheDir, 0o700); err != nil {
			return nil, fmt.Errorf("make the directory for compiled modules: %w", err)
		}
	}
	if err := checkHostFuncs(); err != nil {
		return nil, fmt.Errorf("set up the host functions: %w", err)
	}
	if err := learnVersion(); err != nil {
		return nil, fmt.Errorf("start wazero: %w", err)
	}
	space, err := snapshot.NewSpace(method)
	if err != nil {
		return nil, err
	}
	return &Engine{config: config, space: space, patience: captureTimeout, modules: make(map[string]*module)}, nil
}

// Close frees what the engine holds. Executions must have ended.
func (e *Engine) Close(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var err error
	for digest, m := range e.modules {
		delete(e.modules, digest)
		err = errors.Join(err, m.close(ctx))
	}
	return errors.Join(err, e.space.Close())
}

// Stats returns the figures of the engine.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	stats := e.stats
	for _, m := range e.modules {
		if m.isReady() {
			stats.Modules++
			stats.CodeBytes += m.codeBytes
			stats.IdleInstances += len(m.idle)
		}
	}
	return stats
}

// Prepared reports whether a module can be executed without being prepared.
func (e *Engine) Prepared(digest string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	m := e.modules[digest]
	if m == nil || !m.isReady() {
		return false
	}
	e.use(m) // it is about to be executed
	return true
}

// Prepare checks and compiles a module, and keeps it under its digest, which
// is the caller's to compute. A module that is prepared already is not
// prepared again; concurrent calls share the work. It returns a *ModuleError
// where the module is at fault. ctx bounds the work, as far as wazero looks at
// it: between functions.
//
// A prepared module may be let go again once there are others, as [Config] says.
// [Engine.Prepared] tells.
func (e *Engine) Prepare(ctx context.Context, digest string, wasm []byte) error {
	e.mu.Lock()
	m := e.modules[digest]
	if m == nil {
		m = &module{engine: e, digest: digest, ready: make(chan struct{})}
		e.modules[digest] = m
		e.mu.Unlock()
		m.err = m.prepare(ctx, wasm)
		e.mu.Lock()
		if m.err != nil {
			delete(e.modules, digest)
		}
		close(m.ready)
		e.use(m)
		evicted := e.evictModules(m)
		spare := e.evictInstance() // the module has brought one
		e.mu.Unlock()
		err := errors.Join(m.err, closeAll(ctx, evicted))
		if spare != nil {
			err = errors.Join(err, spare.close(ctx))
		}
		return err
	}
	e.mu.Unlock()
	err := m.wait(ctx)
	if ctx.Err() == nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return e.Prepare(ctx, digest, wasm) // it was the other's context that ended
	}
	return err
}

// MinMemory is the memory that a prepared module starts with, in bytes.
func (e *Engine) MinMemory(ctx context.Context, digest string) (int64, error) {
	m, err := e.acquire(ctx, digest)
	if err != nil {
		return 0, err
	}
	defer e.release(m)
	return int64(m.image.Memory), nil
}

// IsCommand reports whether a prepared module is a WASI command: it declares no
// definitions, and all of it is one program that an attempt runs.
func (e *Engine) IsCommand(ctx context.Context, digest string) (bool, error) {
	m, err := e.acquire(ctx, digest)
	if err != nil {
		return false, err
	}
	defer e.release(m)
	return m.command, nil
}

// Note says, for the author of a prepared module, why its executions take longer than
// they would have to. It is empty where they don't.
func (e *Engine) Note(ctx context.Context, digest string) (string, error) {
	m, err := e.acquire(ctx, digest)
	if err != nil {
		return "", err
	}
	defer e.release(m)
	switch {
	case !m.resets:
		return "each execution has a new instance, which takes longer: the module changes its tables or drops data, or has a mutable global of a vector or a reference, and could not be taken back", nil
	case m.start.why != "":
		return "each execution sets the module up anew, which takes longer: " + m.start.why + ": do that when a task runs", nil
	default:
		return "", nil
	}
}

// ErrNotPrepared says that a module has not been prepared, or was let go.
var ErrNotPrepared = errors.New("has not been prepared")

// acquire returns a module that is ready, and that stays until it is released.
func (e *Engine) acquire(ctx context.Context, digest string) (*module, error) {
	e.mu.Lock()
	m := e.modules[digest]
	if m == nil {
		e.mu.Unlock()
		return nil, fmt.Errorf("module %s %w", digest, ErrNotPrepared)
	}
	m.users++
	e.use(m)
	e.mu.Unlock()
	if err := m.wait(ctx); err != nil {
		e.release(m)
		return nil, err
	}
	return m, nil
}

func (e *Engine) release(m *module) {
	e.mu.Lock()
	m.users--
	e.mu.Unlock()
}

// use notes that a module is in use.
func (e *Engine) use(m *module) {
	e.clock++
	m.used, m.usedAt = e.clock, time.Now()
}
