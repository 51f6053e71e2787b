package wasmfile_test

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// A module is built here from its bytes up, so that a test can also build what
// no tool would.

const (
	secCustom = iota
	secType
	secImport
	secFunction
	secTable
	secMemory
	secGlobal
	secExport
	secStart
	secElement
	secCode
	secData
	secDataCount
	secTag
)

// huge is the count that needs the most bytes.
const huge = 1<<32 - 1

// leb writes an unsigned number.
func leb[N int | uint32](n N) []byte { return binary.AppendUvarint(nil, uint64(n)) }

func str(s string) []byte { return append(leb(len(s)), s...) }

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

// vec writes a count and its entries.
func vec(entries ...[]byte) []byte { return join(leb(len(entries)), join(entries...)) }

// many writes a count and that many times the same entry.
func many(n int, entry ...byte) []byte { return join(leb(n), bytes.Repeat(entry, n)) }

// sized writes a length and that many bytes.
func sized(parts ...[]byte) []byte {
	content := join(parts...)
	return join(leb(len(content)), content)
}

func section(id byte, parts ...[]byte) []byte { return join([]byte{id}, sized(parts...)) }

func custom(name string, parts ...[]byte) []byte {
	return section(secCustom, str(name), join(parts...))
}

// module writes the header and sections.
func module(sections ...[]byte) []byte {
	return join([]byte("\x00asm\x01\x00\x00\x00"), join(sections...))
}

var (
	noType    = []byte{0x60, 0, 0}    // () -> ()
	i32Zero   = []byte{0x41, 0, 0x0b} // an initial value
	nullFunc  = []byte{0xd0, 0x70, 0x0b}
	emptyBody = []byte{2, 0, 0x0b}
)

// functions writes the sections of n functions that do nothing.
func functions(n int) (types, funcs, code []byte) {
	return section(secType, vec(noType)), section(secFunction, many(n, 0)), section(secCode, many(n, emptyBody...))
}

// oneFunction is a module of one function with the body.
func oneFunction(body ...[]byte) []byte {
	return module(section(secType, vec(noType)), section(secFunction, vec([]byte{0})), section(secCode, vec(sized(body...))))
}

// smallModules are valid and small, and each is about other parts of the
// format. The one named "everything" has every section.
func smallModules() map[string][]byte {
	types, funcs, code := functions(2)
	memory := section(secMemory, vec([]byte{1, 1, 4}))
	return map[string][]byte{
		"everything": everything(),
		"functions":  module(types, funcs, section(secExport, vec(join(str("run"), []byte{0, 1}))), code),
		"code": module(section(secType, vec(noType)), section(secFunction, many(2, 0)), memory, section(secCode, vec(
			sized([]byte{1, 2, 0x7f}, []byte{
				0x02, 0x40, 0x03, 0x40, 0x20, 0, 0x04, 0x40, 0x0c, 1, 0x05, 0x20, 1, 0x0d, 2, 0x0b, 0x0b, 0x0b, // blocks, and ways out of them
				0x02, 0x40, 0x02, 0x40, 0x20, 0, 0x0e, 2, 0, 1, 2, 0x0b, 0x0b, // br_table
				0x41, 0, 0x41, 7, 0x36, 2, 0, 0x41, 0, 0x41, 0, 0x41, 1, 0xfc, 0x0b, 0, 0x10, 1, 0x0b,
			}),
			sized([]byte{0}, nested(3, 0x03), []byte{0x0b})))),
		"data": module(memory,
			section(secExport, vec(join(str("memory"), []byte{2, 0}))),
			section(secData, vec(join([]byte{0}, i32Zero, str("hello")), join([]byte{1}, str("later"))))),
		"tables": module(types, funcs,
			section(secTable, vec([]byte{0x70, 0, 2}, []byte{0x6f, 1, 0, 9})),
			section(secElement, vec(join([]byte{0}, i32Zero, vec([]byte{0}, []byte{1})), join([]byte{5, 0x70}, vec(nullFunc)))),
			code),
		"names": module(types, funcs, code, nameSection()),
	}
}

func nameSection() []byte {
	return custom("name",
		[]byte{0}, sized(str("guest")),
		[]byte{1}, sized(vec(join([]byte{0}, str("first")), join([]byte{1}, str("second")))),
		[]byte{2}, sized(vec(join([]byte{1}, vec(join([]byte{0}, str("x")))))),
		[]byte{9}, sized([]byte("passed over")))
}

func everything() []byte {
	return module(
		custom("first", []byte("anything")),
		section(secType, vec(noType,
			[]byte{0x60, 2, 0x7f, 0x7e, 1, 0x7f},
			[]byte{0x60, 5, 0x7d, 0x7c, 0x7b, 0x70, 0x6f, 2, 0x7f, 0x7f})),
		section(secImport, vec(
			join(str("taskhost_v1"), str("value_len"), []byte{0, 1}),
			join(str("env"), str("g"), []byte{3, 0x7f, 0}),
			join(str("env"), str("t"), []byte{1, 0x70, 1, 1, 3}))),
		section(secFunction, vec([]byte{0}, []byte{1}, []byte{2})),
		section(secTable, vec([]byte{0x70, 1, 4, 8}, []byte{0x6f, 0, 1})),
		section(secMemory, vec([]byte{1, 1, 4})),
		section(secGlobal, vec(
			[]byte{0x7f, 1, 0x41, 5, 0x0b},
			join([]byte{0x7e, 0, 0x42}, bytes.Repeat([]byte{0x80}, 9), []byte{0x7f, 0x0b}), // -2^63
			[]byte{0x7d, 0, 0x43, 0, 0, 0, 0, 0x0b},
			[]byte{0x7c, 0, 0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0x0b},
			join([]byte{0x7b, 0, 0xfd, 0x0c}, make([]byte, 16), []byte{0x0b}),
			[]byte{0x7f, 0, 0x23, 0, 0x0b},
			join([]byte{0x70, 0}, nullFunc),
			[]byte{0x70, 0, 0xd2, 1, 0x0b})),
		section(secExport, vec(
			join(str("memory"), []byte{2, 0}),
			join(str("run"), []byte{0, 2}),
			join(str("table"), []byte{1, 2}),
			join(str("global"), []byte{3, 8}))),
		section(secStart, []byte{1}),
		section(secElement, vec(
			join([]byte{0}, i32Zero, vec([]byte{1})),
			join([]byte{1, 0}, vec([]byte{1}, []byte{2})),
			join([]byte{2, 1}, i32Zero, []byte{0}, vec([]byte{1})),
			join([]byte{3, 0}, vec([]byte{1})),
			join([]byte{4}, i32Zero, vec([]byte{0xd2, 1, 0x0b})),
			join([]byte{5, 0x70}, vec(nullFunc)),
			join([]byte{6, 2}, i32Zero, []byte{0x6f}, vec([]byte{0xd0, 0x6f, 0x0b})),
			join([]byte{7, 0x70}, vec([]byte{0xd2, 1, 0x0b})))),
		section(secDataCount, []byte{3}),
		section(secCode, vec(
			sized([]byte{0, 0x01, 0x0b}),
			sized([]byte{2, 2, 0x7f, 1, 0x7c, 0x20, 0, 0x0b}),
			sized([]byte{0, 0x41, 1, 0x41, 2, 0x0b}))),
		section(secData, vec(
			join([]byte{0, 0x41, 8, 0x0b}, str("hi")),
			join([]byte{1}, str("p")),
			join([]byte{2, 0, 0x41, 9, 0x0b}, str("x")))),
		nameSection(),
		custom("producers", []byte{0}),
	)
}
