package snapshot

import (
	"errors"
	"fmt"
	"slices"
)

// Method is how a memory is reset.
type Method string

// The methods, the best one first. All but [Copy] are Linux's.
const (
	// Scan asks the kernel with PAGEMAP_SCAN which pages were written.
	Scan Method = "pagemap-scan"
	// Pagemap reads that from /proc/self/pagemap.
	Pagemap Method = "pagemap"
	// Discard has the kernel drop every page that was written.
	Discard Method = "discard"
	// Copy copies the whole image.
	Copy Method = "copy"
)

// Space is where memories are made, in one way. It is safe for concurrent use.
type Space struct {
	method Method
	pages  pager
}

// NewSpace returns one that resets by a method, or by the best that works here if
// that is empty. The caller must Close it.
func NewSpace(method Method) (*Space, error) {
	try := methods
	if method != "" {
		if !slices.Contains(methods, method) {
			return nil, fmt.Errorf("memories cannot be reset by %s on this system", method)
		}
		try = []Method{method}
	}
	var failed error
	for _, method := range try {
		s := &Space{method: method}
		err := s.pages.open(method)
		if err == nil {
			if err = s.check(); err == nil {
				return s, nil
			}
			err = errors.Join(err, s.Close())
		}
		failed = errors.Join(failed, fmt.Errorf("reset memories by %s: %w", method, err))
	}
	return nil, failed
}

// Method is how this one resets.
func (s *Space) Method() Method { return s.method }

// Close frees what the space holds. Memories and images have to be gone.
func (s *Space) Close() error { return s.pages.close() }

var errInexact = errors.New("what was written is still there")

// check tries the method out: a kernel may have its parts and refuse them here.
func (s *Space) check() (err error) {
	image, err := s.image([]byte{1, 2, 3}, pageSize, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, image.Close()) }()
	m, err := s.NewMemory(image, 2*pageSize)
	if err != nil {
		return err
	}
	defer m.Free()
	m.Begin(2 * pageSize)
	if m.Reallocate(2*pageSize) == nil {
		return errors.New("memory cannot grow")
	}
	bytes := m.used()
	bytes[1], bytes[pageSize/2], bytes[pageSize] = 9, 9, 9
	if err := m.restore(); err != nil {
		return err
	}
	if bytes = m.used(); bytes[0] != 1 || bytes[1] != 2 || bytes[pageSize/2] != 0 || bytes[pageSize] != 0 {
		return errInexact
	}
	return nil
}
