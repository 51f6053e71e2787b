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
	// The next bound shapes of functions that wazero's compiler takes long for, some
	// time that grows with their square or product. Of a 5.8 MB Go guest, SQLite and
	// QuickJS the largest function has 549 blocks within each other, 2,000 blocks and
	// branches, 1,145 targets and a product with locals of 123,000. Seconds are those
	// of one core for the worst function found just below each limit.
	//
	// maxNesting bounds the blocks that are open at once (0.4 s), and
	// maxLoopNesting the loops among them (0.06 s, where 5,000 take 6.5 s).
	maxNesting     = 5_000
	maxLoopNesting = 500
	// maxBranches bounds the blocks, br and br_if of a function (1.7 s).
	maxBranches = 10_000
	// maxTargets bounds the targets of all br_table of a function (0.6 s).
	maxTargets = 50_000
	// maxWaysLocals bounds blocks, branches and targets times parameters and locals:
	// where ways meet, each local may have come by each of them (2.8 s and 360 MB; a
	// body of 4.2 MB with few of them takes 1.15 GB, which only a worker's limit holds).
	maxWaysLocals = 500_000
	// maxAllNestings, maxAllTargets and maxAllWaysLocals bound the same for all
	// functions: the first the sum of how deep each block begins (8 to 20 s), the
	// others sums of those of each function (20 s; more than a minute). That Go guest
	// has 4.3 million, 118,000 and 2.2 million.
	maxAllNestings   = 100_000_000
	maxAllTargets    = 2_000_000
	maxAllWaysLocals = 30_000_000
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
