package snapshot_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host/snapshot"
	"github.com/taskhost/taskhost/host/wasmfile"
)

// initialCopy is memory.init of a segment: to, from, length.
func initialCopy(segment byte, to, from, length uint32) []byte {
	return slices.Concat(constant(to), constant(from), constant(length), []byte{0xfc, 8, segment, 0})
}

// Data that is put in place at the start is in the image, and gone from the module.
func TestDataSegments(t *testing.T) {
	eachMethod(t, func(t *testing.T, space *snapshot.Space) {
		for name, test := range map[string]struct {
			plan
			want map[int]string
		}{
			"none":          {plan{memory: limits(1)}, nil},
			"overlapping":   {plan{memory: limits(1), data: [][]byte{active(10, "abcdef"), active(12, "XY"), active(8, "123")}}, map[int]string{8: "123bXYef"}},
			"zeros over":    {plan{memory: limits(1), data: [][]byte{active(10, "abcdef"), active(12, "\x00\x00")}}, map[int]string{10: "ab\x00\x00ef"}},
			"at the end":    {plan{memory: limits(2), data: [][]byte{active(2*page-3, "end")}}, map[int]string{2*page - 3: "end"}},
			"nothing there": {plan{memory: limits(1), data: [][]byte{active(page, ""), active(0, "")}}, nil},
			"no memory":     {plan{memory: limits(0), data: [][]byte{active(0, "")}}, nil},
			"counted":       {plan{memory: limits(1), data: [][]byte{active(5, "five"), passive("unused")}, counted: true}, map[int]string{5: "five"}},
			"uncounted":     {plan{memory: limits(1), data: [][]byte{passive("unused"), active(5, "five")}}, map[int]string{5: "five"}},
			"with an index": {plan{memory: limits(1), data: [][]byte{append([]byte{2, 0}, active(9, "nine")[1:]...)}}, map[int]string{9: "nine"}},
		} {
			t.Run(name, func(t *testing.T) {
				s := start(t, space, test.bytes(), 3*page)
				want := make([]byte, s.module.Memory)
				for at, text := range test.want {
					copy(want[at:], text)
				}
				s.requireExact(t, want)
				require.NoError(t, s.call())
				require.NoError(t, s.reset())
				s.requireExact(t, want)
			})
		}
	})
}

// An instruction that copies from a segment finds what it would have found: the
// passive ones are whole, and the active ones have nothing, since they are dropped
// once they are in place.
func TestSegmentsThatAreCopiedFrom(t *testing.T) {
	data := [][]byte{active(0, "active"), passive("passive"), active(100, "more"), passive(""), passive(strings.Repeat("long ", 100))}
	for name, test := range map[string]struct {
		code  []byte
		traps bool
		want  string // at 200
	}{
		"passive":             {initialCopy(1, 200, 0, 7), false, "passive"},
		"a part":              {initialCopy(1, 200, 2, 3), false, "ssi"},
		"long":                {initialCopy(4, 200, 5, 495), false, strings.Repeat("long ", 99)},
		"too much":            {initialCopy(1, 200, 1, 7), true, ""},
		"nothing of an empty": {initialCopy(3, 200, 0, 0), false, ""},
		"nothing of active":   {initialCopy(0, 200, 0, 0), false, ""},
		"active":              {initialCopy(0, 200, 0, 1), true, ""},
		"the other active":    {initialCopy(2, 200, 0, 4), true, ""},
		"active, beyond":      {initialCopy(2, 200, 1, 0), true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, newSpace(t, ""), plan{memory: limits(1), data: data, counted: true, code: test.code}.bytes(), page)
			before := s.look(t)
			if err := s.call(); test.traps {
				require.ErrorContains(t, err, "out of bounds memory access")
			} else {
				require.NoError(t, err)
			}
			want := slices.Clone(before)
			copy(want[200:], test.want)
			require.Equal(t, want, s.look(t))
			require.NoError(t, s.reset())
			s.requireExact(t, before)
		})
	}
}

// What could not be instantiated is refused, in words for its author.
func TestPrepareRefuses(t *testing.T) {
	global := [][]byte{{0x7f, 0, 0x41, 0, 0x0b}}
	for says, p := range map[string]plan{
		"data segment 1 ends at byte 65537 of a memory that begins with 65536": {memory: limits(1), data: [][]byte{active(0, "a"), active(page-1, "ab")}},
		"data segment 0 ends at byte 65537":                                    {memory: limits(1), data: [][]byte{active(page+1, "")}},
		"data segment 0 ends at byte 4294967296":                               {memory: limits(1), data: [][]byte{active(math.MaxUint32, "a")}},
		"data segment 0 ends at byte 1 of a memory that begins with 0":         {memory: limits(0), data: [][]byte{active(0, "a")}},
		"data segment 0 is taken from a global":                                {memory: limits(1), globals: global, data: [][]byte{{0, 0x23, 0, 0x0b, 1, 'a'}}},
		"names that begin with":                                                {memory: limits(1), exportName: snapshot.Prefix + "0"},
	} {
		t.Run(says, func(t *testing.T) {
			wasm := p.bytes()
			file, err := wasmfile.Read(wasm)
			require.NoError(t, err)
			_, err = snapshot.Prepare(file, wasm)
			require.ErrorContains(t, err, says)
		})
	}
}

// Mutable globals are taken back, of each type to the bit, exported before or not;
// constant ones are left alone.
func TestGlobals(t *testing.T) {
	nan := uint64(0x7ff4_0000_dead_beef) // signalling, and not to be made quiet
	f64 := []byte{0xef, 0xbe, 0xad, 0xde, 0, 0, 0xf4, 0x7f}
	p := plan{memory: limits(1), globals: [][]byte{
		{0x7f, 1, 0x41, 0x7f, 0x0b},                             // i32 -1
		{0x7f, 0, 0x41, 1, 0x0b},                                // constant
		{0x7e, 1, 0x42, 0x7f, 0x0b},                             // i64 -1
		{0x7d, 1, 0x43, 1, 0, 0xa0, 0x7f, 0x0b},                 // f32, not a number
		slices.Concat([]byte{0x7c, 1, 0x44}, f64, []byte{0x0b}), // f64
		{0x70, 0, 0xd0, 0x70, 0x0b},                             // a constant reference
	}}
	s := start(t, newSpace(t, ""), p.bytes(), page)
	require.True(t, s.module.Whole)
	require.Len(t, s.globals, 4)
	want := []uint64{math.MaxUint32, math.MaxUint64, 0x7fa00001, nan}
	require.Equal(t, want, s.image.GlobalValues())
	for range 3 {
		for i, global := range s.globals {
			global.Set(uint64(i) + 1)
		}
		require.False(t, s.image.Has(s.globals))
		require.NoError(t, s.reset())
		require.True(t, s.image.Has(s.globals))
		for i, global := range s.globals {
			require.Equal(t, want[i], global.Get(), i)
		}
	}

	for name, entry := range map[string][]byte{
		"v128":      append(append([]byte{0x7b, 1, 0xfd, 12}, make([]byte, 16)...), 0x0b),
		"funcref":   {0x70, 1, 0xd0, 0x70, 0x0b},
		"externref": {0x6f, 1, 0xd0, 0x6f, 0x0b},
	} {
		t.Run(name, func(t *testing.T) {
			p := plan{memory: limits(1), globals: [][]byte{entry, {0x7f, 1, 0x41, 3, 0x0b}}}
			s := start(t, newSpace(t, ""), p.bytes(), page)
			require.False(t, s.module.Whole)
			require.Len(t, s.globals, 1, "of the others one")
		})
	}
}

// A module that was not prepared has nothing to take hold of.
func TestGlobalsOfAnother(t *testing.T) {
	global := [][]byte{{0x7f, 1, 0x41, 3, 0x0b}}
	s := start(t, newSpace(t, ""), plan{memory: limits(1)}.bytes(), page)
	other, _ := edited(t, plan{memory: limits(1), globals: global}.bytes())
	_, err := other.Globals(s.guest)
	require.Error(t, err)
}
