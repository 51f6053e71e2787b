package fuel

import "fmt"

// cursor reads the instructions of a body. The first failure sticks.
type cursor struct {
	wasm []byte
	pos  int
	end  int
	err  error
}

// fail refuses the instruction that is being read. Most of what is refused no
// runtime would take either, but a few encodings are read in one way here and in
// another by wazero, and an index that is one too many would mean what is added.
func (c *cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("code at byte %d: %s", c.pos, fmt.Sprintf(format, args...))
	}
	c.pos = c.end
}

func (c *cursor) byte() byte {
	if c.pos >= c.end {
		c.fail("the body is cut short: the file is damaged")
		return 0
	}
	c.pos++
	return c.wasm[c.pos-1]
}

func (c *cursor) skip(n int) {
	if n > c.end-c.pos {
		c.fail("the body is cut short: the file is damaged")
		return
	}
	c.pos += n
}

func (c *cursor) u32() uint32 {
	var n uint64
	for shift := 0; shift < 35; shift += 7 {
		b := c.byte()
		n |= uint64(b&0x7f) << shift
		if b&0x80 == 0 {
			if n > 1<<32-1 {
				break
			}
			return uint32(n)
		}
	}
	c.fail("a number of more than 32 bits: the file is damaged")
	return 0
}

// index reads one of n.
func (c *cursor) index(what string, n int) uint32 {
	i := c.u32()
	if uint64(i) >= uint64(n) {
		c.fail("%s %d, there are %d: the file is damaged", what, i, n)
	}
	return i
}

// skipNumber passes over a number of at most n bytes.
func (c *cursor) skipNumber(n int) {
	for range n {
		if c.byte()&0x80 == 0 {
			return
		}
	}
	c.fail("a number of more than %d bytes: the file is damaged", n)
}

// zero reads the index of the only memory, which has to be one byte.
func (c *cursor) zero() {
	if b := c.byte(); b != 0 {
		c.fail("memory 0x%02x, there is one, written as 0: the file is damaged", b)
	}
}

// blockType reads the type of a block.
func (c *cursor) blockType(types int) {
	switch b := c.byte(); {
	case b == noResult, b >= 0x7b && b <= 0x7f, b == 0x70, b == 0x6f:
	case b&0xc0 == 0x40: // negative, and none of those
		c.fail("a block of type 0x%02x, supported are those of WebAssembly 2.0", b)
	default:
		c.pos--
		c.index("type", types)
		if c.err == nil && c.wasm[c.pos-1]&0x40 != 0 { // the sign
			c.fail("a block of a negative type: the file is damaged")
		}
	}
}
