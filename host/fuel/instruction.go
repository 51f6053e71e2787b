package fuel

// instruction is what the rewriter has to know of one.
type instruction struct {
	op     byte
	misc   byte     // behind opMisc
	index  uint32   // of a label or a function
	labels []uint32 // of a br_table, the default last
}

// limits are how many there are of what instructions name, before anything is
// added.
type limits struct {
	types, funcs, globals, locals int
	imported                      uint32 // of the functions
	memory                        bool
}

// next reads an instruction. labels is room that may be used.
func (c *cursor) next(l *limits, labels []uint32) instruction {
	in := instruction{op: c.byte()}
	switch op := in.op; {
	case op >= opFirstMemory && op <= opLastMemory:
		c.memoryOperand(l)
	case op >= opI32Eqz && op <= opLastPlain:
	case op == opMisc:
		c.misc(l, &in)
	case op == opVector:
		c.vector(l)
	case op >= opBlock && op <= opIf:
		c.blockType(l.types)
	case op == opBr, op == opBrIf:
		in.index = c.u32()
	case op == opBrTable:
		in.labels = c.table(labels)
	case op == opCall, op == opRefFunc:
		in.index = c.index("function", l.funcs)
	default:
		c.other(op, l)
	}
	return in
}

func (c *cursor) other(op byte, l *limits) {
	switch op {
	case opUnreachable, opNop, opElse, opEnd, opReturn, opDrop, opSelect, opRefIsNull:
	case opCallIndirect:
		c.index("type", l.types)
		c.u32()
	case opSelectTyped:
		if c.byte() != 1 {
			c.fail("a select of other than one type: the file is damaged")
		}
		c.byte()
	case opLocalGet, opLocalSet, opLocalTee:
		c.index("local", l.locals)
	case opGlobalGet, opGlobalSet:
		c.index("global", l.globals)
	case opTableGet, opTableSet:
		c.u32()
	case opMemorySize, opMemoryGrow:
		c.needMemory(l)
		c.zero()
	case opI32Const:
		c.skipNumber(5)
	case opI64Const:
		c.skipNumber(10)
	case opF32Const:
		c.skip(4)
	case opF64Const:
		c.skip(8)
	case opRefNull:
		if t := c.byte(); t != 0x70 && t != 0x6f {
			c.fail("a null of type 0x%02x, supported are funcref and externref", t)
		}
	default:
		c.fail("instruction 0x%02x, supported are those of WebAssembly 2.0: build without later features, such as threads, tail calls and exceptions", op)
	}
}

func (c *cursor) needMemory(l *limits) {
	if !l.memory {
		c.fail("an instruction that needs a memory, and there is none: the file is damaged")
	}
}

func (c *cursor) memoryOperand(l *limits) {
	c.needMemory(l)
	c.u32() // alignment
	c.u32() // offset
}

// table reads the labels of a br_table. Each takes a byte or more.
func (c *cursor) table(labels []uint32) []uint32 {
	n := c.u32()
	if uint64(n) >= uint64(c.end-c.pos) {
		c.fail("a table of %d labels is cut short: the file is damaged", n)
		return nil
	}
	for range n + 1 {
		labels = append(labels, c.u32())
	}
	return labels
}

// misc reads an instruction with a second number.
func (c *cursor) misc(l *limits, in *instruction) {
	number := c.u32()
	if number > miscTableFill { // wazero looks at the low byte alone
		c.fail("instruction 0xfc %d, supported are those of WebAssembly 2.0", number)
	}
	in.misc = byte(number)
	switch in.misc {
	case miscMemoryInit:
		c.needMemory(l)
		c.u32()
		c.zero()
	case miscMemoryCopy:
		c.needMemory(l)
		c.zero()
		c.zero()
	case miscMemoryFill:
		c.needMemory(l)
		c.zero()
	case miscTableInit, miscTableCopy:
		c.u32()
		c.u32()
	case miscDataDrop, miscElemDrop, miscTableGrow, miscTableSize, miscTableFill:
		c.u32()
	}
}

// vector reads an instruction of fixed-width SIMD. Numbers from 128 on have a second
// byte, which wazero reads as a nop: it has to be the one that is that.
func (c *cursor) vector(l *limits) {
	op := c.byte()
	switch {
	case op&0x80 != 0:
		if b := c.byte(); b != opNop {
			c.fail("vector instruction 0x%02x 0x%02x, supported are those of WebAssembly 2.0: build without relaxed SIMD", op, b)
		}
	case op <= 11, op == 92, op == 93:
		c.memoryOperand(l)
	case op == 12, op == 13: // v128.const, i8x16.shuffle
		c.skip(16)
	case op >= 21 && op <= 34: // lanes
		c.byte()
	case op >= 84 && op <= 91: // lanes in memory
		c.memoryOperand(l)
		c.byte()
	}
}
