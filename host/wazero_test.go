package host_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/sys"
)

// These tests hold what the engine relies on and wazero does not promise. Each says
// what is to be done once it fails with a new version.

// slice is a memory whose allocator the test is.
type slice struct {
	bytes []byte
	next  int // the length that is given next, whatever is asked for, where it is not negative
	freed int
	asked []uint64
}

func (s *slice) Allocate(_, _ uint64) experimental.LinearMemory { return s }

func (s *slice) Reallocate(size uint64) []byte {
	s.asked = append(s.asked, size)
	if s.next >= 0 {
		size = uint64(s.next)
	}
	return s.bytes[:size:size]
}

func (s *slice) Free() { s.freed++ }

// plain instantiates a module in a runtime of its own, without what the host changes.
func plain(t *testing.T, m *module) (api.Module, *slice, wazero.Runtime) {
	t.Helper()
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigCompiler().WithMemoryLimitPages(100))
	t.Cleanup(func() { require.NoError(t, r.Close(context.Background())) })
	memory := &slice{bytes: make([]byte, 100<<16), next: -1}
	ctx := experimental.WithMemoryAllocator(t.Context(), memory)
	guest, err := r.InstantiateWithConfig(ctx, m.bytes(), wazero.NewModuleConfig().WithName("").WithStartFunctions())
	require.NoError(t, err)
	return guest, memory, r
}

// bare is a module without imports, of one function "f" that takes nothing.
func bare(code ...[]byte) *module {
	m := &module{memory: limits(1, 50), memoryAs: "memory"}
	return m.add("f", code...)
}

func call(t *testing.T, guest api.Module, name string) error {
	t.Helper()
	_, err := guest.ExportedFunction(name).Call(t.Context())
	return err
}

// A memory takes over whatever slice it is given when it grows, a shorter one too: the
// only way to shrink it. Otherwise [snapshot.Memory.Reset] has to fail, so that an
// instance whose memory has grown is let go.
func TestWazeroShrinksMemory(t *testing.T) {
	guest, memory, _ := plain(t, bare(store(0, []byte{0x3f, 0}), load(2<<16-4), drop).add("g", grow(1), drop, load(1<<16), drop))
	require.ErrorContains(t, call(t, guest, "f"), "out of bounds")
	_, ok := guest.Memory().Grow(30)
	require.True(t, ok)
	require.NoError(t, call(t, guest, "f"))
	size, _ := guest.Memory().ReadUint32Le(0)
	require.EqualValues(t, 31, size)

	memory.next = 1 << 16
	_, ok = guest.Memory().Grow(1)
	require.True(t, ok)
	require.EqualValues(t, 1<<16, guest.Memory().Size())
	_, ok = guest.Memory().Read(1<<16, 1)
	require.False(t, ok)
	require.ErrorContains(t, call(t, guest, "f"), "out of bounds", "compiled code follows")
	size, _ = guest.Memory().ReadUint32Le(0)
	require.EqualValues(t, 1, size)

	memory.next = -1
	before := len(memory.asked)
	require.NoError(t, call(t, guest, "g"), "it grows by what it then has")
	require.Equal(t, []uint64{2 << 16}, memory.asked[before:])
}

// At its declared maximum a memory does not ask its allocator, and cannot be shrunk:
// Reset says so, and the instance is let go. Growing by nothing asks for nothing.
func TestWazeroGrowsToMaximum(t *testing.T) {
	guest, memory, _ := plain(t, bare())
	_, ok := guest.Memory().Grow(49)
	require.True(t, ok)
	asked := len(memory.asked)
	memory.next = 1 << 16
	_, ok = guest.Memory().Grow(1)
	require.False(t, ok)
	previous, ok := guest.Memory().Grow(0)
	require.True(t, ok)
	require.EqualValues(t, 50, previous)
	require.Len(t, memory.asked, asked)
}

// A memory is freed once, when its instance is closed or the runtime is. Otherwise
// what a module held is never given back, or what another one has is.
func TestWazeroFreesMemoryOnce(t *testing.T) {
	guest, memory, r := plain(t, bare())
	require.Zero(t, memory.freed)
	require.NoError(t, guest.Close(t.Context()))
	require.Equal(t, 1, memory.freed)
	require.NoError(t, guest.Close(t.Context()))
	require.NoError(t, r.Close(t.Context()))
	require.Equal(t, 1, memory.freed)

	_, memory, r = plain(t, bare())
	require.NoError(t, r.Close(t.Context()))
	require.Equal(t, 1, memory.freed)
}

// memory.grow leaves native code, where the garbage collector can stop the world: a
// guest that runs it now and then lets it. The function that package fuel adds does so;
// without it, a guest would hold up every goroutine of the host.
func TestWazeroLetsCollectorRun(t *testing.T) {
	// f grows by nothing until global 0 is set.
	m := bare([]byte{0x03, 0x40}, grow(0), drop, []byte{0x23, 0, 0x45, 0x0d, 0, 0x0b})
	m.globals = [][]byte{{i32, 1, 0x41, 0, 0x0b}}
	m.exportGlobal = "stop"
	guest, _, _ := plain(t, m)
	stop := guest.ExportedGlobal("stop").(api.MutableGlobal)
	ended := make(chan error)
	go func() {
		_, err := guest.ExportedFunction("f").Call(context.Background())
		ended <- err
	}()
	collected := make(chan struct{})
	go func() {
		for range 5 {
			runtime.GC() // stops the world, the guest with it
		}
		close(collected)
	}()
	select {
	case <-collected:
	case <-time.After(time.Minute):
		require.Fail(t, "the garbage collector cannot run beside a guest")
	}
	select {
	case err := <-ended:
		require.Fail(t, "it has ended by itself", "%v", err)
	default:
	}
	// A global that another goroutine sets is seen by the guest: so it is stopped.
	stop.Set(1)
	require.NoError(t, <-ended)
}

// After whatever ends a call, the instance can be called again, and has all that it
// had. Otherwise only one whose execution has returned could be used again.
func TestWazeroGoesOnAfterTraps(t *testing.T) {
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigCompiler())
	defer r.Close(context.Background())
	var ending any
	_, err := r.NewHostModuleBuilder("env").NewFunctionBuilder().WithFunc(func() { panic(ending) }).Export("panic").Instantiate(t.Context())
	require.NoError(t, err)
	m := &module{memory: limits(1), memoryAs: "memory", imports: []importDecl{{module: "env", name: "panic"}}, table: []byte{0}}
	m.add("unreachable", unreachable).
		add("bounds", load(1<<16), drop).
		add("divide", constant(1), constant(0), []byte{0x6d}, drop).
		add("overflow", constant(0x80000000), constant(0xffffffff), []byte{0x6d}, drop).
		add("table", constant(9), []byte{0x11, 0, 0}).
		add("truncate", []byte{0x43, 0, 0, 0xc0, 0x7f, 0xa8}, drop).
		add("recurse", []byte{0x10, 7}).
		add("panic", []byte{0x10, 0}).
		add("fine", store(8, join(load(8), constant(1), []byte{0x6a})))
	guest, err := r.InstantiateWithConfig(t.Context(), m.bytes(), wazero.NewModuleConfig().WithName(""))
	require.NoError(t, err)
	fine := guest.ExportedFunction("fine")
	calls := uint32(0)
	goesOn := func(after string) {
		for range 2 {
			_, err := fine.Call(t.Context())
			require.NoError(t, err, after)
			calls++
			count, _ := guest.Memory().ReadUint32Le(8)
			require.Equal(t, calls, count, after)
		}
	}
	for name, says := range map[string]string{
		"unreachable": "unreachable", "bounds": "out of bounds memory access", "divide": "integer divide by zero", "overflow": "integer overflow",
		"table": "invalid table access", "truncate": "invalid conversion to integer", "recurse": "stack overflow",
	} {
		f := guest.ExportedFunction(name)
		for range 2 { // the same function too
			_, err := f.Call(t.Context())
			require.ErrorContains(t, err, says)
			goesOn(name)
		}
	}
	f := guest.ExportedFunction("panic")
	for _, ending = range []any{errors.New("an error"), "a text", sys.NewExitError(3), sys.NewExitError(0), sys.NewExitError(sys.ExitCodeDeadlineExceeded), hostBug()} {
		_, err := f.Call(t.Context())
		require.Error(t, err)
		if bug, ok := ending.(runtime.Error); ok { // by which an instance is let go
			var found runtime.Error
			require.ErrorAs(t, err, &found)
			require.Equal(t, bug, found)
		}
		require.False(t, guest.IsClosed())
		goesOn("a panic")
	}
}

// hostBug is what a bug of a host function panics with.
func hostBug() (err error) {
	defer func() { err = recover().(error) }()
	bug(nil)
	return nil
}

// A function keeps the stack that it had to have, which is why the engine keeps
// functions, and looks them up again where that may be large.
func TestWazeroKeepsStacks(t *testing.T) {
	m := &module{memory: limits(1), memoryAs: "memory"}
	// f calls itself as often as the number at 8 says.
	m.add("f", load(8), []byte{0x45, 0x04, 0x40, 0x0f, 0x0b}, store(8, join(load(8), constant(1), []byte{0x6b})), []byte{0x10, 0})
	guest, _, _ := plain(t, m)
	f := guest.ExportedFunction("f")
	run := func(f api.Function) float64 {
		return testing.AllocsPerRun(1, func() {
			require.True(t, guest.Memory().WriteUint32Le(8, 100_000))
			require.NoError(t, f.CallWithStack(t.Context(), nil))
		})
	}
	run(f)
	again := run(f)
	other := testing.AllocsPerRun(1, func() { run(guest.ExportedFunction("f")) })
	require.Less(t, again, other, "each of its own has to grow its stack")
}

// Nothing of a module runs when it is instantiated without start functions, but for
// the start section, which the host takes out: the host chooses when, and with what
// clocks and randomness.
func TestWazeroRunsNothingByItself(t *testing.T) {
	m := bare()
	ran := store(100, constant(1))
	m.add("_start", ran).add("_initialize", ran).add("main", ran)
	guest, _, _ := plain(t, m)
	seen, _ := guest.Memory().ReadUint32Le(100)
	require.Zero(t, seen)
	m.start = true
	guest, _, _ = plain(t, m.add("", ran))
	seen, _ = guest.Memory().ReadUint32Le(100)
	require.EqualValues(t, 1, seen)
}

// An empty passive segment takes the place of an active one: as the specification has
// it, an active one has nothing left once it is in place. (wazero itself does not drop
// active ones, so that here a guest would get what no other runtime gives it.)
func TestWazeroCopiesNothingOfEmptySegments(t *testing.T) {
	copies := func(length uint32) []byte {
		return join(constant(200), constant(0), constant(length), []byte{0xfc, 8, 0, 0})
	}
	m := bare(copies(0)).add("one", copies(1))
	m.segments = [][]byte{{1, 0}}
	guest, _, _ := plain(t, m)
	require.NoError(t, call(t, guest, "f"))
	require.ErrorContains(t, call(t, guest, "one"), "out of bounds memory access")
}

// What is wrong with a file of compiled code is told by an error that begins like this
// and has no type: by that the engine knows it from a fault of the module.
func TestWazeroTellsDamage(t *testing.T) {
	dir := t.TempDir()
	compile := func() error {
		cache, err := wazero.NewCompilationCacheWithDir(dir)
		require.NoError(t, err)
		defer cache.Close(t.Context())
		r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigCompiler().WithCompilationCache(cache))
		defer r.Close(t.Context())
		_, err = r.CompileModule(t.Context(), bare().bytes())
		return err
	}
	require.NoError(t, compile())
	files, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	require.NoError(t, err)
	require.Len(t, files, 1, "a file for a module, in a directory for a version")
	whole, err := os.ReadFile(files[0])
	require.NoError(t, err)
	told := 0
	for length := range whole {
		require.NoError(t, os.WriteFile(files[0], whole[:length], 0o600))
		if err := compile(); err != nil {
			require.Regexp(t, "^compilationcache: ", err.Error(), "%d bytes of %d", length, len(whole))
			told++
		}
	}
	require.Greater(t, told, len(whole)/2)
}

// With two workers the compiler looks at the context between functions. Otherwise a
// preparation could not be stopped.
func TestWazeroStopsCompiling(t *testing.T) {
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigCompiler())
	defer r.Close(context.Background())
	ctx, cancel := context.WithCancel(experimental.WithCompilationWorkers(t.Context(), 2))
	cancel()
	_, err := r.CompileModule(ctx, bare().bytes())
	require.ErrorIs(t, err, context.Canceled)
}

// Instances of one runtime are made and closed at the same time by many.
func TestWazeroInstantiatesConcurrently(t *testing.T) {
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigCompiler())
	defer r.Close(context.Background())
	compiled, err := r.CompileModule(t.Context(), bare(store(0, constant(1))).bytes())
	require.NoError(t, err)
	var freed atomic.Int64
	ended := make(chan error)
	const workers, each = 4, 100
	for range workers {
		go func() {
			for range each {
				memory := &slice{bytes: make([]byte, 1<<16), next: -1}
				guest, err := r.InstantiateModule(experimental.WithMemoryAllocator(context.Background(), memory), compiled, wazero.NewModuleConfig().WithName(""))
				if err == nil {
					_, err = guest.ExportedFunction("f").Call(context.Background())
					err = errors.Join(err, guest.Close(context.Background()))
				}
				if err != nil {
					ended <- err
					return
				}
				freed.Add(int64(memory.freed))
			}
			ended <- nil
		}()
	}
	for range workers {
		require.NoError(t, <-ended)
	}
	require.EqualValues(t, workers*each, freed.Load())
}
