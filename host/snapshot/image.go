package snapshot

import (
	"os"
	"slices"

	"github.com/tetratelabs/wazero/api"
)

// Image is what an instance was like. It does not change.
type Image struct {
	space *Space
	// size is that of the memory, and bytes what is in it, up to the last byte
	// that is not zero and from there to the end of the page.
	size    uint64
	bytes   []byte
	globals []uint64
	file    file
}

// Size is how much memory an instance has that begins as this, in bytes.
func (i *Image) Size() uint64 { return i.size }

// Initial is the image of an instance before anything has run in it. It has no
// globals until [Image.Note].
func (s *Space) Initial(m *Module) (*Image, error) {
	return s.image(m.initial(), m.Memory, nil)
}

// Note takes over the globals of the first instance, which it is called with
// before anything runs there, and before another one is reset.
func (i *Image) Note(globals []api.MutableGlobal) { i.globals = values(globals) }

func values(globals []api.MutableGlobal) []uint64 {
	out := make([]uint64, len(globals))
	for n, global := range globals {
		out[n] = global.Get()
	}
	return out
}

// Set gives globals the values of the image.
func (i *Image) Set(globals []api.MutableGlobal) {
	for n, value := range i.globals {
		globals[n].Set(value)
	}
}

// Has reports whether globals have the values of the image.
func (i *Image) Has(globals []api.MutableGlobal) bool {
	return slices.Equal(i.globals, values(globals))
}

// Capture takes the image of an instance, nothing of which may be running.
func (s *Space) Capture(memory *Memory, globals []api.MutableGlobal) (*Image, error) {
	return s.image(memory.used(), memory.size, values(globals))
}

// image makes one of bytes, which it does not keep where it can be helped.
func (s *Space) image(bytes []byte, size uint64, globals []uint64) (*Image, error) {
	end := (lastNonZero(bytes) + 1 + systemPage - 1) / systemPage * systemPage
	whole := bytes
	if end > len(bytes) { // data may end within a page
		whole = make([]byte, end)
		copy(whole, bytes)
	}
	i := &Image{space: s, size: size, globals: globals}
	return i, i.keep(whole[:end])
}

// systemPage is what the system keeps track of memory by, in bytes. It divides a
// page of WebAssembly.
var systemPage = os.Getpagesize()

// lastNonZero is the place of the last byte that is not zero, or -1.
func lastNonZero(bytes []byte) int {
	end := len(bytes)
	for end > 0 {
		start := max(0, end-systemPage)
		if !isZero(bytes[start:end]) {
			for end--; bytes[end] == 0; end-- {
			}
			return end
		}
		end = start
	}
	return -1
}
