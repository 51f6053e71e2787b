//go:build !linux

package snapshot

var methods = []Method{Copy}

// pager is what other systems do not need.
type pager struct{}

func (*pager) open(Method) error { return nil }
func (*pager) close() error      { return nil }

// file is where an image is kept on Linux, and scan how its pages are looked at.
type (
	file struct{}
	scan struct{}
)

func (i *Image) keep(bytes []byte) error {
	i.bytes = append([]byte(nil), bytes...)
	return nil
}

// Close frees the image.
func (i *Image) Close() error { return nil }

func (m *Memory) reserved() uint64        { return maxHeap }
func (m *Memory) reserve(uint64) error    { return m.reserveHeap() }
func (m *Memory) extend(size uint64) bool { return m.extendHeap(size) }
func (m *Memory) restorePages() error     { return m.restoreHeap() }

// Free implements [experimental.LinearMemory].
func (m *Memory) Free() { m.region, m.size = nil, 0 }
