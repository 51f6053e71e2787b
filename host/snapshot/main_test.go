package snapshot_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"go.uber.org/goleak"

	"github.com/taskhost/taskhost/host/snapshot"
	"github.com/taskhost/taskhost/host/wasmfile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const page = 64 << 10

// eachMethod runs a test with each method. All of them have to work here: one that
// does not would go unnoticed, since the next one takes its place.
func eachMethod(t *testing.T, test func(t *testing.T, space *snapshot.Space)) {
	for _, method := range snapshot.Methods() {
		t.Run(string(method), func(t *testing.T) { test(t, newSpace(t, method)) })
	}
}

func newSpace(t testing.TB, method snapshot.Method) *snapshot.Space {
	t.Helper()
	space, err := snapshot.NewSpace(method)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, space.Close()) })
	return space
}

// plan is a module to be assembled: one function "f" without parameters or results.
type plan struct {
	memory     []byte   // its limits, nil for none
	globals    [][]byte // entries of the section
	data       [][]byte // the same
	counted    bool     // whether their number stands ahead of the code
	code       []byte   // of f
	exportName string   // of one more export of f
}

func (p plan) bytes() []byte {
	exports := [][]byte{{1, 'f', 0, 0}}
	if p.memory != nil {
		exports = append(exports, append([]byte{6}, "memory\x02\x00"...))
	}
	if p.exportName != "" {
		exports = append(exports, slices.Concat(sized([]byte(p.exportName)), []byte{0, 0}))
	}
	out := slices.Concat([]byte("\x00asm\x01\x00\x00\x00"), vector(1, []byte{0x60, 0, 0}), vector(3, []byte{0}))
	if p.memory != nil {
		out = append(out, vector(5, p.memory)...)
	}
	if p.globals != nil {
		out = append(out, vector(6, p.globals...)...)
	}
	out = append(out, vector(7, exports...)...)
	if p.counted {
		out = append(out, 12, 1, byte(len(p.data)))
	}
	out = append(out, vector(10, sized(slices.Concat([]byte{0}, p.code, []byte{0x0b})))...)
	if p.data != nil {
		out = append(out, vector(11, p.data...)...)
	}
	return out
}

func sized(content []byte) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(content))), content...)
}

func vector(id byte, entries ...[]byte) []byte {
	content := append(binary.AppendUvarint(nil, uint64(len(entries))), slices.Concat(entries...)...)
	return append([]byte{id}, sized(content)...)
}

func limits(least int, most ...int) []byte {
	out := binary.AppendUvarint([]byte{0}, uint64(least))
	if len(most) > 0 {
		out[0] = 1
		out = binary.AppendUvarint(out, uint64(most[0]))
	}
	return out
}

// constant is i32.const.
func constant(n uint32) []byte {
	out, rest := []byte{0x41}, int32(n)
	for rest < -64 || rest > 63 {
		out = append(out, byte(rest)&0x7f|0x80)
		rest >>= 7
	}
	return append(out, byte(rest)&0x7f)
}

// active is a data segment at an address, and passive one without.
func active(at uint32, content string) []byte {
	return slices.Concat([]byte{0}, constant(at), []byte{0x0b}, sized([]byte(content)))
}

func passive(content string) []byte { return append([]byte{1}, sized([]byte(content))...) }

// subject is an instance with all that it takes to reset it.
type subject struct {
	module  *snapshot.Module
	image   *snapshot.Image
	memory  *snapshot.Memory
	guest   api.Module
	globals []api.MutableGlobal
}

// edited is a module as it is to be compiled.
func edited(t testing.TB, wasm []byte) (*snapshot.Module, []byte) {
	t.Helper()
	file, err := wasmfile.Read(wasm)
	require.NoError(t, err)
	module, err := snapshot.Prepare(file, wasm)
	require.NoError(t, err)
	before := bytes.Clone(wasm)
	code, err := file.Edit(wasm, module.Edit(file))
	require.NoError(t, err)
	require.Equal(t, before, wasm, "the file is not changed")
	return module, code
}

// start makes an instance that may grow to most bytes.
func start(t testing.TB, space *snapshot.Space, wasm []byte, most uint64) *subject {
	t.Helper()
	ctx := context.Background()
	s := &subject{}
	var code []byte
	s.module, code = edited(t, wasm)
	runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCoreFeatures(api.CoreFeaturesV2))
	var err error
	s.image, err = space.Initial(s.module)
	require.NoError(t, err)
	s.memory, err = space.NewMemory(s.image, most)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, runtime.Close(ctx))
		s.memory.Free() // once more than the runtime has, or the first time where it has no memory
		require.NoError(t, s.image.Close())
	})
	s.memory.Begin(most)
	s.guest, err = runtime.InstantiateWithConfig(experimental.WithMemoryAllocator(ctx, s.memory), code, wazero.NewModuleConfig())
	require.NoError(t, err)
	s.globals, err = s.module.Globals(s.guest)
	require.NoError(t, err)
	s.image.Note(s.globals)
	return s
}

// call runs the function of the module.
func (s *subject) call() error {
	_, err := s.guest.ExportedFunction("f").Call(context.Background())
	return err
}

// reset takes the instance back.
func (s *subject) reset() error {
	s.image.Set(s.globals)
	return s.memory.Reset(s.guest)
}

// look is a copy of what the guest sees.
func (s *subject) look(t testing.TB) []byte {
	t.Helper()
	view, ok := s.guest.Memory().Read(0, s.guest.Memory().Size())
	require.True(t, ok)
	return bytes.Clone(view)
}

// requireExact checks that the guest sees exactly what it began with.
func (s *subject) requireExact(t testing.TB, want []byte) {
	t.Helper()
	view, ok := s.guest.Memory().Read(0, s.guest.Memory().Size())
	require.True(t, ok)
	require.Len(t, view, len(want))
	if !bytes.Equal(want, view) {
		at := 0
		for want[at] == view[at] {
			at++
		}
		require.Failf(t, "the memory is not what the image is", "byte %#x is %#x and not %#x", at, view[at], want[at])
	}
	require.True(t, s.memory.Equal())
	require.EqualValues(t, len(want), s.memory.Size())
	require.True(t, s.image.Has(s.globals))
}

// grow makes the memory larger, as the guest does.
func (s *subject) grow(pages uint32) bool {
	_, ok := s.guest.Memory().Grow(pages)
	return ok
}

// scribble writes at random places, in a way that differs from what is there.
func (s *subject) scribble(random *rand.Rand, times int) {
	memory := s.guest.Memory()
	for range times {
		if memory.Size() == 0 {
			return
		}
		at := random.Uint32N(memory.Size())
		length := min(1+random.Uint32N(300), memory.Size()-at)
		view, _ := memory.Read(at, length)
		for i := range view {
			view[i] ^= byte(1 + random.Uint32N(255))
		}
	}
}
