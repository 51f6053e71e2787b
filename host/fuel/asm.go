package fuel

import "encoding/binary"

// Opcodes of what is looked at or written here.
const (
	opUnreachable  = 0x00
	opNop          = 0x01
	opBlock        = 0x02
	opLoop         = 0x03
	opIf           = 0x04
	opElse         = 0x05
	opEnd          = 0x0b
	opBr           = 0x0c
	opBrIf         = 0x0d
	opBrTable      = 0x0e
	opReturn       = 0x0f
	opCall         = 0x10
	opCallIndirect = 0x11
	opDrop         = 0x1a
	opSelect       = 0x1b
	opSelectTyped  = 0x1c
	opLocalGet     = 0x20
	opLocalSet     = 0x21
	opLocalTee     = 0x22
	opGlobalGet    = 0x23
	opGlobalSet    = 0x24
	opTableGet     = 0x25
	opTableSet     = 0x26
	opFirstMemory  = 0x28 // the loads and stores
	opLastMemory   = 0x3e
	opMemorySize   = 0x3f
	opMemoryGrow   = 0x40
	opI32Const     = 0x41
	opI64Const     = 0x42
	opF32Const     = 0x43
	opF64Const     = 0x44
	opI32Eqz       = 0x45
	opI32LeU       = 0x4d
	opI32GtU       = 0x4b
	opI64Eqz       = 0x50
	opI64LtS       = 0x53
	opI64LeU       = 0x58
	opI64GeS       = 0x59
	opI32Add       = 0x6a
	opI32Sub       = 0x6b
	opI32And       = 0x71
	opI64Add       = 0x7c
	opI64Sub       = 0x7d
	opI64And       = 0x83
	opI64Xor       = 0x85
	opI64Shl       = 0x86
	opI64ShrS      = 0x87
	opI64ShrU      = 0x88
	opI64ExtendU   = 0xad
	opLastPlain    = 0xc4 // of those without operands, which begin with i32.eqz
	opRefNull      = 0xd0
	opRefIsNull    = 0xd1
	opRefFunc      = 0xd2
	opMisc         = 0xfc
	opVector       = 0xfd

	noResult = 0x40 // the type of a block
)

// Instructions behind opMisc.
const (
	miscMemoryInit = 8
	miscDataDrop   = 9
	miscMemoryCopy = 10
	miscMemoryFill = 11
	miscTableInit  = 12
	miscElemDrop   = 13
	miscTableCopy  = 14
	miscTableGrow  = 15
	miscTableSize  = 16
	miscTableFill  = 17
)

// code is instructions as they are written.
type code []byte

func (c *code) op(ops ...byte) { *c = append(*c, ops...) }

// with writes an instruction and its operand, an index.
func (c *code) with(op byte, index uint32) {
	*c = binary.AppendUvarint(append(*c, op), uint64(index))
}

func (c *code) i32(n int32) { *c = appendSigned(append(*c, opI32Const), int64(n)) }

func (c *code) i64(n int64) { *c = appendSigned(append(*c, opI64Const), n) }

// take subtracts a constant from a local.
func (c *code) take(local uint32, n int64) {
	c.with(opLocalGet, local)
	c.i64(n)
	c.op(opI64Sub)
	c.with(opLocalSet, local)
}

// move writes what one instruction reads to where another sets it.
func (c *code) move(get byte, from uint32, set byte, to uint32) {
	c.with(get, from)
	c.with(set, to)
}

func appendSigned(out []byte, n int64) []byte {
	for {
		b := byte(n) & 0x7f
		n >>= 7
		if n == 0 && b&0x40 == 0 || n == -1 && b&0x40 != 0 {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}
