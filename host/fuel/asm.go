package fuel

import (
	"encoding/binary"

	"github.com/taskhost/taskhost/host/wasmcode"
)

// code is instructions as they are written.
type code []byte

func (c *code) op(ops ...byte) { *c = append(*c, ops...) }

// with writes an instruction and its operand, an index.
func (c *code) with(op byte, index uint32) {
	*c = binary.AppendUvarint(append(*c, op), uint64(index))
}

func (c *code) i32(n int32) { *c = appendSigned(append(*c, wasmcode.OpI32Const), int64(n)) }

func (c *code) i64(n int64) { *c = appendSigned(append(*c, wasmcode.OpI64Const), n) }

// take subtracts a constant from a local.
func (c *code) take(local uint32, n int64) {
	c.with(wasmcode.OpLocalGet, local)
	c.i64(n)
	c.op(wasmcode.OpI64Sub)
	c.with(wasmcode.OpLocalSet, local)
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
