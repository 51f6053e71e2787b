// Package wasmfile reads the WebAssembly binary format within bounds.
//
// A runtime trusts the counts that a module states: fifteen bytes that claim
// 2^32-1 imports make it ask for hundreds of gigabytes, which ends the process
// with an error that nothing can recover from. So every uploaded module passes
// through [Read] first. Read needs time that is linear in the length of the
// file, and memory that is bounded by that length and by the limits of this
// package, whatever the bytes say: a count is held against the bytes that are
// left before anything is made or looped over on its account, and against a
// limit where a few bytes make the runtime keep a lot, or work long.
//
// Read decodes what a host asks of a module (types, imports, exports,
// memories, tables), what a runtime allocates on, and the shapes of functions that
// its compiler takes long for. It passes over the rest, and does not say that a
// module is valid: it reads instructions and does not check their types.
// What it accepts still has to be compiled by the runtime, and what it refuses
// the runtime must not see. It accepts the first version of the format with
// the additions of WebAssembly 2.0 and nothing later.
//
// # What Read leaves to its caller
//
// The size of the file, since only the caller knows it before it is in memory.
// Custom sections other than "name" are bounded but not looked into, so a
// runtime must not be let near the DWARF sections: wazero parses them unless
// told otherwise, in quadratic time and memory, and has to be configured with
// WithDebugInfoEnabled(false).
package wasmfile

// Module is what [Read] found. It shares no memory with the file.
type Module struct {
	// Types are the function types, in the order of the file.
	Types []FuncType
	// Imports is everything the module asks of its host, in order.
	Imports []Import
	// Exports is everything the module offers, in order, with unique names
	// and with indexes that exist.
	Exports []Export
	// Memories are the imported and then the defined ones: none or one.
	Memories []Memory
	// Tables are the imported and then the defined ones.
	Tables []Table
	// Globals are the imported and then the defined ones.
	Globals []Global
	// Data is the data segments, and HasDataCount whether their number stands
	// ahead of the code too, without which no instruction can name one.
	Data         []Data
	HasDataCount bool
	// HasStart says that the module names a function that runs by itself when
	// the module is instantiated, before any export is called.
	HasStart bool
	// Start is the index of that function.
	Start uint32
	// Sections is where each section lies, in order, for whoever copies or
	// rewrites the file.
	Sections []Section

	funcs []uint32 // type index of each function, imported ones first
}

// Read decodes a module, which it neither keeps nor changes. An error is
// always an [*Error].
func Read(wasm []byte) (*Module, error) {
	d := &decoder{reader: reader{wasm: wasm, end: len(wasm)}, module: &Module{}}
	d.header()
	for d.left() > 0 {
		d.nextSection()
	}
	d.finish()
	if d.err != nil {
		return nil, d.err
	}
	return d.module, nil
}

// Func returns the type of a function by its index, in which the imported
// functions come first. It is false where there is no such function.
func (m *Module) Func(index uint32) (FuncType, bool) {
	if uint64(index) >= uint64(len(m.funcs)) {
		return FuncType{}, false
	}
	return m.Types[m.funcs[index]], true
}

// NumFuncs is how many functions there are, imported and defined.
func (m *Module) NumFuncs() int { return len(m.funcs) }

// ExportedFunc returns the type of the function that is exported under name.
// It is false where nothing is, or something that is no function.
func (m *Module) ExportedFunc(name string) (FuncType, bool) {
	for _, e := range m.Exports {
		if e.Name == name && e.Kind == KindFunc {
			return m.Func(e.Index)
		}
	}
	return FuncType{}, false
}

// decoder walks one file. What is not in the module is kept to hold one
// section against another.
type decoder struct {
	reader
	module *Module

	rank          int  // of the last section that was not a custom one
	customs       int  // custom sections so far
	sawName       bool // the name section has been read
	importedFuncs int
	tableMin      uint64 // sum of the least sizes of all tables
	signature     int    // parameters and results of all types
	maxResults    int    // of any type
	bodies        int    // in the code section
	locals        uint64 // of all bodies
	shape         shape  // of the body that is being read
	nestings      int    // sum over the blocks of all bodies of how deep they are
	targets       int    // of br_table instructions in all bodies
	waysLocals    uint64 // sum of these products over all bodies
	elements      int    // of all segments
	dataCount     uint32 // as stated ahead of the code
	names         int    // entries of the name section
	localNames    int    // functions that it has names of locals for
	moduleName    int    // length of the name of the module
}

// finish holds sections against each other once all are read.
func (d *decoder) finish() {
	if d.err != nil {
		return
	}
	d.section, d.item = "file", ""
	at := len(d.wasm)
	funcs := len(d.module.funcs)
	if defined := funcs - d.importedFuncs; defined != d.bodies {
		d.fail(at, RuleMismatch, "%d functions are declared and %d have a body: the file is cut short or damaged", defined, d.bodies)
	}
	if d.module.HasDataCount && uint64(d.dataCount) != uint64(len(d.module.Data)) {
		d.fail(at, RuleMismatch, "%d data segments are announced and %d follow: the file is cut short or damaged", d.dataCount, len(d.module.Data))
	}
	if d.moduleName*funcs > maxQualifiedNames {
		d.fail(at, RuleLimit, "a module name of %d bytes for %d functions, their product may be %d: shorten it or strip the name section", d.moduleName, funcs, maxQualifiedNames)
	}
	if lookups := uint64(len(d.module.Exports)+d.localNames) * uint64(funcs); lookups > maxNameLookups {
		d.fail(at, RuleLimit, "%d exports and %d functions with named locals for %d functions, their product may be %d: strip the name section", len(d.module.Exports), d.localNames, funcs, maxNameLookups)
	}
}
