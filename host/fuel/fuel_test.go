package fuel_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/taskhost/taskhost/host/fuel"
)

func sized(content []byte) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(content))), content...)
}

func section(id byte, content ...byte) []byte { return append([]byte{id}, sized(content)...) }

// three is a module with one function "f" of three i32, and a memory of pages.
func three(pages int, body ...byte) []byte {
	wasm := slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, 1, 0x60, 3, 0x7f, 0x7f, 0x7f, 0), section(3, 1, 0))
	exports := []byte{1, 1, 'f', 0, 0}
	if pages > 0 {
		wasm = append(wasm, section(5, append([]byte{1, 0}, binary.AppendUvarint(nil, uint64(pages))...)...)...)
		exports = []byte{2, 1, 'f', 0, 0, 1, 'm', 2, 0}
	}
	wasm = append(wasm, section(7, exports...)...)
	code := slices.Concat([]byte{0}, body, []byte{0x0b})
	return append(wasm, section(10, append([]byte{1}, sized(code)...)...)...)
}

// start rewrites a module and gives an instance of it.
func start(t *testing.T, wasm []byte, budget int64, depth int) (api.Module, *fuel.Meter) {
	t.Helper()
	rewritten, err := rewrite(wasm)
	require.NoError(t, err)
	r := wazero.NewRuntime(t.Context())
	t.Cleanup(func() { require.NoError(t, r.Close(context.Background())) })
	instance, err := r.InstantiateWithConfig(t.Context(), rewritten, wazero.NewModuleConfig().WithStartFunctions())
	require.NoError(t, err)
	meter, err := fuel.Attach(instance)
	require.NoError(t, err)
	meter.Arm(budget, depth)
	return instance, meter
}

var (
	operands = []byte{0x20, 0, 0x20, 1, 0x20, 2}
	fill     = slices.Concat(operands, []byte{0xfc, 11, 0})
	copying  = slices.Concat(operands, []byte{0xfc, 10, 0, 0})
	forever  = []byte{0x03, 0x40, 0x0c, 0, 0x0b}
)

// What is moved in pieces comes out as if it were not.
func TestBulkInPieces(t *testing.T) {
	const size = 80 << 16
	fills, _ := start(t, three(80, fill...), 0, 10)
	copies, meter := start(t, three(80, copying...), 0, 10)
	random := rand.New(rand.NewPCG(1, 2))
	want := make([]byte, size)
	for i := range want {
		want[i] = byte(random.Uint32())
	}
	mine := bytes.Clone(want)
	require.True(t, fills.Memory().Write(0, want))
	require.True(t, copies.Memory().Write(0, want))
	for range 40 {
		n := random.Uint32N(size)
		to, from := random.Uint32N(size-n), random.Uint32N(size-n)
		before := meter.Used()
		_, err := copies.ExportedFunction("f").Call(t.Context(), uint64(to), uint64(from), uint64(n))
		require.NoError(t, err)
		require.InDelta(t, n/16, meter.Used()-before, 10)
		copy(mine[to:], mine[from:from+n])
		have, _ := copies.Memory().Read(0, size)
		require.True(t, bytes.Equal(mine, have), "%d from %d to %d", n, from, to)

		_, err = fills.ExportedFunction("f").Call(t.Context(), uint64(to), uint64(from), uint64(n))
		require.NoError(t, err)
		for i := to; i < to+n; i++ {
			want[i] = byte(from)
		}
		have, _ = fills.Memory().Read(0, size)
		require.True(t, bytes.Equal(want, have), "%d at %d", n, to)
	}
	_, err := fills.ExportedFunction("f").Call(t.Context(), 1, 0x5a, size)
	require.ErrorContains(t, err, "out of bounds memory access")
	have, _ := fills.Memory().Read(0, size)
	require.True(t, bytes.Equal(want, have), "nothing is written where not all of it could be")
}

// One unit an instruction, where it is run.
func TestCost(t *testing.T) {
	for name, test := range map[string]struct {
		body []byte
		cost int64
	}{
		"nothing":             {nil, 0},
		"an instruction":      {[]byte{0x20, 0, 0x1a}, 2},
		"structure":           {[]byte{0x01, 0x02, 0x40, 0x01, 0x0b}, 0},
		"a small arm":         {[]byte{0x20, 0, 0x04, 0x40, 0x20, 0, 0x1a, 0x0b}, 4},
		"a large arm, not in": {slices.Concat([]byte{0x20, 0, 0x04, 0x40}, bytes.Repeat([]byte{0x20, 0, 0x1a}, 50), []byte{0x0b}), 2},
		"a large arm, in":     {slices.Concat([]byte{0x20, 1, 0x04, 0x40}, bytes.Repeat([]byte{0x20, 0, 0x1a}, 50), []byte{0x0b}), 102},
		"behind a jump": {slices.Concat([]byte{0x02, 0x40, 0x02, 0x40, 0x20, 0, 0x0e, 1, 0, 1, 0x0b},
			[]byte{0x20, 0, 0x1a, 0x0f, 0x0b}, bytes.Repeat([]byte{0x20, 0, 0x1a}, 50)), 5},
		"a loop of ten":  {slices.Concat([]byte{0x03, 0x40, 0x20, 2, 0x41, 1, 0x6b, 0x22, 2, 0x0d, 0, 0x0b}), 60},
		"memory.grow":    {[]byte{0x41, 0, 0x40, 0, 0x1a}, fuel.HostCallCost + 2},
		"bulk":           {[]byte{0x41, 0, 0x41, 0, 0x41, 0xc0, 0, 0xfc, 11, 0}, 4 + 64/16},
		"more than once": {bytes.Repeat([]byte{0x20, 0, 0x1a}, 100_000), 200_000},
	} {
		t.Run(name, func(t *testing.T) {
			instance, meter := start(t, three(1, test.body...), 0, 10)
			for i := range int64(3) {
				_, err := instance.ExportedFunction("f").Call(t.Context(), 0, 1, 10)
				require.NoError(t, err)
				require.Equal(t, (i+1)*test.cost, meter.Used())
			}
			require.Equal(t, fuel.None, meter.Reason())
		})
	}
}

// A module without a memory can be stopped like any other.
func TestStopWithoutMemory(t *testing.T) {
	instance, meter := start(t, three(0, forever...), 0, 10)
	timer := time.AfterFunc(20*time.Millisecond, meter.Stop)
	defer timer.Stop()
	_, err := instance.ExportedFunction("f").Call(t.Context(), 0, 0, 0)
	require.ErrorContains(t, err, "unreachable")
	require.Equal(t, fuel.Stopped, meter.Reason())
	require.Positive(t, meter.Used())
}

func TestBudget(t *testing.T) {
	for _, budget := range []int64{1, 1000, 250_000, 1_000_000, 10_000_001} {
		instance, meter := start(t, three(1, forever...), budget, 10)
		_, err := instance.ExportedFunction("f").Call(t.Context(), 0, 0, 0)
		require.ErrorContains(t, err, "unreachable")
		require.Equal(t, fuel.OutOfFuel, meter.Reason())
		require.InDelta(t, budget, meter.Used(), 2)
	}
}

// What is not attached can't run, and a trap of the guest's own is no reason.
func TestReasons(t *testing.T) {
	instance, meter := start(t, three(1, 0x00), 0, 10)
	_, err := instance.ExportedFunction("f").Call(t.Context(), 0, 0, 0)
	require.ErrorContains(t, err, "unreachable")
	require.Equal(t, fuel.None, meter.Reason())

	self := []byte{0x41, 0, 0x41, 0, 0x41, 0, 0x10, 0}
	instance, meter = start(t, three(1, self...), 0, 100)
	_, err = instance.ExportedFunction("f").Call(t.Context(), 0, 0, 0)
	require.ErrorContains(t, err, "unreachable")
	require.Equal(t, fuel.TooDeep, meter.Reason())
	require.Equal(t, int64(101*4), meter.Used())

	r := wazero.NewRuntime(t.Context())
	t.Cleanup(func() { require.NoError(t, r.Close(context.Background())) })
	plain, err := r.Instantiate(t.Context(), three(1))
	require.NoError(t, err)
	_, err = fuel.Attach(plain)
	require.ErrorContains(t, err, "was not rewritten")
	rewritten, err := rewrite(three(1))
	require.NoError(t, err)
	_, err = rewrite(rewritten)
	require.ErrorContains(t, err, `it exports "taskhost:fuel": names that begin with "taskhost:" are the host's own`)
}

func TestRefusals(t *testing.T) {
	for says, body := range map[string][]byte{
		"local 3, there are 3":                               {0x20, 3, 0x1a},
		"global 0, there are 0":                              {0x23, 0, 0x1a},
		"function 1, there are 1":                            {0x42, 0, 0x10, 1, 0x1a},
		"type 1, there are 1":                                {0x02, 1, 0x0b},
		"a block of type 0x63":                               {0x02, 0x63, 0, 0x0b},
		"type 16256, there are 1":                            {0x02, 0x80, 0x7f, 0x0b},
		"vector instruction 0xd6 0x0b":                       {0xfd, 0xd6},
		"instruction 0xfc 266":                               {0xfc, 0x8a, 2},
		"instruction 0x12, supported":                        {0x12, 0},
		"instruction 0xfe, supported":                        {0xfe, 0x10, 2, 0},
		"memory 0x80, there is one, written as 0":            {0x41, 0, 0x40, 0x80, 0, 0x1a},
		"a number of more than 5 bytes":                      {0x41, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 0x1a},
		"an else without an if":                              {0x05},
		"instructions behind the end":                        {0x0b},
		"the body is cut short":                              {0x02, 0x40},
		"a table of 100 labels is cut short":                 {0x41, 0, 0x0e, 100, 0},
		"would be more than 4 times as large: build it with": bytes.Repeat([]byte{0x10, 0}, 1_000_000),
	} {
		_, err := rewrite(three(1, body...))
		require.ErrorContains(t, err, says)
	}
}
