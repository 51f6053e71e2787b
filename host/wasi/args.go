package wasi

import (
	"context"
	"math"

	"github.com/tetratelabs/wazero/api"
)

func argsSizesGet(ctx context.Context, mod api.Module, stack []uint64) errno {
	return putSizes(memoryOf(mod), executionOf(ctx).args(), uint32(stack[0]), uint32(stack[1]))
}

func argsGet(ctx context.Context, mod api.Module, stack []uint64) errno {
	return putStrings(memoryOf(mod), executionOf(ctx).args(), uint32(stack[0]), uint32(stack[1]))
}

func environSizesGet(ctx context.Context, mod api.Module, stack []uint64) errno {
	return putSizes(memoryOf(mod), executionOf(ctx).env(), uint32(stack[0]), uint32(stack[1]))
}

func environGet(ctx context.Context, mod api.Module, stack []uint64) errno {
	return putStrings(memoryOf(mod), executionOf(ctx).env(), uint32(stack[0]), uint32(stack[1]))
}

// sizes gives how many bytes the pointers to the strings take, and how many
// the strings themselves, each with the zero that ends it.
func sizes(list []string) (pointers, text uint32, ok bool) {
	total := uint64(len(list))
	for _, s := range list {
		total += uint64(len(s))
	}
	if uint64(len(list))*4 > math.MaxUint32 || total > math.MaxUint32 {
		return 0, 0, false
	}
	return uint32(len(list)) * 4, uint32(total), true
}

// putSizes tells the guest how much room putStrings needs.
func putSizes(mem memory, list []string, countPtr, textPtr uint32) errno {
	_, text, ok := sizes(list)
	if !ok {
		return overflow
	}
	if !mem.putUint32(countPtr, uint32(len(list))) || !mem.putUint32(textPtr, text) {
		return fault
	}
	return success
}

// putStrings writes the strings at textPtr and a pointer to each at listPtr.
func putStrings(mem memory, list []string, listPtr, textPtr uint32) errno {
	pointerBytes, textBytes, ok := sizes(list)
	if !ok {
		return overflow
	}
	pointers, ok := mem.bytes(listPtr, pointerBytes)
	if !ok {
		return fault
	}
	text, ok := mem.bytes(textPtr, textBytes)
	if !ok {
		return fault
	}
	for i, s := range list {
		le.PutUint32(pointers[i*4:], textPtr)
		n := copy(text, s)
		text[n] = 0
		text = text[n+1:]
		textPtr += uint32(n) + 1
	}
	return success
}
