package fuel

import (
	"encoding/binary"

	"github.com/taskhost/taskhost/host/wasmcode"
)

// units makes a charge of the i32 on the stack, a length.
func (c *code) units(shift int64) {
	c.op(wasmcode.OpI64ExtendU)
	c.i64(shift)
	c.op(wasmcode.OpI64ShrU)
	c.i64(depthBits)
	c.op(wasmcode.OpI64Shl)
}

// How a look is written decides what wazero's register allocator makes of the code
// behind it: that begins with values where they are at the end of the way that was
// written first. After a call that is nowhere, so that in functions that call the
// way without one comes first. Where nothing else is called, the short form is best.

// yieldIf calls yield where the i32 on the stack says so.
func (c *code) yieldIf(counter, yield uint32) {
	c.op(wasmcode.OpIf, wasmcode.NoResult)
	c.yieldNow(counter, yield)
}

// yieldUnless calls yield unless the i32 on the stack says that there is no need.
func (c *code) yieldUnless(counter, yield uint32) {
	c.op(wasmcode.OpIf, wasmcode.NoResult, wasmcode.OpElse)
	c.yieldNow(counter, yield)
}

func (c *code) yieldNow(counter, yield uint32) {
	c.with(wasmcode.OpLocalGet, counter)
	c.with(wasmcode.OpCall, yield)
	c.with(wasmcode.OpLocalSet, counter)
	c.op(wasmcode.OpEnd)
}

// assemble writes the body out, with what goes to the marks.
func (b *body) assemble(groups int, locals []byte) []byte {
	own := []byte{1, 0x7e}
	if groups++; b.usesScratch {
		groups++
		own = append(own, 1, 0x7f)
	}
	out := make(code, 0, len(b.out)+len(locals)+12*len(b.marks))
	out = binary.AppendUvarint(out, uint64(groups))
	out = append(append(out, locals...), own...)
	from := 0
	for _, m := range b.marks {
		out = append(out, b.out[from:m.at]...)
		from = m.at
		b.place(&out, m)
	}
	return append(out, b.out[from:]...)
}

// place writes what goes to a mark.
func (b *body) place(out *code, m mark) {
	switch m.kind {
	case markEntry:
		b.enter(out, b.regions[m.region])
	case markExit:
		b.leave(out)
	default:
		cost := b.regions[m.region]
		if cost == 0 {
			return
		}
		if m.kind == markPlain && cost < regionCheck {
			out.take(b.counter, int64(cost)<<depthBits)
			return
		}
		b.chargeAndLook(out, int64(cost)<<depthBits)
	}
}

// chargeAndLook charges, and looks whether anything is left.
func (b *body) chargeAndLook(out *code, units int64) {
	if b.calls {
		out.op(wasmcode.OpBlock, wasmcode.NoResult)
	}
	out.with(wasmcode.OpLocalGet, b.counter)
	out.i64(units)
	out.op(wasmcode.OpI64Sub)
	out.with(wasmcode.OpLocalTee, b.counter)
	out.i64(0)
	if !b.calls {
		out.op(wasmcode.OpI64LtS)
		out.yieldIf(b.counter, b.yield)
		return
	}
	out.op(wasmcode.OpI64GeS)
	out.with(wasmcode.OpBrIf, 0)
	out.yieldNow(b.counter, b.yield)
}

// enter charges for the first region, and takes one of the depth.
func (b *body) enter(out *code, cost int) {
	units := int64(cost) << depthBits
	if b.calls {
		units++
	}
	out.with(wasmcode.OpGlobalGet, b.fuel)
	out.i64(units)
	out.op(wasmcode.OpI64Sub)
	out.with(wasmcode.OpLocalTee, b.counter)
	if b.calls {
		out.i64(-1<<63 | tooDeep)
		out.op(wasmcode.OpI64And, wasmcode.OpI64Eqz)
		out.yieldUnless(b.counter, b.yield)
		return
	}
	out.i64(0)
	out.op(wasmcode.OpI64LtS)
	out.yieldIf(b.counter, b.yield)
}

// leave notes the counter, with the depth given back. It leaves the local as it is,
// so that it can stand before a branch that is not taken.
func (b *body) leave(out *code) {
	out.with(wasmcode.OpLocalGet, b.counter)
	if b.calls {
		out.i64(1)
		out.op(wasmcode.OpI64Add)
	}
	out.with(wasmcode.OpGlobalSet, b.fuel)
}
