package snapshot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tetratelabs/wazero/api"

	"github.com/taskhost/taskhost/host/wasmfile"
)

// Prefix begins the names that a mutable global is exported under, which no export
// of a module may begin with.
const Prefix = "taskhost:global:"

// pageSize is the size of a page of WebAssembly, in bytes.
const pageSize = 64 << 10

// Module is what has to be known of a module to take its instances back.
type Module struct {
	// Memory is how much memory its instances begin with, in bytes.
	Memory uint64
	// Whole is false where there are globals that cannot be set from outside, so
	// that no instance can be reset.
	Whole bool

	globals []string // the names of the mutable ones
	data    []segment
}

// segment is bytes that memory begins with.
type segment struct {
	offset uint64
	bytes  []byte
}

// Prepare looks at a module that was read from wasm, which must not change while
// the result is in use. Its Edit changes the file. An error says why the module
// could never be instantiated, for its author.
func Prepare(file *wasmfile.Module, wasm []byte) (*Module, error) {
	m := &Module{Whole: true}
	for _, export := range file.Exports {
		if strings.HasPrefix(export.Name, Prefix) {
			return nil, fmt.Errorf("it exports %.60q: names that begin with %q are the host's own", export.Name, Prefix)
		}
	}
	if len(file.Memories) > 0 {
		m.Memory = uint64(file.Memories[0].Min) * pageSize
	}
	for i, global := range file.Globals {
		if !global.Mutable {
			continue
		}
		switch global.Type {
		case wasmfile.I32, wasmfile.I64, wasmfile.F32, wasmfile.F64:
			m.globals = append(m.globals, Prefix+strconv.Itoa(i))
		default: // half of a vector could be set, and no reference
			m.Whole = false
		}
	}
	for i, data := range file.Data {
		switch {
		case !data.Active:
			continue
		case !data.Constant:
			return nil, fmt.Errorf("the place of data segment %d is taken from a global, which is not supported: build without position-independent code", i)
		case uint64(data.Offset)+uint64(data.End-data.Start) > m.Memory:
			return nil, fmt.Errorf("data segment %d ends at byte %d of a memory that begins with %d: the file is damaged, or the linker was given too small a memory", i, uint64(data.Offset)+uint64(data.End-data.Start), m.Memory)
		}
		m.data = append(m.data, segment{uint64(data.Offset), wasm[data.Start:data.End]})
	}
	return m, nil
}

// Edit returns the edit of the file: its mutable globals are exported, and active
// data is taken out, since it is in the first image. Where instructions can name
// segments, an empty passive one takes the place of each: an active one counts as
// dropped once it has been copied, which comes to the same.
func (m *Module) Edit(file *wasmfile.Module) wasmfile.Edit {
	return func(id byte, content []byte) ([]byte, error) {
		switch id {
		case wasmfile.SectionExport:
			var exports [][]byte
			for _, name := range m.globals {
				index, err := strconv.ParseUint(strings.TrimPrefix(name, Prefix), 10, 32)
				if err != nil {
					return nil, err
				}
				exports = append(exports, wasmfile.ExportEntry(name, wasmfile.KindGlobal, uint32(index)))
			}
			return wasmfile.AppendEntries(content, exports...), nil
		case wasmfile.SectionData:
			return withoutActive(file, content), nil
		}
		return content, nil
	}
}

func withoutActive(file *wasmfile.Module, content []byte) []byte {
	if len(content) == 0 || !file.HasDataCount {
		return nil // without a count no instruction names a segment
	}
	const passive = 1
	var segments [][]byte
	offset := 0
	for _, section := range file.Sections {
		if section.ID == wasmfile.SectionData {
			offset = section.Start
		}
	}
	for _, data := range file.Data {
		entry := []byte{passive, 0}
		if !data.Active {
			bytes := content[data.Start-offset : data.End-offset]
			entry = append(binary.AppendUvarint([]byte{passive}, uint64(len(bytes))), bytes...)
		}
		segments = append(segments, entry)
	}
	if len(segments) == 0 {
		return content
	}
	return wasmfile.AppendEntries(nil, segments...)
}

// initial is what memory begins with, up to the last byte that is not zero.
func (m *Module) initial() []byte {
	end := uint64(0)
	for _, s := range m.data {
		end = max(end, s.offset+uint64(len(s.bytes)))
	}
	bytes := make([]byte, end)
	for _, s := range m.data { // a later one goes over an earlier one
		copy(bytes[s.offset:], s.bytes)
	}
	return bytes
}

// Globals finds the mutable globals of an instance.
func (m *Module) Globals(instance api.Module) ([]api.MutableGlobal, error) {
	globals := make([]api.MutableGlobal, len(m.globals))
	for i, name := range m.globals {
		global, ok := instance.ExportedGlobal(name).(api.MutableGlobal)
		if !ok {
			return nil, errors.New("the module does not export its globals: it was not prepared")
		}
		globals[i] = global
	}
	return globals, nil
}
