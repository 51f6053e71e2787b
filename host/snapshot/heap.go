package snapshot

// maxHeap is how far a memory can grow that is a slice, in bytes: as far as 32-bit
// addresses reach.
const maxHeap = 1 << 32

// reserveHeap makes the memory a slice.
func (m *Memory) reserveHeap() error {
	m.region = make([]byte, m.image.size)
	copy(m.region, m.image.bytes)
	m.size = m.image.size
	return nil
}

// extendHeap makes the slice larger, with a little room ahead, so that a guest that
// grows page by page is not copied each time.
func (m *Memory) extendHeap(size uint64) bool {
	if size <= uint64(len(m.region)) {
		return true
	}
	grown := make([]byte, max(size, min(m.limit, size+size/4)))
	// In pieces, between which the garbage collector can run.
	const piece = 1 << 20
	for at := 0; at < int(m.size); at += piece {
		if m.stop.Load() {
			return false
		}
		copy(grown[at:], m.region[at:min(at+piece, int(m.size))])
	}
	m.region = grown
	return true
}

// restoreHeap copies the image. What the memory was grown by is let go where it is
// more than a little.
func (m *Memory) restoreHeap() error {
	const spare = 1 << 20
	if uint64(len(m.region)) > m.image.size+spare {
		m.region = m.region[: m.image.size+spare : m.image.size+spare]
		m.region = append([]byte(nil), m.region...)
	}
	clear(m.region[copy(m.region, m.image.bytes):])
	return nil
}
