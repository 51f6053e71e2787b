package snapshot

import (
	"errors"
	"sync/atomic"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// Memory is the linear memory of one instance, which begins as an image. The limit
// is its own, where wazero's is one for all instances of a runtime.
type Memory struct {
	image *Image
	// region is where the memory is: reserved addresses, or a slice that is made
	// larger. usable is how much of it can be read and written.
	region []byte
	usable uint64

	limit uint64
	size  uint64 // what the guest sees
	peak  uint64 // the most that it was since the last reset

	resizing bool // the next Reallocate sets the size back to the image's
	refused  bool
	stop     atomic.Bool
	resets   uint
	scan     scan
}

var (
	_ experimental.MemoryAllocator = (*Memory)(nil)
	_ experimental.LinearMemory    = (*Memory)(nil)
)

// NewMemory makes a memory that can grow up to most bytes. The caller must see to
// it that it is freed, as the runtime does when it closes the instance.
func (s *Space) NewMemory(image *Image, most uint64) (*Memory, error) {
	m := &Memory{image: image}
	return m, m.reserve(max(most, image.size, pageSize))
}

// Most is how far the memory can grow, in bytes, whatever the limit is.
func (m *Memory) Most() uint64 { return m.reserved() }

// Begin gives the memory its limit for what runs next, in bytes.
func (m *Memory) Begin(limit uint64) {
	m.limit, m.peak, m.refused = min(limit, m.reserved()), m.size, false
	m.stop.Store(false)
}

// Stop has the memory grow no more: a copy of a gigabyte would delay the end of the
// guest. It may be called from any goroutine.
func (m *Memory) Stop() { m.stop.Store(true) }

// Peak is the most that the memory was since [Memory.Begin], in bytes.
func (m *Memory) Peak() uint64 { return m.peak }

// Refused reports whether the memory met its limit.
func (m *Memory) Refused() bool { return m.refused }

// Allocate implements [experimental.MemoryAllocator]. An instance has one
// memory, so the allocator is the memory.
func (m *Memory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate implements [experimental.LinearMemory]. Where it returns nil the
// guest's memory.grow answers -1.
func (m *Memory) Reallocate(size uint64) []byte {
	switch {
	case m.resizing:
		size = m.image.size
	case size > m.limit:
		m.refused = true
		return nil
	case m.stop.Load() || !m.extend(size):
		return nil
	}
	m.size, m.peak = size, max(m.peak, size)
	return m.used()
}

// used is what the guest sees.
func (m *Memory) used() []byte { return m.region[:m.size:m.size] }

var errSize = errors.New("the memory cannot be set back to the size of the image")

// Reset takes the memory of an instance back to its image. The instance is of no
// more use if that fails.
func (m *Memory) Reset(instance api.Module) error {
	if err := m.restore(); err != nil {
		return err
	}
	if m.size == m.image.size {
		return nil
	}
	// wazero takes over whatever slice it gets when a memory grows, a shorter one
	// too, which is the only way to shrink one.
	memory := instance.Memory()
	m.resizing = true
	_, grown := memory.Grow(1)
	m.resizing = false
	if !grown || uint64(memory.Size()) != m.image.size {
		return errSize
	}
	m.peak = m.size
	return nil
}

// restore takes the contents back.
func (m *Memory) restore() error {
	m.resets++
	return m.restorePages()
}

// Size is how much memory there is now, in bytes.
func (m *Memory) Size() uint64 { return m.size }

// Same reports whether two memories hold the same.
func (m *Memory) Same(as *Memory) bool { return string(m.used()) == string(as.used()) }

// Equal reports whether the memory is what its image is.
func (m *Memory) Equal() bool {
	bytes := m.used()
	n := len(m.image.bytes)
	return m.size == m.image.size && string(bytes[:n]) == string(m.image.bytes) && isZero(bytes[n:])
}

// isZero reports whether there is nothing but zeros.
func isZero(bytes []byte) bool {
	for len(bytes) >= len(zeros) {
		if string(bytes[:len(zeros)]) != string(zeros[:]) {
			return false
		}
		bytes = bytes[len(zeros):]
	}
	return string(bytes) == string(zeros[:len(bytes)])
}

var zeros [4 << 10]byte
