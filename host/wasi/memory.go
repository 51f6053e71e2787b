package wasi

import (
	"encoding/binary"
	"reflect"

	"github.com/tetratelabs/wazero/api"
)

var le = binary.LittleEndian

// memory is a guest's memory as WASI sees it. Every access is checked.
type memory struct {
	m api.Memory // nil where the guest has none
}

// memoryOf gives the memory of the module that is calling.
func memoryOf(mod api.Module) memory {
	m := mod.Memory()
	// For a module without a memory wazero gives an interface that is not nil
	// around a pointer that is, on which every method panics.
	if v := reflect.ValueOf(m); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return memory{}
	}
	return memory{m}
}

// bytes gives n bytes at ptr, which alias the guest's memory. The address of
// no bytes is not looked at.
func (mem memory) bytes(ptr, n uint32) ([]byte, bool) {
	if n == 0 {
		return nil, true
	}
	if mem.m == nil {
		return nil, false
	}
	return mem.m.Read(ptr, n)
}

// records gives count records of size bytes each, where count is small enough
// that their sum cannot overflow.
func (mem memory) records(ptr, count, size uint32) ([]byte, bool) {
	return mem.bytes(ptr, count*size)
}

func (mem memory) putUint32(ptr, v uint32) bool {
	return mem.m != nil && mem.m.WriteUint32Le(ptr, v)
}

func (mem memory) putUint64(ptr uint32, v uint64) bool {
	return mem.m != nil && mem.m.WriteUint64Le(ptr, v)
}
