package fuel

import "github.com/taskhost/taskhost/host/wasmcode"

// The functions that are appended, written as bodies without their size.

// yieldBody is yield, from what is left of a slice to what is left of the next.
func (a *added) yieldBody() []byte {
	const counter, take = 0, 1
	c := code{1, 1, 0x7e} // one local
	c.with(wasmcode.OpLocalGet, counter)
	c.i64(tooDeep)
	c.op(wasmcode.OpI64And, wasmcode.OpI64Eqz, wasmcode.OpI32Eqz)
	a.trapIf(&c)

	// take = min(slice - what is left, the budget)
	c.i64(slice)
	c.with(wasmcode.OpLocalGet, counter)
	c.i64(depthBits)
	c.op(wasmcode.OpI64ShrS, wasmcode.OpI64Sub)
	c.with(wasmcode.OpLocalTee, take)
	c.with(wasmcode.OpGlobalGet, a.left)
	c.with(wasmcode.OpLocalGet, take)
	c.with(wasmcode.OpGlobalGet, a.left)
	c.op(wasmcode.OpI64LtS, wasmcode.OpSelect)
	c.with(wasmcode.OpLocalSet, take)

	c.with(wasmcode.OpGlobalGet, a.left)
	c.with(wasmcode.OpLocalGet, take)
	c.op(wasmcode.OpI64Sub)
	c.with(wasmcode.OpGlobalSet, a.left)
	c.with(wasmcode.OpLocalGet, counter)
	c.with(wasmcode.OpLocalGet, take)
	c.i64(depthBits)
	c.op(wasmcode.OpI64Shl, wasmcode.OpI64Add)
	c.with(wasmcode.OpLocalTee, counter)
	c.i64(0)
	c.op(wasmcode.OpI64LtS)
	a.trapIf(&c)

	// Growing a memory by nothing is done in Go, where the garbage collector can
	// stop the goroutine.
	c.i32(0)
	c.op(wasmcode.OpMemoryGrow, 0, wasmcode.OpDrop)
	c.with(wasmcode.OpGlobalGet, a.stop)
	a.trapIf(&c)
	c.with(wasmcode.OpLocalGet, counter)
	c.op(wasmcode.OpEnd)
	return c
}

// trapIf traps where the i32 on the stack says so. What is left is noted, and the
// budget inverted, which tells the host that it was this and no trap of the guest's.
func (a *added) trapIf(c *code) {
	c.op(wasmcode.OpIf, wasmcode.NoResult)
	c.move(wasmcode.OpLocalGet, 0, wasmcode.OpGlobalSet, a.fuel)
	c.with(wasmcode.OpGlobalGet, a.left)
	c.i64(-1)
	c.op(wasmcode.OpI64Xor)
	c.with(wasmcode.OpGlobalSet, a.left)
	c.op(wasmcode.OpUnreachable, wasmcode.OpEnd)
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
	c.op(wasmcode.OpIf, wasmcode.NoResult)
	a.pieces(&c, func() {
		c.with(wasmcode.OpLocalGet, to)
		c.with(wasmcode.OpLocalGet, from)
		c.i32(chunk)
		c.op(wasmcode.OpMisc, wasmcode.MiscMemoryFill, 0)
		step(&c, to, wasmcode.OpI32Add)
		step(&c, length, wasmcode.OpI32Sub)
	})
	c.op(wasmcode.OpEnd)
	return a.bulkEnd(c, wasmcode.OpMisc, wasmcode.MiscMemoryFill, 0)
}

// copyBody is memory.copy, in pieces: from the front, or from the back where what
// is copied lies before where it goes and may overlap it.
func (a *added) copyBody() []byte {
	c := a.bulkBegin()
	inBounds(&c, to)
	inBounds(&c, from)
	c.op(wasmcode.OpI32And, wasmcode.OpIf, wasmcode.NoResult)
	c.with(wasmcode.OpLocalGet, to)
	c.with(wasmcode.OpLocalGet, from)
	c.op(wasmcode.OpI32LeU, wasmcode.OpIf, wasmcode.NoResult)
	a.pieces(&c, func() {
		c.with(wasmcode.OpLocalGet, to)
		c.with(wasmcode.OpLocalGet, from)
		c.i32(chunk)
		c.op(wasmcode.OpMisc, wasmcode.MiscMemoryCopy, 0, 0)
		step(&c, to, wasmcode.OpI32Add)
		step(&c, from, wasmcode.OpI32Add)
		step(&c, length, wasmcode.OpI32Sub)
	})
	c.op(wasmcode.OpElse)
	a.pieces(&c, func() {
		step(&c, length, wasmcode.OpI32Sub)
		for _, local := range []uint32{to, from} {
			c.with(wasmcode.OpLocalGet, local)
			c.with(wasmcode.OpLocalGet, length)
			c.op(wasmcode.OpI32Add)
		}
		c.i32(chunk)
		c.op(wasmcode.OpMisc, wasmcode.MiscMemoryCopy, 0, 0)
	})
	c.op(wasmcode.OpEnd, wasmcode.OpEnd)
	return a.bulkEnd(c, wasmcode.OpMisc, wasmcode.MiscMemoryCopy, 0, 0)
}

func (a *added) bulkBegin() code {
	c := code{1, 1, 0x7e}
	c.move(wasmcode.OpGlobalGet, a.fuel, wasmcode.OpLocalSet, counter)
	return c
}

// bulkEnd moves what is left, or traps.
func (a *added) bulkEnd(c code, instruction ...byte) []byte {
	c.with(wasmcode.OpLocalGet, counter)
	c.with(wasmcode.OpLocalGet, length)
	c.units(bulkShift)
	a.pay(&c)
	c.move(wasmcode.OpLocalGet, counter, wasmcode.OpGlobalSet, a.fuel)
	for _, local := range []uint32{to, from, length} {
		c.with(wasmcode.OpLocalGet, local)
	}
	c.op(instruction...)
	c.op(wasmcode.OpEnd)
	return c
}

// pay takes the charge on the stack off the counter below it.
func (a *added) pay(c *code) {
	c.op(wasmcode.OpI64Sub)
	c.with(wasmcode.OpLocalTee, counter)
	c.i64(0)
	c.op(wasmcode.OpI64GeS)
	c.yieldUnless(counter, a.yield)
}

// pieces does a piece while there is more than one left.
func (a *added) pieces(c *code, piece func()) {
	c.op(wasmcode.OpLoop, wasmcode.NoResult)
	c.with(wasmcode.OpLocalGet, length)
	c.i32(chunk)
	c.op(wasmcode.OpI32GtU, wasmcode.OpIf, wasmcode.NoResult)
	c.with(wasmcode.OpLocalGet, counter)
	c.i64(chunk >> bulkShift << depthBits)
	a.pay(c)
	piece()
	c.with(wasmcode.OpBr, 1)
	c.op(wasmcode.OpEnd, wasmcode.OpEnd)
}

// step adds a piece to a local, or subtracts it.
func step(c *code, local uint32, op byte) {
	c.with(wasmcode.OpLocalGet, local)
	c.i32(chunk)
	c.op(op)
	c.with(wasmcode.OpLocalSet, local)
}

// inBounds leaves whether what begins at a local is in memory.
func inBounds(c *code, start uint32) {
	c.with(wasmcode.OpLocalGet, start)
	c.op(wasmcode.OpI64ExtendU)
	c.with(wasmcode.OpLocalGet, length)
	c.op(wasmcode.OpI64ExtendU, wasmcode.OpI64Add, wasmcode.OpMemorySize, 0, wasmcode.OpI64ExtendU)
	c.i64(16)
	c.op(wasmcode.OpI64Shl, wasmcode.OpI64LeU)
}
