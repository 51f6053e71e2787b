package wasmfile

// Opcodes of the instructions that an initial value can be made with.
const (
	opEnd       = 0x0b
	opGlobalGet = 0x23
	opI32Const  = 0x41
	opI64Const  = 0x42
	opF32Const  = 0x43
	opF64Const  = 0x44
	opI32Add    = 0x6a
	opI32Mul    = 0x6c
	opI64Add    = 0x7c
	opI64Mul    = 0x7e
	opRefNull   = 0xd0
	opRefFunc   = 0xd2
	opVector    = 0xfd
	opV128Const = 0x0c // after opVector
)

// expr passes over an initial value: in WebAssembly 2.0 one instruction and
// the end.
func (d *decoder) expr() {
	at := d.pos
	switch op := d.byte("initial value"); op {
	case opGlobalGet:
		d.index("global index", len(d.module.Globals))
	case opI32Const:
		d.signed(32, "constant")
	case opI64Const:
		d.signed(64, "constant")
	case opF32Const:
		d.skip(4, "constant")
	case opF64Const:
		d.skip(8, "constant")
	case opRefNull:
		d.refType()
	case opRefFunc:
		d.index("function index", len(d.module.funcs))
	case opVector:
		if vector := d.u32("instruction"); vector != opV128Const {
			d.fail(at, RuleMalformed, "vector instruction %d in an initial value, only v128.const may be: the file is damaged", vector)
		}
		d.skip(16, "constant")
	default:
		d.fail(at, RuleMalformed, "instruction 0x%02x in an initial value, only constants may be: the file is damaged", op)
	}
	at = d.pos
	switch op := d.byte("end of the initial value"); {
	case op == opEnd:
	case op >= opI32Add && op <= opI32Mul, op >= opI64Add && op <= opI64Mul, op >= opI32Const && op <= opF64Const, op == opGlobalGet:
		d.fail(at, RuleFeature, "an initial value that is computed is not supported, build without extended constant expressions")
	default:
		d.fail(at, RuleMalformed, "instruction 0x%02x in an initial value, it ends after one constant: the file is damaged", op)
	}
}

// index reads which one of n is meant. It is held against n here, since one that
// is too large could mean what a rewriter appends.
func (d *decoder) index(what string, n int) {
	at := d.pos
	if i := d.u32(what); d.err == nil && uint64(i) >= uint64(n) {
		d.fail(at, RuleMismatch, "%s %d, there are %d: the file is damaged", what, i, n)
	}
}

// Flags of an element segment, which make eight kinds.
const (
	elementPassive  = 1 // or declared only, with elementExplicit
	elementExplicit = 2 // names its table, where it is not passive
	elementExprs    = 4 // entries are expressions and not function indexes
)

// elementSection passes over what tables are filled with.
func (d *decoder) elementSection() {
	n := d.count("element segment count", minElementSeg, maxSegments)
	for i := 0; i < n && d.err == nil; i++ {
		d.at("element segment", i)
		d.elementSegment()
	}
}

func (d *decoder) elementSegment() {
	at := d.pos
	flags := d.u32("flags")
	if flags > elementPassive|elementExplicit|elementExprs {
		d.fail(at, RuleMalformed, "flags %d are unknown: the file is damaged", flags)
	}
	if flags&elementPassive == 0 {
		if flags&elementExplicit != 0 {
			d.u32("table index")
		}
		d.expr()
	}
	typed := flags&(elementPassive|elementExplicit) != 0 // else of functions
	if flags&elementExprs != 0 {
		if typed {
			d.refType()
		}
		d.elementEntries(minExpr, d.expr)
		return
	}
	if typed {
		at = d.pos
		if kind := d.byte("kind"); kind != 0 {
			d.fail(at, RuleMalformed, "kind 0x%02x, only 0 for functions is known: the file is damaged", kind)
		}
	}
	d.elementEntries(1, func() { d.index("function index", len(d.module.funcs)) })
}

// elementEntries passes over entries that take at least least bytes each.
func (d *decoder) elementEntries(least int, entry func()) {
	n := d.count("entry count", least, maxElements-d.elements)
	d.elements += n
	for i := 0; i < n && d.err == nil; i++ {
		entry()
	}
}

// dataCountSection reads how many data segments will follow the code.
func (d *decoder) dataCountSection() {
	at := d.pos
	d.dataCount = d.u32("data segment count")
	d.module.HasDataCount = true
	if d.dataCount > maxSegments {
		d.fail(at, RuleLimit, "%d data segments are announced, at most %d are allowed", d.dataCount, maxSegments)
	}
}

// dataSection reads where the data is that memory is filled with.
func (d *decoder) dataSection() {
	n := d.count("data segment count", minDataSeg, maxSegments)
	d.module.Data = make([]Data, 0, n)
	for i := 0; i < n && d.err == nil; i++ {
		d.at("data segment", i)
		at := d.pos
		var data Data
		switch flags := d.u32("flags"); flags {
		case 0:
			data = d.activeData(0)
		case 1: // copied by an instruction, and not at the start
		case 2:
			data = d.activeData(d.u32("memory index"))
		default:
			d.fail(at, RuleMalformed, "flags %d are unknown: the file is damaged", flags)
		}
		size := d.u32("length")
		data.Start = d.pos
		d.skip(uint64(size), "contents")
		data.End = d.pos
		d.module.Data = append(d.module.Data, data)
	}
}

// activeData reads where a segment goes. There must be a memory: where the segment is
// taken out of the file, the runtime cannot tell.
func (d *decoder) activeData(memory uint32) Data {
	if there := len(d.module.Memories); uint64(memory) >= uint64(there) {
		d.fail(d.pos, RuleMismatch, "it goes into memory %d, there are %d: the file is damaged", memory, there)
	}
	data := Data{Active: true}
	if d.left() > 0 && d.wasm[d.pos] == opI32Const {
		at := *d
		at.pos++
		data.Offset, data.Constant = uint32(at.signed(32, "offset")), true
	}
	d.expr()
	return data
}
