package wasmcode

// Instruction is what is told of one.
type Instruction struct {
	Op   byte
	Misc byte // the number behind [OpMisc]
	// Index is that of a label or a function, and for a br_table the number of labels.
	Index uint32
	// Labels are those of a br_table, the default last, for who keeps them.
	Labels []uint32
}

// Space is how many there are of what instructions name.
type Space struct {
	Types, Funcs, Globals, Locals int
	Memory                        bool
}

// Next reads an instruction. labels is room that may be used.
func (r *Reader) Next(l *Space, labels []uint32) Instruction {
	in := Instruction{Op: r.Byte()}
	switch op := in.Op; {
	case op >= OpFirstMemory && op <= OpLastMemory:
		r.memoryOperand(l)
	case op >= OpI32Eqz && op <= OpLastPlain:
	case op == OpMisc:
		r.misc(l, &in)
	case op == OpVector:
		r.vector(l)
	case op >= OpBlock && op <= OpIf:
		r.blockType(l.Types)
	case op == OpBr, op == OpBrIf:
		in.Index = r.U32()
	case op == OpBrTable:
		in.Index, in.Labels = r.table(labels)
	case op == OpCall, op == OpRefFunc:
		in.Index = r.index("function", l.Funcs)
	default:
		r.other(op, l)
	}
	return in
}

func (r *Reader) other(op byte, l *Space) {
	switch op {
	case OpUnreachable, OpNop, OpElse, OpEnd, OpReturn, OpDrop, OpSelect, OpRefIsNull:
	case OpCallIndirect:
		r.index("type", l.Types)
		r.U32()
	case OpSelectTyped:
		if r.Byte() != 1 {
			r.fail("a select of other than one type: the file is damaged")
		}
		r.Byte()
	case OpLocalGet, OpLocalSet, OpLocalTee:
		r.index("local", l.Locals)
	case OpGlobalGet, OpGlobalSet:
		r.index("global", l.Globals)
	case OpTableGet, OpTableSet:
		r.U32()
	case OpMemorySize, OpMemoryGrow:
		r.needMemory(l)
		r.zero()
	case OpI32Const:
		r.skipNumber(5)
	case OpI64Const:
		r.skipNumber(10)
	case OpF32Const:
		r.skip(4)
	case OpF64Const:
		r.skip(8)
	case OpRefNull:
		if t := r.Byte(); t != 0x70 && t != 0x6f {
			r.later("a null of type 0x%02x, supported are funcref and externref", t)
		}
	default:
		r.later("instruction 0x%02x, supported are those of WebAssembly 2.0: build without later features, such as threads, tail calls and exceptions", op)
	}
}

func (r *Reader) needMemory(l *Space) {
	if !l.Memory {
		r.fail("an instruction that needs a memory, and there is none: the file is damaged")
	}
}

func (r *Reader) memoryOperand(l *Space) {
	r.needMemory(l)
	r.U32() // alignment
	r.U32() // offset
}

// table reads the labels of a br_table. Each takes a byte or more.
func (r *Reader) table(labels []uint32) (uint32, []uint32) {
	n := r.U32()
	if uint64(n) >= uint64(r.End-r.Pos) {
		r.fail("a table of %d labels is cut short: the file is damaged", n)
		return 0, nil
	}
	for range n + 1 {
		if label := r.U32(); r.KeepLabels {
			labels = append(labels, label)
		}
	}
	return n + 1, labels
}

// misc reads an instruction with a second number.
func (r *Reader) misc(l *Space, in *Instruction) {
	number := r.U32()
	if number > MiscTableFill { // wazero looks at the low byte alone
		r.later("instruction 0xfc %d, supported are those of WebAssembly 2.0", number)
	}
	in.Misc = byte(number)
	switch in.Misc {
	case MiscMemoryInit:
		r.needMemory(l)
		r.U32()
		r.zero()
	case MiscMemoryCopy:
		r.needMemory(l)
		r.zero()
		r.zero()
	case MiscMemoryFill:
		r.needMemory(l)
		r.zero()
	case MiscTableInit, MiscTableCopy:
		r.U32()
		r.U32()
	case MiscDataDrop, MiscElemDrop, MiscTableGrow, MiscTableSize, MiscTableFill:
		r.U32()
	}
}

// vector reads an instruction of fixed-width SIMD. Numbers from 128 on have a second
// byte, which wazero reads as a nop: it has to be the one that is that.
func (r *Reader) vector(l *Space) {
	op := r.Byte()
	switch {
	case op&0x80 != 0:
		if b := r.Byte(); b != OpNop {
			r.later("vector instruction 0x%02x 0x%02x, supported are those of WebAssembly 2.0: build without relaxed SIMD", op, b)
		}
	case op <= 11, op == 92, op == 93:
		r.memoryOperand(l)
	case op == 12, op == 13: // v128.const, i8x16.shuffle
		r.skip(16)
	case op >= 21 && op <= 34: // lanes
		r.Byte()
	case op >= 84 && op <= 91: // lanes in memory
		r.memoryOperand(l)
		r.Byte()
	}
}
