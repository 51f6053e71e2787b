package snapshot

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// span is a part of a memory.
type span struct{ start, end int }

// scan is what a memory needs to ask which of its pages were written.
type scan struct {
	regions []pageRegion
	entries []byte
	spans   []span
}

// pageRegion and scanArgs are the kernel's page_region and pm_scan_arg.
type pageRegion struct{ start, end, categories uint64 }

type scanArgs struct {
	size, flags           uint64
	start, end, walkEnd   uint64
	vec, vecLen, maxPages uint64
	inverted, mask, anyOf uint64
	returned              uint64
}

const (
	pagemapScan = 0xc0606610 // PAGEMAP_SCAN

	isFile    = 1 << 2 // PAGE_IS_FILE
	isPresent = 1 << 3
	isSwapped = 1 << 4
	isZeroPFN = 1 << 5
)

// written gives the parts of the memory up to reach that were written since they
// were mapped or dropped. It is false where they are too many to be copied back, or
// the kernel will not tell.
func (m *Memory) written(reach uint64) ([]span, bool) {
	switch m.image.space.method {
	case Scan:
		return m.writtenByScan(reach)
	case Pagemap:
		return m.writtenByPagemap(reach)
	default:
		return nil, false
	}
}

// writtenByScan asks for pages that are there and not the image's: of the image
// those that were copied when they were written, and behind it all but those that
// were only read.
func (m *Memory) writtenByScan(reach uint64) ([]span, bool) {
	if m.scan.regions == nil {
		m.scan.regions = make([]pageRegion, mostWritten+1)
	}
	if reach == 0 {
		return nil, true
	}
	base := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(m.region))))
	args := scanArgs{
		start: base, end: base + reach,
		vec:      uint64(uintptr(unsafe.Pointer(unsafe.SliceData(m.scan.regions)))),
		vecLen:   uint64(len(m.scan.regions)),
		maxPages: mostWritten + 1,
		inverted: isFile | isZeroPFN, mask: isFile | isZeroPFN,
		anyOf:    isPresent | isSwapped,
		returned: isPresent,
	}
	args.size = uint64(unsafe.Sizeof(args))
	n, _, errno := unix.Syscall(unix.SYS_IOCTL, m.image.space.pages.fd, pagemapScan, uintptr(unsafe.Pointer(&args)))
	// It stops early where there are more pages or regions than there is room for.
	if errno != 0 || args.walkEnd != args.end {
		return nil, false
	}
	m.scan.spans = m.scan.spans[:0]
	pages := 0
	for _, r := range m.scan.regions[:n] {
		m.scan.spans = append(m.scan.spans, span{int(r.start - base), int(r.end - base)})
		pages += int(r.end-r.start) / systemPage
	}
	return m.scan.spans, pages <= mostWritten
}

const (
	entrySize    = 8
	entryPresent = 1 << 63
	entrySwapped = 1 << 62
	entryFile    = 1 << 61
)

// writtenByPagemap looks at the entry of each page.
func (m *Memory) writtenByPagemap(reach uint64) ([]span, bool) {
	pages := int(reach) / systemPage
	if need := pages * entrySize; len(m.scan.entries) < need {
		m.scan.entries = make([]byte, need)
	}
	entries := m.scan.entries[:pages*entrySize]
	first := int64(uintptr(unsafe.Pointer(unsafe.SliceData(m.region)))) / int64(systemPage)
	if n, err := m.image.space.pages.pagemap.ReadAt(entries, first*entrySize); err != nil || n != len(entries) {
		return nil, false
	}
	m.scan.spans = m.scan.spans[:0]
	written := 0
	for page := range pages {
		entry := binary.NativeEndian.Uint64(entries[page*entrySize:])
		if entry&(entryPresent|entrySwapped) == 0 || entry&entryFile != 0 {
			continue
		}
		if written++; written > mostWritten {
			return nil, false
		}
		m.scan.spans = append(m.scan.spans, span{page * systemPage, (page + 1) * systemPage})
	}
	return m.scan.spans, true
}
