package wasmfile

import (
	"fmt"
	"strings"
)

// ValType is the type of a value, as the binary format writes it.
type ValType byte

// The types of WebAssembly 2.0. Later ones are refused.
const (
	I32       ValType = 0x7f
	I64       ValType = 0x7e
	F32       ValType = 0x7d
	F64       ValType = 0x7c
	V128      ValType = 0x7b
	FuncRef   ValType = 0x70
	ExternRef ValType = 0x6f
)

// String returns the name of the type in the text format.
func (t ValType) String() string {
	switch t {
	case I32:
		return "i32"
	case I64:
		return "i64"
	case F32:
		return "f32"
	case F64:
		return "f64"
	case V128:
		return "v128"
	case FuncRef:
		return "funcref"
	case ExternRef:
		return "externref"
	}
	return fmt.Sprintf("0x%02x", byte(t))
}

// FuncType is the signature of a function. Its slices belong to the [Module]
// that it came from.
type FuncType struct {
	Params, Results []ValType
}

// String writes the signature to be read next to another, such as
// "(i32, i32) -> i64".
func (t FuncType) String() string {
	results := list(t.Results)
	if len(t.Results) != 1 {
		results = "(" + results + ")"
	}
	return "(" + list(t.Params) + ") -> " + results
}

func list(types []ValType) string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = t.String()
	}
	return strings.Join(names, ", ")
}

// Kind is what an import or an export is.
type Kind byte

// The kinds, as the binary format numbers them.
const (
	KindFunc   Kind = 0
	KindTable  Kind = 1
	KindMemory Kind = 2
	KindGlobal Kind = 3
)

// String returns the word for the kind.
func (k Kind) String() string {
	switch k {
	case KindFunc:
		return "function"
	case KindTable:
		return "table"
	case KindMemory:
		return "memory"
	case KindGlobal:
		return "global"
	}
	return fmt.Sprintf("kind 0x%02x", byte(k))
}

// Import is one thing that a module asks of its host.
type Import struct {
	// Module and Name are the two halves of the name, in UTF-8 and unquoted:
	// they are whatever the uploader wrote.
	Module, Name string
	// Kind is what is asked for.
	Kind Kind
	// Func is the signature, where Kind is KindFunc.
	Func FuncType
}

// Export is one thing that a module offers.
type Export struct {
	// Name is in UTF-8 and unquoted.
	Name string
	// Kind is what is offered.
	Kind Kind
	// Index is which one of that kind, imported ones first.
	Index uint32
}

// Memory is what a module says of a linear memory, in pages of 64 KiB.
type Memory struct {
	// Min is how many pages it begins with.
	Min uint32
	// Max is how many it may grow to, where HasMax is set. Without it the
	// memory may grow as far as the runtime allows.
	Max    uint32
	HasMax bool
}

// Table is what a module says of a table, in entries.
type Table struct {
	// Elem is the type of an entry: FuncRef or ExternRef.
	Elem ValType
	// Min is how many entries it begins with.
	Min uint32
	// Max is how many it may grow to, where HasMax is set.
	Max    uint32
	HasMax bool
}

// Global is what a module says of a global.
type Global struct {
	Type    ValType
	Mutable bool
}

// Data is a data segment.
type Data struct {
	// Active says that it goes to memory at the start, and not when an instruction
	// says so.
	Active bool
	// Offset is where it goes, if Constant. Otherwise that is read from a global.
	Offset   uint32
	Constant bool
	// Start is where its bytes stand in the file, and End is behind the last.
	Start, End int
}

// Section is where a section lies in the file.
type Section struct {
	// ID is its number in the binary format; 0 is a custom section.
	ID byte
	// Name is that of a custom section.
	Name string
	// Offset is where its number stands, Start its contents, after the size,
	// and End is behind its last byte.
	Offset, Start, End int
}
