package host

import (
	"encoding/binary"

	"github.com/taskhost/taskhost/host/wasmfile"
)

// maxTableEntries bounds each table of an instance. An entry takes 8 bytes of the
// host's memory, which no limit on the guest's own memory covers.
const maxTableEntries = 1_000_000

const (
	tableSection = 4
	hasMax       = 1 // of a table's limits
)

// boundTables returns the module with the maximum of each table lowered, so that
// table.grow answers -1 there. All else is as it was.
func boundTables(file *wasmfile.Module, wasm []byte) ([]byte, error) {
	for _, section := range file.Sections {
		if section.ID != tableSection {
			continue
		}
		body := binary.AppendUvarint(nil, uint64(len(file.Tables))) // none is imported
		for i, table := range file.Tables {
			if table.Min > maxTableEntries {
				return nil, moduleErrorf("limit table entries: table %d starts with %d, at most %d are allowed", i, table.Min, maxTableEntries)
			}
			most := uint64(maxTableEntries)
			if table.HasMax {
				most = min(most, uint64(table.Max))
			}
			body = append(body, byte(table.Elem), hasMax)
			body = binary.AppendUvarint(body, uint64(table.Min))
			body = binary.AppendUvarint(body, most)
		}
		out := append([]byte(nil), wasm[:section.Offset]...)
		out = append(out, tableSection)
		out = binary.AppendUvarint(out, uint64(len(body)))
		out = append(out, body...)
		return append(out, wasm[section.End:]...), nil
	}
	return wasm, nil
}
