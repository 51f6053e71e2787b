package wasi

import (
	"context"

	"github.com/tetratelabs/wazero/api"
)

// The three descriptors that a task has. There is no table of them: they can
// be closed, which is ignored, and no other can be opened.
const (
	stdin  = 0
	stdout = 1
	stderr = 2
)

func isStream(fd uint32) bool { return fd <= stderr }

// Bounds on one read or write.
const (
	maxTransfer = 64 << 10
	maxBuffers  = 1024
)

// bufferSize is the size of what WASI calls an iovec: an address and a length.
const bufferSize = 8

func fdWrite(ctx context.Context, mod api.Module, stack []uint64) errno {
	fd := uint32(stack[0])
	if fd != stdout && fd != stderr {
		return badf
	}
	mem, countPtr := memoryOf(mod), uint32(stack[3])
	list, ok := mem.buffers(uint32(stack[1]), uint32(stack[2]), countPtr)
	if !ok {
		return fault
	}
	w := executionOf(ctx).writer(fd)
	room := maxTransfer
	for ; len(list) > 0 && room > 0; list = list[bufferSize:] {
		buf, ok := mem.bytes(le.Uint32(list), le.Uint32(list[4:]))
		if !ok {
			if room < maxTransfer {
				break // what came before it was written
			}
			return fault
		}
		buf = buf[:min(len(buf), room)]
		if w != nil && len(buf) > 0 {
			if n, err := w.Write(buf); err != nil || n != len(buf) {
				return ioError
			}
		}
		room -= len(buf)
	}
	mem.putUint32(countPtr, uint32(maxTransfer-room))
	return success
}

func fdRead(ctx context.Context, mod api.Module, stack []uint64) errno {
	if uint32(stack[0]) != stdin {
		return badf
	}
	mem, countPtr := memoryOf(mod), uint32(stack[3])
	list, ok := mem.buffers(uint32(stack[1]), uint32(stack[2]), countPtr)
	if !ok {
		return fault
	}
	e := executionOf(ctx)
	rest := e.unread()
	rest = rest[:min(len(rest), maxTransfer)]
	count := 0
	for ; len(list) > 0 && len(rest) > 0; list = list[bufferSize:] {
		buf, ok := mem.bytes(le.Uint32(list), le.Uint32(list[4:]))
		if !ok {
			if count > 0 {
				break // what came before it was read
			}
			return fault
		}
		n := copy(buf, rest)
		rest = rest[n:]
		count += n
	}
	if count > 0 {
		e.read += count
	}
	mem.putUint32(countPtr, uint32(count))
	return success
}

// buffers gives the list of buffers of a read or write, as far as it is looked
// at. It checks as well that the call's count can be written, so that nothing
// is consumed by a call that fails.
func (mem memory) buffers(ptr, count, countPtr uint32) (list []byte, ok bool) {
	if _, ok := mem.bytes(countPtr, 4); !ok {
		return nil, false
	}
	return mem.records(ptr, min(count, maxBuffers), bufferSize)
}

// Rights, which are informative: a guest with fewer can still do no more.
const (
	rightRead        = 1 << 1
	rightSetFlags    = 1 << 3
	rightWrite       = 1 << 6
	rightFilestatGet = 1 << 21
	rightPoll        = 1 << 27
)

func fdFdstatGet(ctx context.Context, mod api.Module, stack []uint64) errno {
	fd := uint32(stack[0])
	if !isStream(fd) {
		return badf
	}
	buf, ok := memoryOf(mod).bytes(uint32(stack[1]), 24)
	if !ok {
		return fault
	}
	rights := uint64(rightSetFlags | rightFilestatGet | rightPoll | rightWrite)
	if fd == stdin {
		rights ^= rightWrite | rightRead
	}
	clear(buf)
	buf[0] = executionOf(ctx).streamType()
	le.PutUint64(buf[8:], rights)
	return success
}

func fdFilestatGet(ctx context.Context, mod api.Module, stack []uint64) errno {
	fd := uint32(stack[0])
	if !isStream(fd) {
		return badf
	}
	buf, ok := memoryOf(mod).bytes(uint32(stack[1]), 64)
	if !ok {
		return fault
	}
	clear(buf)
	le.PutUint64(buf[8:], uint64(fd)) // inode
	buf[16] = executionOf(ctx).streamType()
	le.PutUint64(buf[24:], 1) // links
	return success
}
