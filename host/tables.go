package host

import (
	"encoding/binary"

	"github.com/taskhost/taskhost/host/wasmfile"
)

// maxTableEntries bounds each table of an instance. An entry takes 8 bytes of the
// host's memory, which no limit on the guest's own memory covers.
const maxTableEntries = 1_000_000

// boundTables lowers the maximum of each table, so that table.grow answers -1 there.
// All else is as it was.
func boundTables(file *wasmfile.Module) wasmfile.Edit {
	const hasMax = 1
	return func(id byte, content []byte) ([]byte, error) {
		if id != wasmfile.SectionTable || len(file.Tables) == 0 {
			return content, nil
		}
		out := binary.AppendUvarint(nil, uint64(len(file.Tables))) // none is imported
		for i, table := range file.Tables {
			if table.Min > maxTableEntries {
				return nil, moduleErrorf("limit table entries: table %d starts with %d, at most %d are allowed", i, table.Min, maxTableEntries)
			}
			most := uint64(maxTableEntries)
			if table.HasMax {
				most = min(most, uint64(table.Max))
			}
			out = append(out, byte(table.Elem), hasMax)
			out = binary.AppendUvarint(out, uint64(table.Min))
			out = binary.AppendUvarint(out, most)
		}
		return out, nil
	}
}
