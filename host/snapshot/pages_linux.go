package snapshot

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

var methods = []Method{Scan, Pagemap, Discard, Copy}

const (
	// mostWritten is how many pages are copied back one by one; of more, all are
	// dropped. It is also what an idle instance may hold of its own, and 768 KiB
	// where a page has 4.
	mostWritten = 192
	// forget is how many resets it is until all pages are dropped in any case: a
	// page that was written once counts as written from then on.
	forget = 256
	// step is by how much usable memory grows at least.
	step = 1 << 20
)

// pager is the kernel's account of the pages of this process.
type pager struct {
	pagemap *os.File // nil where it is not used
	fd      uintptr  // of it
}

func (p *pager) open(method Method) (err error) {
	if method == Scan || method == Pagemap {
		if p.pagemap, err = os.Open("/proc/self/pagemap"); err == nil {
			p.fd = p.pagemap.Fd()
		}
	}
	return err
}

func (p *pager) close() error {
	if p.pagemap == nil {
		return nil
	}
	return p.pagemap.Close()
}

// file is where an image is kept.
type file struct {
	fd     int
	mapped bool
}

// keep puts bytes into a file in memory that nothing can change any more.
func (i *Image) keep(bytes []byte) error {
	i.bytes = bytes
	if i.space.method == Copy {
		i.bytes = append([]byte(nil), bytes...)
		return nil
	}
	fd, err := unix.MemfdCreate("taskhost-image", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return fmt.Errorf("make a file for the image: %w", err)
	}
	i.file = file{fd: fd, mapped: true}
	if err := i.fill(fd, bytes); err != nil {
		i.bytes = nil
		return errors.Join(fmt.Errorf("write the image: %w", err), i.Close())
	}
	return nil
}

func (i *Image) fill(fd int, bytes []byte) error {
	if err := unix.Ftruncate(fd, int64(len(bytes))); err != nil {
		return err
	}
	for at := 0; at < len(bytes); at += systemPage {
		page := bytes[at : at+systemPage]
		if isZero(page) {
			continue // a hole takes no memory
		}
		if _, err := unix.Pwrite(fd, page, int64(at)); err != nil {
			return err
		}
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE|unix.F_SEAL_SEAL); err != nil {
		return err
	}
	i.bytes = nil
	if len(bytes) == 0 {
		return nil
	}
	view, err := unix.Mmap(fd, 0, len(bytes), unix.PROT_READ, unix.MAP_SHARED)
	i.bytes = view
	return err
}

// Close frees the image. Memories that begin as this have to be gone.
func (i *Image) Close() error {
	if !i.file.mapped {
		return nil
	}
	var err error
	if len(i.bytes) > 0 {
		err = unix.Munmap(i.bytes)
	}
	i.bytes = nil
	i.file.mapped = false
	return errors.Join(err, unix.Close(i.file.fd))
}

// reserved is how far the memory can grow.
func (m *Memory) reserved() uint64 {
	if m.image.space.method == Copy {
		return maxHeap
	}
	return uint64(len(m.region))
}

// reserve takes addresses for the memory, and shows the image at their start.
func (m *Memory) reserve(most uint64) error {
	if m.image.space.method == Copy {
		return m.reserveHeap()
	}
	most = (most + pageSize - 1) / pageSize * pageSize
	at, err := unix.MmapPtr(-1, 0, nil, uintptr(most), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return fmt.Errorf("reserve %d bytes of addresses: %w", most, err)
	}
	m.region = unsafe.Slice((*byte)(at), most)
	if n := len(m.image.bytes); n > 0 {
		_, err = unix.MmapPtr(m.image.file.fd, 0, at, uintptr(n), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED)
		m.usable = uint64(n)
	}
	if err != nil || !m.extend(m.image.size) {
		m.Free()
		return fmt.Errorf("map the image: %w", err)
	}
	m.size = m.image.size
	return nil
}

// extend makes sure that memory up to size can be used.
func (m *Memory) extend(size uint64) bool {
	if m.image.space.method == Copy {
		return m.extendHeap(size)
	}
	if size <= m.usable {
		return true
	}
	if size > uint64(len(m.region)) {
		return false
	}
	end := min(max(size, m.usable+step), uint64(len(m.region)))
	if unix.Mprotect(m.region[m.usable:end], unix.PROT_READ|unix.PROT_WRITE) != nil {
		return false
	}
	m.usable = end
	return true
}

// Free implements [experimental.LinearMemory].
func (m *Memory) Free() {
	if m.image.space.method != Copy && m.region != nil {
		_ = unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(m.region)), uintptr(len(m.region)))
	}
	m.region, m.size, m.usable = nil, 0, 0
}

// restorePages takes back what was written.
func (m *Memory) restorePages() error {
	if m.image.space.method == Copy {
		return m.restoreHeap()
	}
	reach := max(m.peak, m.size, m.image.size)
	written, ok := m.written(reach)
	if !ok || m.resets%forget == 0 {
		if reach == 0 {
			return nil
		}
		return unix.Madvise(m.region[:reach], unix.MADV_DONTNEED)
	}
	for _, r := range written {
		part := m.region[r.start:r.end]
		clear(part[copy(part, m.image.bytes[min(r.start, len(m.image.bytes)):]):])
	}
	return nil
}
