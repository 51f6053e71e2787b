package host

import (
	"sync/atomic"

	"github.com/tetratelabs/wazero/experimental"
)

// memory is the linear memory of one instance. wazero's own limit is one for
// all instances of a runtime; this one is the instance's.
type memory struct {
	limit   uint64
	bytes   []byte
	refused bool
	peak    uint64
	// stop is set when the guest is to stop: a copy of a gigabyte would delay it.
	stop atomic.Bool
}

var (
	_ experimental.MemoryAllocator = (*memory)(nil)
	_ experimental.LinearMemory    = (*memory)(nil)
)

// Allocate implements [experimental.MemoryAllocator]. An instance has one
// memory, so the allocator is the memory.
func (m *memory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate implements [experimental.LinearMemory]. Where it returns nil the
// guest's memory.grow answers -1.
func (m *memory) Reallocate(size uint64) []byte {
	if size > m.limit {
		m.refused = true
		return nil
	}
	if m.stop.Load() {
		return nil
	}
	if size > uint64(cap(m.bytes)) {
		// A little room ahead, so that a guest that grows page by page is not
		// copied each time.
		room := min(m.limit, size+size/4)
		grown := make([]byte, size, room)
		if !m.copyTo(grown) {
			return nil
		}
		m.bytes = grown
	}
	m.bytes, m.peak = m.bytes[:size], size // it never shrinks
	return m.bytes
}

// copyTo copies in pieces, between which the garbage collector can run. It is false
// where the guest is to stop.
func (m *memory) copyTo(grown []byte) bool {
	const piece = 1 << 20
	for at := 0; at < len(m.bytes); at += piece {
		if m.stop.Load() {
			return false
		}
		copy(grown[at:], m.bytes[at:min(at+piece, len(m.bytes))])
	}
	return true
}

// Free implements [experimental.LinearMemory].
func (m *memory) Free() { m.bytes = m.bytes[:0:0] }
