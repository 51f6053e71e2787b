package snapshot

// Methods are those that this system may have, the best one first.
func Methods() []Method { return methods }

// Bytes is what the image keeps of the memory's contents.
func (i *Image) Bytes() []byte { return i.bytes }

// GlobalValues are the values of the globals in the image.
func (i *Image) GlobalValues() []uint64 { return i.globals }

// Contents is the memory as the host sees it.
func (m *Memory) Contents() []byte { return m.used() }

// Restore takes the contents back, and leaves the size as it is.
func (m *Memory) Restore() error { return m.restore() }

// SystemPage is the size of the system's pages.
func SystemPage() int { return systemPage }

// ImageOf makes an image of bytes.
func (s *Space) ImageOf(bytes []byte, size uint64) (*Image, error) { return s.image(bytes, size, nil) }

// IsState reports whether bytes begin with the state of a Go generator.
func IsState(bytes []byte) bool { return isState(bytes) }

// StateSize is the length of such a state, with what stands behind it.
const StateSize = stateSize
