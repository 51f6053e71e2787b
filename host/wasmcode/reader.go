// Package wasmcode reads the instructions of WebAssembly functions, one by one.
//
// It is what wasmfile looks for shapes with that take a compiler hours, and what fuel
// rewrites functions with, so that both see the same instructions. It reads those of
// WebAssembly 2.0, knows how long each is, and holds the indexes in them against what
// there is. It does not check types: that is the runtime's.
package wasmcode

import "fmt"

// Reader reads the instructions of a body. The first failure sticks, and ends it.
type Reader struct {
	// Wasm is what is read from: a file, or a part of one.
	Wasm []byte
	// Pos is where the next byte is read, and End where the body ends.
	Pos, End int
	// KeepLabels has the labels of each br_table kept, which takes memory.
	KeepLabels bool
	// Err is why reading has failed.
	Err *Error
}

// Error says why instructions cannot be read.
type Error struct {
	// Offset is where, in what was read from.
	Offset int
	// Later says that the instruction may be one of a later WebAssembly than 2.0.
	Later bool
	// Msg is what was found and what is supported.
	Msg string
}

func (e *Error) Error() string { return fmt.Sprintf("code at byte %d: %s", e.Offset, e.Msg) }

// fail refuses the instruction that is being read. Most of what is refused no
// runtime would take either, but a few encodings are read in one way here and in
// another by wazero, and an index that is one too many would mean what a rewriter adds.
func (r *Reader) fail(format string, args ...any) { r.refuse(false, format, args...) }

// later refuses what a later version of WebAssembly may allow.
func (r *Reader) later(format string, args ...any) { r.refuse(true, format, args...) }

func (r *Reader) refuse(later bool, format string, args ...any) {
	if r.Err == nil {
		r.Err = &Error{Offset: r.Pos, Later: later, Msg: fmt.Sprintf(format, args...)}
	}
	r.Pos = r.End
}

// Fail refuses the body for a reason of the caller's.
func (r *Reader) Fail(msg string) { r.refuse(false, "%s", msg) }

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if r.Pos >= r.End {
		r.fail("the body is cut short: the file is damaged")
		return 0
	}
	r.Pos++
	return r.Wasm[r.Pos-1]
}

func (r *Reader) skip(n int) {
	if n > r.End-r.Pos {
		r.fail("the body is cut short: the file is damaged")
		return
	}
	r.Pos += n
}

// U32 reads an unsigned number of at most 32 bits.
func (r *Reader) U32() uint32 {
	var n uint64
	for shift := 0; shift < 35; shift += 7 {
		b := r.Byte()
		n |= uint64(b&0x7f) << shift
		if b&0x80 == 0 {
			if n > 1<<32-1 {
				break
			}
			return uint32(n)
		}
	}
	r.fail("a number of more than 32 bits: the file is damaged")
	return 0
}

// index reads one of n.
func (r *Reader) index(what string, n int) uint32 {
	i := r.U32()
	if uint64(i) >= uint64(n) {
		r.fail("%s %d, there are %d: the file is damaged", what, i, n)
	}
	return i
}

// skipNumber passes over a number of at most n bytes.
func (r *Reader) skipNumber(n int) {
	for range n {
		if r.Byte()&0x80 == 0 {
			return
		}
	}
	r.fail("a number of more than %d bytes: the file is damaged", n)
}

// zero reads the index of the only memory, which has to be one byte.
func (r *Reader) zero() {
	if b := r.Byte(); b != 0 {
		r.fail("memory 0x%02x, there is one, written as 0: the file is damaged", b)
	}
}

// blockType reads the type of a block.
func (r *Reader) blockType(types int) {
	switch b := r.Byte(); {
	case b == NoResult, b >= 0x7b && b <= 0x7f, b == 0x70, b == 0x6f:
	case b&0xc0 == 0x40: // negative, and none of those
		r.later("a block of type 0x%02x, supported are those of WebAssembly 2.0", b)
	default:
		r.Pos--
		r.index("type", types)
		if r.Err == nil && r.Wasm[r.Pos-1]&0x40 != 0 { // the sign
			r.fail("a block of a negative type: the file is damaged")
		}
	}
}
