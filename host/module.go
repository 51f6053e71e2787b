package host

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/taskhost/taskhost/host/snapshot"
	"github.com/taskhost/taskhost/host/wasi"
)

// module is a prepared module, or one that is being prepared. It has a runtime of
// its own: so its code can be kept in a directory of its own, and all that it holds
// goes with it.
type module struct {
	engine *Engine
	digest string
	ready  chan struct{} // closed when the fields below are set
	err    error

	runtime   wazero.Runtime
	cache     wazero.CompilationCache // nil without a CacheDir
	compiled  wazero.CompiledModule
	codeBytes int64
	command   bool
	image     *snapshot.Module
	// resets is false where an instance cannot be used twice.
	resets bool
	// first is what an instance is like before anything has run, and start what
	// executions begin from.
	first *snapshot.Image
	start origin
	// manifest is what the module declared while it was prepared, or nil.
	manifest  []byte
	stopwatch stopwatch

	// The engine's lock guards these.
	idle   []*instance // the last one was used last
	users  int
	used   uint64 // of the engine's clock
	usedAt time.Time
}

// origin is what an execution begins from.
type origin struct {
	image *snapshot.Image
	// initialized says that what a module does to set itself up has been done.
	initialized bool
	// random is the state that must be new each time, or nil.
	random *snapshot.GoRandom
	// times are those of the initialisation that it keeps, or nil.
	times *snapshot.GoTimes
	// clock is what the image has seen of the monotonic clock, in nanoseconds.
	clock int64
	// why is why it is not initialized, where that could be.
	why string
}

// isReady reports whether a module can be executed.
func (m *module) isReady() bool {
	select {
	case <-m.ready:
		return m.err == nil
	default:
		return false
	}
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

func (m *module) prepare(ctx context.Context, wasm []byte) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, m.close(ctx))
		}
	}()
	file, err := check(wasm)
	if err != nil {
		return err
	}
	m.command = isCommand(file)
	k := m.lookUp()
	code, err := m.engine.instrument(file, wasm, &k)
	if err != nil {
		return err
	}
	m.image, m.resets = code.image, code.resets
	if err := m.load(ctx, k, code); err != nil {
		return err
	}
	if m.first, err = m.engine.space.Initial(m.image); err != nil {
		return err
	}
	if err := m.capture(ctx); err != nil || ctx.Err() == nil {
		return err
	}
	// Some of it was cut short, and would be missing for as long as the module is kept.
	return tooLong(ctx)
}

// newRuntime makes the runtime, with what guests can import.
func (m *module) newRuntime(ctx context.Context) error {
	rc := wazero.NewRuntimeConfigCompiler().
		WithCoreFeatures(api.CoreFeaturesV2).
		WithMemoryLimitPages(MaxMemory / pageSize).
		WithDebugInfoEnabled(false)
	if m.cache != nil {
		rc = rc.WithCompilationCache(m.cache)
	}
	ctx = context.WithoutCancel(ctx)
	m.runtime = wazero.NewRuntimeWithConfig(ctx, rc)
	if _, err := wasi.Instantiate(ctx, m.runtime); err != nil {
		return fmt.Errorf("set up WASI: %w", err)
	}
	if err := instantiateHostModule(ctx, m.runtime); err != nil {
		return fmt.Errorf("set up the host functions: %w", err)
	}
	return nil
}

// closeRuntime frees the runtime and all that came of it.
func (m *module) closeRuntime(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	var err error
	if m.runtime != nil {
		err = m.runtime.Close(ctx)
	}
	if m.cache != nil {
		err = errors.Join(err, m.cache.Close(ctx))
	}
	m.runtime, m.cache, m.compiled = nil, nil, nil
	return err
}

// close frees the module, which nothing uses any more.
func (m *module) close(ctx context.Context) error {
	err := m.closeRuntime(ctx) // and with it the instances
	m.idle = nil
	if m.start.image != nil && m.start.image != m.first {
		err = errors.Join(err, m.start.image.Close())
	}
	if m.first != nil {
		err = errors.Join(err, m.first.Close())
	}
	m.first, m.start = nil, origin{}
	return err
}

// compile survives wazero's validator, which panics on some modules.
func (m *module) compile(ctx context.Context, code []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &ModuleError{Reason: "it is not a valid module: " + capped(fmt.Sprint(p), maxMessage)}
		}
	}()
	// With two workers or more wazero looks at the context while it compiles.
	ctx = experimental.WithCompilationWorkers(ctx, max(2, runtime.GOMAXPROCS(0)))
	m.compiled, err = m.runtime.CompileModule(ctx, code)
	switch {
	case err == nil:
		m.codeBytes = codeFactor * int64(len(code))
		return nil
	case ctx.Err() != nil:
		return tooLong(ctx)
	case isCacheFailure(err):
		return err
	default:
		return &ModuleError{Reason: "it cannot be compiled: " + capped(err.Error(), maxMessage), Err: err}
	}
}

// tooLong is the error where the context of the preparation has ended.
func tooLong(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("compile the module: %w", ctx.Err())
	}
	return &ModuleError{Reason: "limit compile time: the module takes too long to compile: split it, or build it without inlining", Err: ctx.Err()}
}

// codeFactor is by how much compiled code is larger than the module, as a rule.
const codeFactor = 3
