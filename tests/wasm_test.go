package tests_test

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// Modules are made here from their bytes up, so that a test can push what no
// tool would build.

// Kinds of sections.
const (
	secType     = 1
	secImport   = 2
	secFunction = 3
	secMemory   = 5
	secExport   = 7
	secCode     = 10
	secData     = 11
)

const magic = "\x00asm\x01\x00\x00\x00"

func leb(n uint64) []byte { return binary.AppendUvarint(nil, n) }

func sized(parts ...[]byte) []byte {
	content := slices.Concat(parts...)
	return append(leb(uint64(len(content))), content...)
}

func wasmName(text string) []byte { return sized([]byte(text)) }

func vec(entries ...[]byte) []byte {
	return append(leb(uint64(len(entries))), slices.Concat(entries...)...)
}

func section(id byte, content ...[]byte) []byte { return append([]byte{id}, sized(content...)...) }

func wasmModule(sections ...[]byte) []byte {
	return append([]byte(magic), slices.Concat(sections...)...)
}

// bomb is a module of a few bytes that claims to have 2³²-1 of something: what
// makes room for them before it reads them needs gigabytes.
func bomb(id byte) []byte { return wasmModule(section(id, leb(1<<32-1))) }

// declaring is a module that declares what the manifest says, and does nothing.
// It imports the functions named "module.name" too.
func declaring(manifest string, imports ...[2]string) []byte {
	types := section(secType, vec(
		[]byte{0x60, 0, 0},                            // () → ()
		[]byte{0x60, 1, 0x7f, 1, 0x7f},                // (i32) → (i32)
		[]byte{0x60, 4, 0x7f, 0x7f, 0x7f, 0x7f, 0x00}, // (i32, i32, i32, i32) → ()
	))
	imported := [][]byte{slices.Concat(wasmName("taskhost_v1"), wasmName("output"), []byte{0, 2})}
	for _, one := range imports {
		imported = append(imported, slices.Concat(wasmName(one[0]), wasmName(one[1]), []byte{0, 0}))
	}
	first := byte(len(imported)) // of its own functions
	describe := slices.Concat([]byte{0, 0x41, 0, 0x41}, signed(len(manifest)), []byte{0x41, 0, 0x41, 0, 0x10, 0, 0x0b})
	return wasmModule(
		types,
		section(secImport, vec(imported...)),
		section(secFunction, vec([]byte{0}, []byte{1})),
		section(secMemory, vec([]byte{0, 1})),
		section(secExport, vec(
			append(wasmName("memory"), 2, 0),
			append(wasmName("taskhost_describe"), 0, first),
			append(wasmName("taskhost_run"), 0, first+1),
		)),
		section(secCode, vec(sized(describe), sized([]byte{0, 0x41, 0, 0x0b}))),
		section(secData, vec(slices.Concat([]byte{0, 0x41, 0, 0x0b}, wasmName(manifest)))),
	)
}

// signed writes a number that is not negative as a signed one.
func signed(n int) []byte {
	var out []byte
	for n > 0x3f {
		out = append(out, byte(n&0x7f)|0x80)
		n >>= 7
	}
	return append(out, byte(n))
}

// component is the header of what the component model calls a component.
func component() []byte {
	return bytes.Replace([]byte(magic), []byte{1, 0, 0, 0}, []byte{0x0d, 0, 1, 0}, 1)
}
