package wasmfile_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host/wasmfile"
)

// What the author of a refused file is told.
func TestRefusals(t *testing.T) {
	global := func(expr ...byte) []byte { return module(section(secGlobal, vec(join([]byte{0x7f, 0}, expr)))) }
	memory := func(limits ...byte) []byte { return module(section(secMemory, vec(limits))) }
	types := section(secType, vec(noType))
	for _, test := range []struct {
		name string
		wasm []byte
		rule wasmfile.Rule
		says string
	}{
		{"nothing", nil, wasmfile.RuleHeader, "header at byte 0: the file is empty: build with"},
		{"magic only", []byte("\x00asm"), wasmfile.RuleHeader, "the file has 4 bytes and its header takes 8"},
		{"other file", []byte("\x7fELF\x02\x01\x01\x00\x00"), wasmfile.RuleHeader, `not a WebAssembly file: starts with "\x7fELF\x02\x01\x01\x00" (a native program), build with GOOS=wasip1 GOARCH=wasm`},
		{"text format", []byte("(module)"), wasmfile.RuleHeader, "assemble it"},
		{"short other file", []byte("\x00as"), wasmfile.RuleHeader, `starts with "\x00as", build`},
		{"component", []byte("\x00asm\x0d\x00\x01\x00"), wasmfile.RuleHeader, "header at byte 4: a component of the component model, this host runs core modules: build for wasip1"},
		{"version 2", []byte("\x00asm\x02\x00\x00\x00"), wasmfile.RuleHeader, `version "\x02\x00\x00\x00" of WebAssembly, this host runs version 1`},

		{"unknown section", module([]byte{14, 0}), wasmfile.RuleMalformed, "section at byte 8: section number 14 is unknown"},
		{"no size", module([]byte{1}), wasmfile.RuleTruncated, "type section at byte 9: size is missing"},
		{"no contents", module([]byte{1, 5}), wasmfile.RuleTruncated, "a section of 5 bytes, 0 are left"},
		{"empty section", module([]byte{1, 0}), wasmfile.RuleTruncated, "type count is missing"},
		{"twice", module(types, types), wasmfile.RuleMalformed, "type section at byte 14: a second one"},
		{"order", module(section(secFunction, leb(0)), types), wasmfile.RuleMalformed, "type section at byte 11: out of order"},
		{"data count after code", module(section(secCode, leb(0)), section(secDataCount, leb(0))), wasmfile.RuleMalformed, "out of order"},
		{"left over", module(section(secType, vec(noType), []byte{1, 2})), wasmfile.RuleMalformed, "type section at byte 14: a section of 6 bytes ends 2 bytes early"},
		{"name section twice", module(nameSection(), nameSection()), wasmfile.RuleMalformed, "name section at byte"},
		{"subsection left over", module(custom("name", []byte{1}, sized(leb(0), []byte{7}))), wasmfile.RuleMalformed, "subsection 1: a subsection of 2 bytes ends 1 bytes early"},

		{"long number", module(section(secType, []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0})), wasmfile.RuleMalformed, "type count: a number of more than 32 bits"},
		{"wide number", module(section(secType, []byte{0xff, 0xff, 0xff, 0xff, 0x1f})), wasmfile.RuleMalformed, "type count: a number of more than 32 bits"},
		{"long i32", global(0x41, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 0x0b), wasmfile.RuleMalformed, "global 0: constant: a number of more than 32 bits"},
		{"wide i32", global(0x41, 0xff, 0xff, 0xff, 0xff, 0x4f, 0x0b), wasmfile.RuleMalformed, "more than 32 bits"},
		{"wide i64", global(0x42, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x0b), wasmfile.RuleMalformed, "more than 64 bits"},

		{"type form", module(section(secType, vec([]byte{0x61, 0, 0}))), wasmfile.RuleMalformed, "type 0: form 0x61, a function type has 0x60"},
		{"no such type", module(types, section(secFunction, vec([]byte{0}, []byte{7}))), wasmfile.RuleMismatch, "function section at byte 18: function 1: type index 7, there are 1 types"},
		{"no such type, imported", module(section(secImport, vec(join(str("a"), str("b"), []byte{0, 0})))), wasmfile.RuleMismatch, "import 0: type index 0, there are 0 types"},
		{"name not in UTF-8", module(section(secImport, vec(join(str("a\xff\n"), str("b"), []byte{3, 0x7f, 0})))), wasmfile.RuleMalformed, `import 0: module name "a\xff\n" is not UTF-8`},
		{"import kind", module(section(secImport, vec(join(str("a"), str("b"), []byte{5, 0x7f, 0})))), wasmfile.RuleMalformed, "kind 0x05 is unknown"},
		{"mutability", module(section(secImport, vec(join(str("a"), str("b"), []byte{3, 0x7f, 2})))), wasmfile.RuleMalformed, "mutability 0x02"},
		{"no such function", module(section(secExport, vec(join(str("run"), []byte{0, 3})))), wasmfile.RuleMismatch, `export 0: function 3 is exported as "run", there are 0`},
		{"no such memory", module(section(secExport, vec(join(str("memory"), []byte{2, 0})))), wasmfile.RuleMismatch, `memory 0 is exported as "memory", there are 0`},
		{"exported twice", module(section(secMemory, vec([]byte{0, 1})), section(secExport, many(2, 1, 'm', 2, 0))), wasmfile.RuleMalformed, `export 1: the name "m" is exported twice`},
		{"export of a tag", module(section(secExport, vec(join(str("t"), []byte{4, 0})))), wasmfile.RuleFeature, "exceptions are not supported"},
		{"no start", module(section(secStart, []byte{0})), wasmfile.RuleMismatch, "start section at byte 10: function index 0, there are 0 functions"},
		{"limits", memory(1, 2, 1), wasmfile.RuleMalformed, "memory 0: at least 2 pages and at most 1"},
		{"limits flags", memory(8, 1), wasmfile.RuleMalformed, "flags 0x08 are unknown"},
		{"pages", memory(0, 0x81, 0x80, 0x04), wasmfile.RuleMalformed, "65537 pages of 64 KiB, 32-bit addresses reach 65536"},
		{"initial value", global(0x0b, 0, 0), wasmfile.RuleMalformed, "instruction 0x0b in an initial value"},
		{"initial value goes on", global(0x41, 0, 0x1a, 0x0b), wasmfile.RuleMalformed, "it ends after one constant"},
		{"initial vector", global(0xfd, 0x0d, 0x0b), wasmfile.RuleMalformed, "vector instruction 13"},
		{"element flags", module(section(secElement, vec([]byte{8, 0, 0}))), wasmfile.RuleMalformed, "element segment 0: flags 8"},
		{"element kind", module(section(secElement, vec([]byte{1, 1, 0}))), wasmfile.RuleMalformed, "kind 0x01"},
		{"data flags", module(section(secData, vec([]byte{3, 0}))), wasmfile.RuleMalformed, "data segment 0: flags 3"},
		{"data without memory", module(section(secData, vec([]byte{0, 0x41, 0, 0x0b, 0}))), wasmfile.RuleMismatch, "data segment 0: it goes into memory 0, there are 0"},
		{"data of no memory", module(section(secMemory, vec([]byte{0, 1})), section(secData, vec([]byte{2, 1, 0x41, 0, 0x0b, 0}))), wasmfile.RuleMismatch, "it goes into memory 1, there are 1"},
		{"fewer bodies", module(types, section(secFunction, many(2, 0)), section(secCode, vec(emptyBody))), wasmfile.RuleMismatch, "1 bodies for 2 functions"},
		{"no bodies", module(types, section(secFunction, many(2, 0))), wasmfile.RuleMismatch, "file at byte 19: 2 functions are declared and 0 have a body"},
		{"fewer data", module(section(secDataCount, leb(2)), section(secData, vec([]byte{1, 0}))), wasmfile.RuleMismatch, "2 data segments are announced and 1 follow"},
		{"body without end", oneFunction([]byte{0, 1}), wasmfile.RuleMalformed, "function 0: the body does not end"},
		{"body of locals only", oneFunction([]byte{1, 1, 0x7f}), wasmfile.RuleMalformed, "the body does not end"},

		{"second memory", module(section(secMemory, many(2, 0, 1))), wasmfile.RuleFeature, "a second memory"},
		{"shared memory", memory(3, 1, 2), wasmfile.RuleFeature, "memory 0: flags 0x03: memory shared between threads is not supported"},
		{"64-bit memory", memory(4, 1), wasmfile.RuleFeature, "64-bit memory is not supported, build for wasm32"},
		{"tags", module(section(secTag, leb(0))), wasmfile.RuleFeature, "a tag section: exceptions are not supported"},
		{"imported tag", module(section(secImport, vec(join(str("a"), str("b"), []byte{4, 0, 0})))), wasmfile.RuleFeature, "exceptions are not supported"},
		{"type group", module(section(secType, vec(join([]byte{0x4e, 1}, noType)))), wasmfile.RuleFeature, "garbage collection"},
		{"typed reference", module(section(secType, vec([]byte{0x60, 1, 0x64, 0x70, 0}))), wasmfile.RuleFeature, "value type 0x64, supported are"},
		{"table type", module(section(secTable, vec([]byte{0x7f, 0, 0}))), wasmfile.RuleFeature, "table 0: reference type 0x7f"},
		{"table value", module(section(secTable, vec([]byte{0x40, 0, 0x70, 0, 0, 0xd0, 0x70, 0x0b}))), wasmfile.RuleFeature, "a table with an initial value"},
		{"computed value", global(0x41, 1, 0x41, 2, 0x6a, 0x0b), wasmfile.RuleFeature, "extended constant expressions"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := wasmfile.Read(test.wasm)
			refusal := requireReadable(t, test.wasm, err)
			require.Equal(t, test.rule, refusal.Rule, err)
			require.ErrorContains(t, err, "wasm: ")
			require.ErrorContains(t, err, test.says)
		})
	}
}

// A long name from the file is cut in a message, between characters.
func TestRefusalCutsNames(t *testing.T) {
	entry := join(str(strings.Repeat("é", 1_000)), []byte{0, 0})
	_, err := wasmfile.Read(module(section(secExport, vec(entry))))
	require.ErrorContains(t, err, `exported as "`+strings.Repeat(`\u00e9`, 32)+`"..., there`)
	entry = join(str("x"+strings.Repeat("é", 1_000)), []byte{0, 0})
	_, err = wasmfile.Read(module(section(secExport, vec(entry))))
	require.ErrorContains(t, err, `exported as "x`+strings.Repeat(`\u00e9`, 31)+`"..., there`)
}
