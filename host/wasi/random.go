package wasi

import (
	"context"
	"io"

	"github.com/tetratelabs/wazero/api"
)

const (
	// maxRandom is how many bytes of randomness an execution may draw; where
	// there is no execution to count them, how many a call may.
	maxRandom = 64 << 20
	// randomChunk is how much is drawn between two looks at the context.
	randomChunk = 64 << 10
)

func randomGet(ctx context.Context, mod api.Module, stack []uint64) errno {
	buf, ok := memoryOf(mod).bytes(uint32(stack[0]), uint32(stack[1]))
	if !ok {
		return fault
	}
	source, ok := executionOf(ctx).draw(uint32(len(buf)))
	if !ok {
		return ioError
	}
	for len(buf) > 0 {
		n := min(len(buf), randomChunk)
		if _, err := io.ReadFull(source, buf[:n]); err != nil {
			return ioError
		}
		buf = buf[n:]
		if len(buf) > 0 {
			endIfDone(ctx)
		}
	}
	return success
}
