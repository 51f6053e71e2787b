package fuel

// The functions that are appended, written as bodies without their size.

// yieldBody is yield, from what is left of a slice to what is left of the next.
func (a *added) yieldBody() []byte {
	const counter, take = 0, 1
	c := code{1, 1, 0x7e} // one local
	c.with(opLocalGet, counter)
	c.i64(tooDeep)
	c.op(opI64And, opI64Eqz, opI32Eqz)
	a.trapIf(&c)

	// take = min(slice - what is left, the budget)
	c.i64(slice)
	c.with(opLocalGet, counter)
	c.i64(depthBits)
	c.op(opI64ShrS, opI64Sub)
	c.with(opLocalTee, take)
	c.with(opGlobalGet, a.left)
	c.with(opLocalGet, take)
	c.with(opGlobalGet, a.left)
	c.op(opI64LtS, opSelect)
	c.with(opLocalSet, take)

	c.with(opGlobalGet, a.left)
	c.with(opLocalGet, take)
	c.op(opI64Sub)
	c.with(opGlobalSet, a.left)
	c.with(opLocalGet, counter)
	c.with(opLocalGet, take)
	c.i64(depthBits)
	c.op(opI64Shl, opI64Add)
	c.with(opLocalTee, counter)
	c.i64(0)
	c.op(opI64LtS)
	a.trapIf(&c)

	// Growing a memory by nothing is done in Go, where the garbage collector can
	// stop the goroutine.
	c.i32(0)
	c.op(opMemoryGrow, 0, opDrop)
	c.with(opGlobalGet, a.stop)
	a.trapIf(&c)
	c.with(opLocalGet, counter)
	c.op(opEnd)
	return c
}

// trapIf traps where the i32 on the stack says so. What is left is noted, and the
// budget inverted, which tells the host that it was this and no trap of the guest's.
func (a *added) trapIf(c *code) {
	c.op(opIf, noResult)
	c.move(opLocalGet, 0, opGlobalSet, a.fuel)
	c.with(opGlobalGet, a.left)
	c.i64(-1)
	c.op(opI64Xor)
	c.with(opGlobalSet, a.left)
	c.op(opUnreachable, opEnd)
}

// The parameters and locals of fill and copy.
const (
	to, from, length = 0, 1, 2 // fill has its byte in from
	counter          = 3
)

// fillBody is memory.fill, in pieces. One that is out of bounds is not begun.
func (a *added) fillBody() []byte {
	c := a.bulkBegin()
	inBounds(&c, to)
	c.op(opIf, noResult)
	a.pieces(&c, func() {
		c.with(opLocalGet, to)
		c.with(opLocalGet, from)
		c.i32(chunk)
		c.op(opMisc, miscMemoryFill, 0)
		step(&c, to, opI32Add)
		step(&c, length, opI32Sub)
	})
	c.op(opEnd)
	return a.bulkEnd(c, opMisc, miscMemoryFill, 0)
}

// copyBody is memory.copy, in pieces: from the front, or from the back where what
// is copied lies before where it goes and may overlap it.
func (a *added) copyBody() []byte {
	c := a.bulkBegin()
	inBounds(&c, to)
	inBounds(&c, from)
	c.op(opI32And, opIf, noResult)
	c.with(opLocalGet, to)
	c.with(opLocalGet, from)
	c.op(opI32LeU, opIf, noResult)
	a.pieces(&c, func() {
		c.with(opLocalGet, to)
		c.with(opLocalGet, from)
		c.i32(chunk)
		c.op(opMisc, miscMemoryCopy, 0, 0)
		step(&c, to, opI32Add)
		step(&c, from, opI32Add)
		step(&c, length, opI32Sub)
	})
	c.op(opElse)
	a.pieces(&c, func() {
		step(&c, length, opI32Sub)
		for _, local := range []uint32{to, from} {
			c.with(opLocalGet, local)
			c.with(opLocalGet, length)
			c.op(opI32Add)
		}
		c.i32(chunk)
		c.op(opMisc, miscMemoryCopy, 0, 0)
	})
	c.op(opEnd, opEnd)
	return a.bulkEnd(c, opMisc, miscMemoryCopy, 0, 0)
}

func (a *added) bulkBegin() code {
	c := code{1, 1, 0x7e}
	c.move(opGlobalGet, a.fuel, opLocalSet, counter)
	return c
}

// bulkEnd moves what is left, or traps.
func (a *added) bulkEnd(c code, instruction ...byte) []byte {
	c.with(opLocalGet, counter)
	c.with(opLocalGet, length)
	c.units(bulkShift)
	a.pay(&c)
	c.move(opLocalGet, counter, opGlobalSet, a.fuel)
	for _, local := range []uint32{to, from, length} {
		c.with(opLocalGet, local)
	}
	c.op(instruction...)
	c.op(opEnd)
	return c
}

// pay takes the charge on the stack off the counter below it.
func (a *added) pay(c *code) {
	c.op(opI64Sub)
	c.with(opLocalTee, counter)
	c.i64(0)
	c.op(opI64GeS)
	c.yieldUnless(counter, a.yield)
}

// pieces does a piece while there is more than one left.
func (a *added) pieces(c *code, piece func()) {
	c.op(opLoop, noResult)
	c.with(opLocalGet, length)
	c.i32(chunk)
	c.op(opI32GtU, opIf, noResult)
	c.with(opLocalGet, counter)
	c.i64(chunk >> bulkShift << depthBits)
	a.pay(c)
	piece()
	c.with(opBr, 1)
	c.op(opEnd, opEnd)
}

// step adds a piece to a local, or subtracts it.
func step(c *code, local uint32, op byte) {
	c.with(opLocalGet, local)
	c.i32(chunk)
	c.op(op)
	c.with(opLocalSet, local)
}

// inBounds leaves whether what begins at a local is in memory.
func inBounds(c *code, start uint32) {
	c.with(opLocalGet, start)
	c.op(opI64ExtendU)
	c.with(opLocalGet, length)
	c.op(opI64ExtendU, opI64Add, opMemorySize, 0, opI64ExtendU)
	c.i64(16)
	c.op(opI64Shl, opI64LeU)
}
