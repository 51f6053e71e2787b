package wasmfile

import (
	"encoding/binary"
	"slices"
)

// Numbers of sections that are rewritten.
const (
	SectionType     = 1
	SectionFunction = 3
	SectionTable    = 4
	SectionMemory   = 5
	SectionGlobal   = 6
	SectionExport   = 7
	SectionStart    = 8
	SectionCode     = 10
	SectionData     = 11
)

// order is how sections follow each other in a file.
var order = []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11}

// An Edit returns what a section is to hold in place of content, which it does not
// change. It is asked about each section that the format has, with nil where the
// module has none; where it returns nil, the file will have none.
type Edit func(id byte, content []byte) ([]byte, error)

// Edit returns the file that m was read from, with its sections changed by each of
// edits in turn. They all go by m: so one may add to what another has changed, and
// none can count on the place of what another adds.
func (m *Module) Edit(wasm []byte, edits ...Edit) ([]byte, error) {
	out := slices.Clone(wasm[:headerSize])
	next := 0 // in order: what has not been written yet
	write := func(id byte, content []byte) (err error) {
		for _, edit := range edits {
			if content, err = edit(id, content); err != nil {
				return err
			}
		}
		if content != nil {
			out = binary.AppendUvarint(append(out, id), uint64(len(content)))
			out = append(out, content...)
		}
		return nil
	}
	for _, section := range m.Sections {
		if section.ID == 0 {
			out = append(out, wasm[section.Offset:section.End]...)
			continue
		}
		at := slices.Index(order, section.ID)
		for ; next < at; next++ {
			if err := write(order[next], nil); err != nil {
				return nil, err
			}
		}
		next = at + 1
		if err := write(section.ID, wasm[section.Start:section.End]); err != nil {
			return nil, err
		}
	}
	for ; next < len(order); next++ {
		if err := write(order[next], nil); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// AppendEntries returns a vector, which is the content of most sections, with more
// entries. Of nothing it makes a vector, unless there are no entries.
func AppendEntries(content []byte, entries ...[]byte) []byte {
	if len(entries) == 0 {
		return content
	}
	count, rest := uint64(0), content
	if len(content) > 0 {
		var size int
		count, size = binary.Uvarint(content)
		rest = content[size:]
	}
	out := binary.AppendUvarint(nil, count+uint64(len(entries)))
	out = append(out, rest...)
	return append(out, slices.Concat(entries...)...)
}

// ExportEntry is an entry of the export section.
func ExportEntry(name string, kind Kind, index uint32) []byte {
	out := append(binary.AppendUvarint(nil, uint64(len(name))), name...)
	return binary.AppendUvarint(append(out, byte(kind)), uint64(index))
}
