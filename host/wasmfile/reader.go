package wasmfile

import (
	"fmt"
	"unicode/utf8"
)

// reader is a cursor over the file that never leaves the region it is in.
//
// The first failure sticks: from then on nothing is left, and every read
// gives zero. So decoders read a whole entry and look at the failure where
// they loop, or where a value is used as an index.
type reader struct {
	wasm []byte
	pos  int // of the next byte
	end  int // of the region that is being read
	err  *Error

	section string // where we are, for messages
	item    string // what is being read in the section, or empty
	index   int    // which one it is
}

// fail records a failure at an offset, unless there is one already.
func (r *reader) fail(at int, rule Rule, format string, args ...any) {
	if r.err != nil {
		return
	}
	msg := fmt.Sprintf(format, args...)
	if r.item != "" {
		msg = fmt.Sprintf("%s %d: %s", r.item, r.index, msg)
	}
	r.err = &Error{Offset: at, Section: r.section, Rule: rule, Msg: msg}
}

// at says what is read next, for messages.
func (r *reader) at(item string, index int) { r.item, r.index = item, index }

// left is how many bytes of the region are left.
func (r *reader) left() int {
	if r.err != nil {
		return 0
	}
	return r.end - r.pos
}

// need fails unless n bytes are left for what.
func (r *reader) need(n uint64, what string) bool {
	left := r.left()
	if n <= uint64(left) {
		return r.err == nil
	}
	r.fail(r.pos, RuleTruncated, "%s of %d bytes, %d are left: the file is cut short or damaged", what, n, left)
	return false
}

// skip passes over n bytes.
func (r *reader) skip(n uint64, what string) {
	if r.need(n, what) {
		r.pos += int(n)
	}
}

// byte reads one byte.
func (r *reader) byte(what string) byte {
	if r.left() == 0 {
		r.fail(r.pos, RuleTruncated, "%s is missing: the file is cut short or damaged", what)
		return 0
	}
	b := r.wasm[r.pos]
	r.pos++
	return b
}

// u32 reads an unsigned number of at most five bytes.
func (r *reader) u32(what string) uint32 {
	start := r.pos
	var n uint32
	for shift := 0; shift < 35; shift += 7 {
		b := r.byte(what)
		if shift == 28 && b&0xf0 != 0 {
			break
		}
		n |= uint32(b&0x7f) << shift
		if r.err != nil {
			return 0
		}
		if b&0x80 == 0 {
			return n
		}
	}
	r.fail(start, RuleMalformed, "%s: a number of more than 32 bits", what)
	return 0
}

// signed reads a signed number of the given width, 32 or 64.
func (r *reader) signed(bits int, what string) int64 {
	start := r.pos
	var n uint64
	for shift := 0; shift < bits; shift += 7 {
		b := r.byte(what)
		n |= uint64(b&0x7f) << shift
		if rest := bits - shift; rest < 7 {
			// The bits that do not fit must repeat the sign, and nothing may
			// follow.
			if sign := int8(b<<1) >> rest; b&0x80 != 0 || sign != 0 && sign != -1 {
				break
			}
		}
		if b&0x80 == 0 {
			unused := max(0, 64-shift-7)
			return int64(n<<unused) >> unused
		}
	}
	r.fail(start, RuleMalformed, "%s: a number of more than %d bits", what, bits)
	return 0
}

// count reads the length of a vector whose entries take at least least bytes
// and of which there may be at most most. Memory may be made for what it
// returns.
func (r *reader) count(what string, least, most int) int {
	start := r.pos
	n := uint64(r.u32(what))
	switch left := r.left(); {
	case n*uint64(least) > uint64(left):
		r.fail(start, RuleCount, "%s %d needs at least %d bytes, %d are left: the file is damaged or hostile", what, n, n*uint64(least), left)
	case n > uint64(max(most, 0)):
		r.fail(start, RuleLimit, "%s %d, at most %d are allowed", what, n, max(most, 0))
	default:
		return int(n)
	}
	return 0
}

// name reads the length of a text of at most most bytes and passes over it.
func (r *reader) name(what string, most int) []byte {
	start := r.pos
	n := r.u32(what)
	if !r.need(uint64(n), what) {
		return nil
	}
	if n > uint32(most) {
		r.fail(start, RuleLimit, "%s of %d bytes, at most %d are allowed", what, n, most)
		return nil
	}
	text := r.wasm[r.pos : r.pos+int(n)]
	r.pos += int(n)
	if !utf8.Valid(text) {
		r.fail(start, RuleMalformed, "%s %s is not UTF-8", what, quote(string(text)))
	}
	return text
}

// within reads a region of a stated size, all of which body has to take.
func (r *reader) within(what string, size uint32, body func()) {
	if !r.need(uint64(size), what) {
		return
	}
	outer := r.end
	r.end = r.pos + int(size)
	body()
	if over := r.left(); over > 0 {
		r.fail(r.pos, RuleMalformed, "%s of %d bytes ends %d bytes early: the file is damaged", what, size, over)
	}
	r.end = outer
}
