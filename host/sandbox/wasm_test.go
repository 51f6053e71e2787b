//go:build linux

package sandbox_test

import (
	"encoding/binary"
	"slices"

	"github.com/tetratelabs/wazero/api"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host/wasi"
)

// A module is assembled here from its bytes up: small, quick to compile, and
// also as no compiler would make it.

const (
	i32 = api.ValueTypeI32
	i64 = api.ValueTypeI64
)

type signature struct{ params, results []byte }

type importDecl struct {
	module, name string
	signature
}

type function struct {
	export string // "" for none
	signature
	code []byte
}

type module struct {
	imports   []importDecl
	foreign   [][]byte // imports that are no functions
	functions []function
	memory    []byte   // its limits, nil for none
	memoryAs  string   // its export
	table     []byte   // indexes of functions
	start     bool     // with the last function
	reexport  string   // an import to export as well
	data      []byte   // from address 0
	globals   [][]byte // entries of the section
	segments  [][]byte // of data, in place of data, counted ahead of the code
	// exportGlobal is what the first global is exported as, "" for not.
	exportGlobal string
}

// manifest is what a module made by newModule declares.
const manifest = `{"definitions":[{"name":"raw"}]}`

// newModule gives a guest with one definition, which is run by the code. It
// imports all functions of the contract, and a few of WASI.
func newModule(run ...[]byte) *module {
	m := &module{memory: limits(1), memoryAs: abi.ExportMemory, imports: []importDecl{
		{wasi.ModuleName, "proc_exit", signature{params: []byte{i32}}},
		{wasi.ModuleName, "fd_write", signature{[]byte{i32, i32, i32, i32}, []byte{i32}}},
		{wasi.ModuleName, "poll_oneoff", signature{[]byte{i32, i32, i32, i32}, []byte{i32}}},
	}}
	for _, f := range abi.Imports() {
		sig := signature{results: valueTypes(f.Results...)}
		for _, p := range f.Params {
			sig.params = append(sig.params, valueTypes(p.Type)...)
		}
		m.imports = append(m.imports, importDecl{abi.Module, f.Name, sig})
	}
	m.functions = []function{
		{export: abi.ExportDescribe, code: m.call("output", append(m.text(manifest), 0, 0)...)},
		{export: abi.ExportRun, signature: signature{[]byte{i32}, []byte{i32}}},
	}
	return m.run(run...)
}

func valueTypes(types ...abi.Type) (out []byte) {
	for _, t := range types {
		if t == abi.I64 {
			out = append(out, i64)
		} else {
			out = append(out, i32)
		}
	}
	return out
}

// run sets the code that the definition is run by.
func (m *module) run(code ...[]byte) *module { return m.set(abi.ExportRun, code...) }

func (m *module) set(export string, code ...[]byte) *module {
	m.function(export).code = join(code...)
	return m
}

func (m *module) function(export string) *function {
	return &m.functions[slices.IndexFunc(m.functions, func(f function) bool { return f.export == export })]
}

// add appends a function without parameters or results.
func (m *module) add(export string, code ...[]byte) *module {
	m.functions = append(m.functions, function{export: export, code: join(code...)})
	return m
}

// text puts a text into memory, and gives its address and length.
func (m *module) text(s string) []uint32 {
	at := uint32(len(m.data))
	m.data = append(m.data, s...)
	return []uint32{at, uint32(len(s))}
}

// call calls an import with constants.
func (m *module) call(name string, args ...uint32) []byte {
	var code []byte
	for _, arg := range args {
		code = append(code, constant(arg)...)
	}
	return join(code, []byte{0x10}, leb(m.index(name)))
}

func (m *module) index(name string) int {
	return slices.IndexFunc(m.imports, func(i importDecl) bool { return i.name == name })
}

// log logs a text.
func (m *module) log(level uint32, s string) []byte {
	return m.call("log", append(append([]uint32{level}, m.text(s)...), 0, 0)...)
}

// output pushes a text.
func (m *module) output(s string) []byte { return m.call("output", append(m.text(s), 0, 0)...) }

// fail reports a failure.
func (m *module) fail(kind uint32, message, trace string) []byte {
	return m.call("fail", slices.Concat([]uint32{kind}, m.text(message), m.text(trace))...)
}

// Instructions.
var (
	drop        = []byte{0x1a}
	unreachable = []byte{0x00}
	forever     = []byte{0x03, 0x40, 0x0c, 0, 0x0b}    // loop, br 0, end
	done        = constant(abi.RunDone)                // as the last
	failed      = constant(abi.RunFailed)              // as the last
	trapIfFull  = []byte{0x41, 0x7f, 0x46, 0x04, 0x40, // i32.const -1, i32.eq, if
		0x00, 0x0b} // unreachable, end
)

func constant(n uint32) []byte {
	out, rest := []byte{0x41}, int32(n)
	for rest < -64 || rest > 63 {
		out = append(out, byte(rest)&0x7f|0x80)
		rest >>= 7
	}
	return append(out, byte(rest)&0x7f)
}

func grow(pages uint32) []byte { return join(constant(pages), []byte{0x40, 0}) }

// store writes what the code leaves, of 32 or 64 bits, to an address.
func store(at uint32, code []byte) []byte { return join(constant(at), code, []byte{0x36, 0, 0}) }

func store64(at uint32, code []byte) []byte { return join(constant(at), code, []byte{0x37, 0, 0}) }

func load(at uint32) []byte { return join(constant(at), []byte{0x28, 0, 0}) }

// callIndirect calls a function of the table, by the type of an import.
func (m *module) callIndirect(name string, args ...uint32) []byte {
	code := m.call(name, args...)
	code = code[:len(code)-2] // without the call
	return join(code, constant(uint32(slices.Index(m.table, byte(m.index(name))))), []byte{0x11}, leb(m.index(name)), []byte{0})
}

// limits are those of a memory, in pages.
func limits(least int, most ...int) []byte {
	if len(most) > 0 {
		return join([]byte{1}, leb(least), leb(most[0]))
	}
	return join([]byte{0}, leb(least))
}

// bytes assembles the module. Each import and function has a type of its own.
func (m *module) bytes() []byte {
	var types, imports, functions, exports, bodies [][]byte
	for i, f := range m.imports {
		types = append(types, f.encode())
		imports = append(imports, join(str(f.module), str(f.name), []byte{0}, leb(i)))
	}
	for i, f := range m.functions {
		index := leb(len(m.imports) + i)
		types = append(types, f.encode())
		functions = append(functions, index)
		if f.export != "" {
			exports = append(exports, join(str(f.export), []byte{0}, index))
		}
		code := join([]byte{0}, f.code, []byte{0x0b})
		bodies = append(bodies, join(leb(len(code)), code))
	}
	if m.reexport != "" {
		exports = append(exports, join(str(m.reexport), []byte{0}, leb(m.index(m.reexport))))
	}
	out := join([]byte("\x00asm\x01\x00\x00\x00"), section(1, types...), section(2, append(imports, m.foreign...)...), section(3, functions...))
	if m.table != nil {
		out = append(out, section(4, join([]byte{0x70, 0}, leb(len(m.table))))...)
	}
	if m.memory != nil {
		out = append(out, section(5, m.memory)...)
		exports = append(exports, join(str(m.memoryAs), []byte{2, 0}))
	}
	if m.globals != nil {
		out = append(out, section(6, m.globals...)...)
	}
	if m.exportGlobal != "" {
		exports = append(exports, join(str(m.exportGlobal), []byte{3, 0}))
	}
	out = append(out, section(7, exports...)...)
	if m.start {
		index := leb(len(m.imports) + len(m.functions) - 1)
		out = append(out, join([]byte{8}, leb(len(index)), index)...)
	}
	if m.table != nil {
		out = append(out, section(9, join([]byte{0, 0x41, 0, 0x0b}, leb(len(m.table)), m.table))...)
	}
	if m.segments != nil {
		out = append(out, 12, 1, byte(len(m.segments)))
	}
	out = append(out, section(10, bodies...)...)
	if m.segments != nil {
		return append(out, section(11, m.segments...)...)
	}
	if m.data != nil {
		out = append(out, section(11, join([]byte{0, 0x41, 0, 0x0b}, str(string(m.data))))...)
	}
	return out
}

func (s signature) encode() []byte {
	return join([]byte{0x60}, str(string(s.params)), str(string(s.results)))
}

func section(id byte, entries ...[]byte) []byte {
	content := join(leb(len(entries)), join(entries...))
	return join([]byte{id}, leb(len(content)), content)
}

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

func leb(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

func str(s string) []byte { return join(leb(len(s)), []byte(s)) }

// write writes a text to a descriptor, and leaves the error number.
func (m *module) write(fd uint32, s string) []byte {
	text := m.text(s)
	return join(store(60_000, constant(text[0])), store(60_004, constant(text[1])), m.call("fd_write", fd, 60_000, 1, 60_008))
}
