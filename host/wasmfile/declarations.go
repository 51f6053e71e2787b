package wasmfile

import "slices"

// typeSection reads the function types.
func (d *decoder) typeSection() {
	n := d.count("type count", minType, maxTypes)
	d.module.Types = make([]FuncType, 0, n)
	for i := 0; i < n && d.err == nil; i++ {
		d.at("type", i)
		at := d.pos
		switch form := d.byte("form"); form {
		case 0x60:
		case 0x4e, 0x4f, 0x50, 0x5e, 0x5f:
			d.fail(at, RuleFeature, "form 0x%02x: types for garbage collection are not supported, build without them", form)
		default:
			d.fail(at, RuleMalformed, "form 0x%02x, a function type has 0x60: the file is damaged", form)
		}
		t := FuncType{Params: d.valTypes("parameter count", maxParams), Results: d.valTypes("result count", maxResults)}
		d.signature += len(t.Params) + len(t.Results)
		if d.signature > maxSignatureValues {
			d.fail(at, RuleLimit, "more than %d parameters and results in all types: pass structures in memory", maxSignatureValues)
		}
		d.maxResults = max(d.maxResults, len(t.Results))
		d.module.Types = append(d.module.Types, t)
	}
}

func (d *decoder) valTypes(what string, most int) []ValType {
	n := d.count(what, 1, most)
	if n == 0 {
		return nil
	}
	types := make([]ValType, n)
	for i := range types {
		types[i] = d.valType()
	}
	return types
}

// valType reads the type of a value.
func (d *decoder) valType() ValType {
	at := d.pos
	switch t := ValType(d.byte("value type")); t {
	case I32, I64, F32, F64, V128, FuncRef, ExternRef:
		return t
	default:
		d.fail(at, RuleFeature, "value type 0x%02x, supported are those of WebAssembly 2.0: i32, i64, f32, f64, v128, funcref and externref", byte(t))
		return 0
	}
}

// refType reads the type of a reference.
func (d *decoder) refType() ValType {
	at := d.pos
	t := ValType(d.byte("reference type"))
	if t != FuncRef && t != ExternRef {
		d.fail(at, RuleFeature, "reference type 0x%02x, supported are funcref and externref", byte(t))
		return 0
	}
	return t
}

// importSection reads what the module asks of its host.
func (d *decoder) importSection() {
	n := d.count("import count", minImport, maxImports)
	d.module.Imports = make([]Import, 0, n)
	for i := 0; i < n && d.err == nil; i++ {
		d.at("import", i)
		imp := Import{
			Module: string(d.name("module name", maxName)),
			Name:   string(d.name("name", maxName)),
		}
		at := d.pos
		imp.Kind = Kind(d.byte("kind"))
		switch imp.Kind {
		case KindFunc:
			imp.Func = d.function()
			d.importedFuncs++
		case KindTable:
			d.table()
		case KindMemory:
			d.memory()
		case KindGlobal:
			d.global()
		default:
			d.badKind(at, imp.Kind)
		}
		d.module.Imports = append(d.module.Imports, imp)
	}
}

func (d *decoder) badKind(at int, k Kind) {
	if k == 4 {
		d.fail(at, RuleFeature, "a tag: exceptions are not supported, build without them")
	}
	d.fail(at, RuleMalformed, "%s is unknown: the file is damaged", k)
}

// function reads the type index of a function.
func (d *decoder) function() FuncType {
	at := d.pos
	index := d.u32("type index")
	if d.err != nil {
		return FuncType{}
	}
	if types := len(d.module.Types); uint64(index) >= uint64(types) {
		d.fail(at, RuleMismatch, "type index %d, there are %d types: the file is damaged", index, types)
		return FuncType{}
	}
	d.module.funcs = append(d.module.funcs, index)
	return d.module.Types[index]
}

// functionSection reads the types of the functions that the module defines.
func (d *decoder) functionSection() {
	n := d.count("function count", 1, maxFunctions)
	d.module.funcs = slices.Grow(d.module.funcs, n)
	for i := 0; i < n && d.err == nil; i++ {
		d.at("function", d.importedFuncs+i)
		d.function()
	}
}

func (d *decoder) tableSection() {
	n := d.count("table count", minTable, maxTables)
	for i := 0; i < n && d.err == nil; i++ {
		d.at("table", len(d.module.Tables))
		d.table()
	}
}

func (d *decoder) table() {
	at := d.pos
	if d.left() > 0 && d.wasm[at] == 0x40 {
		d.fail(at, RuleFeature, "a table with an initial value is not supported")
	}
	t := Table{Elem: d.refType()}
	t.Min, t.Max, t.HasMax = d.limits("entries")
	if d.tableMin += uint64(t.Min); d.tableMin > maxTableMin {
		d.fail(at, RuleLimit, "tables begin with %d entries in all, at most %d are allowed", d.tableMin, maxTableMin)
	}
	if d.module.Tables = append(d.module.Tables, t); len(d.module.Tables) > maxTables {
		d.fail(at, RuleLimit, "more than %d tables", maxTables)
	}
}

func (d *decoder) memorySection() {
	n := d.count("memory count", minMemory, len(d.wasm))
	for i := 0; i < n && d.err == nil; i++ {
		d.at("memory", len(d.module.Memories))
		d.memory()
	}
}

func (d *decoder) memory() {
	at := d.pos
	if len(d.module.Memories) > 0 {
		d.fail(at, RuleFeature, "a second memory: more than one is not supported")
	}
	var m Memory
	m.Min, m.Max, m.HasMax = d.limits("pages")
	if largest := max(m.Min, m.Max); largest > maxPages {
		d.fail(at, RuleMalformed, "%d pages of 64 KiB, 32-bit addresses reach %d", largest, maxPages)
	}
	d.module.Memories = append(d.module.Memories, m)
}

// limits reads the least and the greatest size of a table or memory.
func (d *decoder) limits(unit string) (least, most uint32, hasMost bool) {
	at := d.pos
	flags := d.byte("limits")
	switch {
	case flags <= 1:
	case flags <= 3:
		d.fail(at, RuleFeature, "flags 0x%02x: memory shared between threads is not supported, build without threads", flags)
	case flags <= 7:
		d.fail(at, RuleFeature, "flags 0x%02x: 64-bit memory is not supported, build for wasm32", flags)
	default:
		d.fail(at, RuleMalformed, "flags 0x%02x are unknown: the file is damaged, or made with a later WebAssembly than 2.0", flags)
	}
	least = d.u32("least size")
	if flags == 1 {
		most, hasMost = d.u32("greatest size"), true
		if most < least {
			d.fail(at, RuleMalformed, "at least %d %s and at most %d", least, unit, most)
		}
	}
	return least, most, hasMost
}

func (d *decoder) globalSection() {
	n := d.count("global count", minGlobal, maxGlobals)
	for i := 0; i < n && d.err == nil; i++ {
		d.at("global", len(d.module.Globals))
		d.global()
		d.expr()
	}
}

// global reads the type of a global.
func (d *decoder) global() {
	t := d.valType()
	at := d.pos
	mutable := d.byte("mutability")
	if mutable > 1 {
		d.fail(at, RuleMalformed, "mutability 0x%02x is neither 0 nor 1: the file is damaged", mutable)
	}
	d.module.Globals = append(d.module.Globals, Global{Type: t, Mutable: mutable == 1})
}

// exportSection reads what the module offers. Everything that an index can
// mean is known by then.
func (d *decoder) exportSection() {
	n := d.count("export count", minExport, maxExports)
	d.module.Exports = make([]Export, 0, n)
	names := make(map[string]bool, n)
	for i := 0; i < n && d.err == nil; i++ {
		d.at("export", i)
		at := d.pos
		e := Export{Name: string(d.name("name", maxName))}
		kindAt := d.pos
		e.Kind = Kind(d.byte("kind"))
		e.Index = d.u32("index")
		var there int
		switch e.Kind {
		case KindFunc:
			there = len(d.module.funcs)
		case KindTable:
			there = len(d.module.Tables)
		case KindMemory:
			there = len(d.module.Memories)
		case KindGlobal:
			there = len(d.module.Globals)
		default:
			d.badKind(kindAt, e.Kind)
		}
		if uint64(e.Index) >= uint64(there) {
			d.fail(kindAt, RuleMismatch, "%s %d is exported as %s, there are %d: the file is damaged", e.Kind, e.Index, quote(e.Name), there)
		}
		if names[e.Name] {
			d.fail(at, RuleMalformed, "the name %s is exported twice", quote(e.Name))
		}
		names[e.Name] = true
		d.module.Exports = append(d.module.Exports, e)
	}
}

func (d *decoder) startSection() {
	at := d.pos
	d.module.Start = d.u32("function index")
	d.module.HasStart = true
	if n := len(d.module.funcs); uint64(d.module.Start) >= uint64(n) {
		d.fail(at, RuleMismatch, "function index %d, there are %d functions: the file is damaged", d.module.Start, n)
	}
}
