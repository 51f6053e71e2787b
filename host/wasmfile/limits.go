package wasmfile

// Limits on what a module may hold. They are well above what real modules of
// Go, TinyGo, Rust, Zig, C and Haskell were found to hold. Each keeps what the
// runtime makes of one file to some hundred megabytes, where the bytes of the
// file alone would let it make far more.
const (
	// maxTypes bounds function types.
	maxTypes = 10_000
	// maxParams and maxResults bound one function type: the runtime's key for
	// a type takes quadratic time to build. Browsers have the same bound.
	maxParams  = 1_000
	maxResults = 1_000
	// maxSignatureValues bounds the parameters and results of all types, since
	// that quadratic time is spent for each of them.
	maxSignatureValues = 100_000
	// maxImports bounds imports. A guest uses some dozens.
	maxImports = 1_000
	// maxFunctions bounds the defined functions, each of which costs some
	// hundred bytes even where it is empty.
	maxFunctions = 100_000
	// maxTables bounds tables, and maxTableMin the entries that they begin
	// with together: eight bytes each, made at instantiation.
	maxTables   = 8
	maxTableMin = 10_000_000
	// maxPages is how many pages of 64 KiB 32-bit addresses reach.
	maxPages = 65_536
	// maxGlobals and maxExports bound those.
	maxGlobals = 10_000
	maxExports = 10_000
	// maxSegments bounds element and data segments each. The Go linker, which
	// makes a segment of every run between zeros, stops at this number.
	maxSegments = 100_000
	// maxElements bounds the entries of all element segments: one byte of the
	// file becomes some fifty.
	maxElements = 1_000_000
	// maxLocals bounds the locals of one function, maxAllLocals those of all.
	// Eight bytes of the file can declare maxLocals, of which the runtime
	// keeps eight bytes each, or sixty when interpreting.
	maxLocals    = 50_000
	maxAllLocals = 2_000_000
	// maxBody bounds the bytes of one body, as browsers do.
	maxBody = 7_654_321
	// maxBodyResults bounds the bytes of a body times the most results that a
	// function type has, where one has more than one: two bytes can call, and
	// for each value that comes back the runtime's compiler keeps some 270.
	maxBodyResults = 2 << 20
	// maxCustoms bounds custom sections.
	maxCustoms = 1_000
	// maxName bounds the bytes of the name of an import, an export, a custom
	// section or the module. Names end up in messages.
	maxName = 4 << 10
	// maxDebugName bounds the bytes of a name in the name section, where
	// mangled names of generic code are long.
	maxDebugName = 64 << 10
	// maxDebugNames bounds the entries of the name section.
	maxDebugNames = 1_000_000
	// maxQualifiedNames bounds the length of the module's name times the
	// number of functions: the runtime puts it before the name of each.
	maxQualifiedNames = 64 << 20
	// maxNameLookups bounds functions times the exports and lists of local
	// names: the runtime searches both once for each function.
	maxNameLookups = 1_000_000_000
)

// Least bytes that an entry of each vector takes.
const (
	minType       = 3 // form, two counts
	minImport     = 4 // two empty names, kind, one byte of description
	minTable      = 3 // element type, flags, least size
	minMemory     = 2 // flags, least size
	minExpr       = 3 // instruction, one byte of operand, end
	minGlobal     = 2 + minExpr
	minExport     = 3 // empty name, kind, index
	minElementSeg = 3 // flags, kind, count
	minDataSeg    = 2 // flags, length
	minBody       = 3 // size, number of groups of locals, end
	minLocals     = 2 // how many, type
	minNamed      = 2 // index, empty name
)
