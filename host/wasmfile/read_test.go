package wasmfile_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host/wasmfile"
)

func ExampleRead() {
	_, err := wasmfile.Read([]byte("\x00asm\x01\x00\x00\x00\x02\x05\xff\xff\xff\xff\x0f"))
	fmt.Println(err)
	_, err = wasmfile.Read([]byte("#!/bin/sh\n"))
	fmt.Println(err)
	// Output:
	// wasm: import section at byte 10: import count 4294967295 needs at least 17179869180 bytes, 0 are left: the file is damaged or hostile
	// wasm: header at byte 0: not a WebAssembly file: starts with "#!/bin/s" (a script), build with GOOS=wasip1 GOARCH=wasm, or the like in your language
}

func TestReadEverything(t *testing.T) {
	m, err := wasmfile.Read(everything())
	require.NoError(t, err)

	valueLen := wasmfile.FuncType{
		Params:  []wasmfile.ValType{wasmfile.I32, wasmfile.I64},
		Results: []wasmfile.ValType{wasmfile.I32},
	}
	require.Equal(t, []wasmfile.Import{
		{Module: "taskhost_v1", Name: "value_len", Kind: wasmfile.KindFunc, Func: valueLen},
		{Module: "env", Name: "g", Kind: wasmfile.KindGlobal},
		{Module: "env", Name: "t", Kind: wasmfile.KindTable},
	}, m.Imports)
	require.Equal(t, []wasmfile.Export{
		{Name: "memory", Kind: wasmfile.KindMemory},
		{Name: "run", Kind: wasmfile.KindFunc, Index: 2},
		{Name: "table", Kind: wasmfile.KindTable, Index: 2},
		{Name: "global", Kind: wasmfile.KindGlobal, Index: 8},
	}, m.Exports)
	require.Equal(t, []wasmfile.Memory{{Min: 1, Max: 4, HasMax: true}}, m.Memories)
	require.Equal(t, []wasmfile.Table{
		{Elem: wasmfile.FuncRef, Min: 1, Max: 3, HasMax: true},
		{Elem: wasmfile.FuncRef, Min: 4, Max: 8, HasMax: true},
		{Elem: wasmfile.ExternRef, Min: 1},
	}, m.Tables)
	require.True(t, m.HasStart)
	require.Equal(t, uint32(1), m.Start)

	var types []string
	for _, ft := range m.Types {
		types = append(types, ft.String())
	}
	require.Equal(t, []string{"() -> ()", "(i32, i64) -> i32", "(f32, f64, v128, funcref, externref) -> (i32, i32)"}, types)

	run, ok := m.ExportedFunc("run")
	require.True(t, ok)
	require.Equal(t, valueLen, run)
	last, ok := m.Func(3)
	require.True(t, ok)
	require.Equal(t, m.Types[2], last)
	_, ok = m.Func(4)
	require.False(t, ok)
	_, ok = m.ExportedFunc("memory")
	require.False(t, ok, "a memory is no function")
	_, ok = m.ExportedFunc("missing")
	require.False(t, ok)
}

// Sections lie one behind the other, and together they are the file.
func TestReadSections(t *testing.T) {
	wasm := everything()
	m, err := wasmfile.Read(wasm)
	require.NoError(t, err)
	var ids []byte
	var names []string
	end := 8
	for _, s := range m.Sections {
		require.Equal(t, end, s.Offset)
		require.Equal(t, s.ID, wasm[s.Offset])
		require.Less(t, s.Offset, s.Start)
		ids, end = append(ids, s.ID), s.End
		if s.ID == secCustom {
			names = append(names, s.Name)
			require.True(t, bytes.HasPrefix(wasm[s.Start:s.End], str(s.Name)))
		}
	}
	require.Equal(t, len(wasm), end)
	require.Equal(t, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11, 0, 0}, ids)
	require.Equal(t, []string{"first", "name", "producers"}, names)
}

func TestReadSmallModules(t *testing.T) {
	for name, wasm := range smallModules() {
		before := bytes.Clone(wasm)
		_, err := wasmfile.Read(wasm)
		require.NoError(t, err, name)
		require.Equal(t, before, wasm, "%s was changed", name)
		require.NoError(t, compile(wasm), name)
	}
	m, err := wasmfile.Read(module())
	require.NoError(t, err, "a module of nothing is one")
	require.Empty(t, m.Sections)
}

// Numbers may be padded with zeros, up to the bytes that their width takes.
func TestReadPaddedNumbers(t *testing.T) {
	padded := []byte{0x81, 0x80, 0x80, 0x80, 0x00} // 1
	_, err := wasmfile.Read(module(section(secType, padded, noType), section(secImport, padded, str("a"), str("b"), []byte{3, 0x7f, 0})))
	require.NoError(t, err)
	for name, constant := range map[string][]byte{
		"-2^31":                    {0x41, 0x80, 0x80, 0x80, 0x80, 0x78},
		"2^31-1":                   {0x41, 0xff, 0xff, 0xff, 0xff, 0x07},
		"-1 in ten bytes, as i64":  {0x42, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
		"2^63-1 in ten bytes, too": {0x42, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00},
	} {
		_, err := wasmfile.Read(module(section(secGlobal, vec(join([]byte{0x7f, 0}, constant, []byte{0x0b})))))
		require.NoError(t, err, name)
	}
}

func TestStrings(t *testing.T) {
	require.Equal(t, "function table memory global kind 0x07",
		fmt.Sprint(wasmfile.KindFunc, " ", wasmfile.KindTable, " ", wasmfile.KindMemory, " ", wasmfile.KindGlobal, " ", wasmfile.Kind(7)))
	require.Equal(t, "0x11", wasmfile.ValType(0x11).String())
}
