package host

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/taskhost/taskhost/host/wasmfile"
)

// growing is a module that exports a function "grow", which grows its table by
// two million entries and returns what table.grow answers, behind a custom section
// on either side of the table section.
func growing(table ...byte) []byte {
	return slices.Concat(
		[]byte("\x00asm\x01\x00\x00\x00"),
		[]byte{1, 5, 1, 0x60, 0, 1, 0x7f},         // type () -> i32
		[]byte{3, 2, 1, 0},                        // a function of it
		[]byte{0, 3, 1, 'a', 0xff},                // custom
		[]byte{4, byte(len(table)) + 1, 1}, table, // a table
		[]byte{0, 3, 1, 'b', 0xfe},                   // custom
		[]byte{7, 8, 1, 4, 'g', 'r', 'o', 'w', 0, 0}, // export
		[]byte{10, 14, 1, 12, 0, 0xd0, 0x70, 0x41, 0x80, 0x89, 0xfa, 0, 0xfc, 0x0f, 0, 0x0b},
	)
}

func TestTablesAreBounded(t *testing.T) {
	for name, test := range map[string]struct {
		table []byte
		max   uint32
	}{
		"no maximum":      {[]byte{0x70, 0, 1}, maxTableEntries},
		"larger maximum":  {[]byte{0x70, 1, 1, 0x80, 0x80, 0x80, 0x80, 0x08}, maxTableEntries},
		"smaller maximum": {[]byte{0x70, 1, 1, 5}, 5},
	} {
		t.Run(name, func(t *testing.T) {
			wasm := growing(test.table...)
			file, err := wasmfile.Read(wasm)
			require.NoError(t, err)
			bounded, err := file.Edit(wasm, boundTables(file))
			require.NoError(t, err)
			again, err := wasmfile.Read(bounded)
			require.NoError(t, err)
			require.Equal(t, []wasmfile.Table{{Elem: file.Tables[0].Elem, Min: 1, Max: test.max, HasMax: true}}, again.Tables)
			require.Len(t, again.Sections, len(file.Sections))
			for i, section := range file.Sections {
				if now := again.Sections[i]; section.ID != wasmfile.SectionTable {
					require.Equal(t, wasm[section.Offset:section.End], bounded[now.Offset:now.End], "section %d", i)
				}
			}

			r := wazero.NewRuntime(t.Context())
			defer func() { require.NoError(t, r.Close(t.Context())) }()
			instance, err := r.Instantiate(t.Context(), bounded)
			require.NoError(t, err)
			results, err := instance.ExportedFunction("grow").Call(t.Context())
			require.NoError(t, err)
			require.Equal(t, int32(-1), api.DecodeI32(results[0]), "table.grow by 2,000,000")
		})
	}
	wasm := growing(0x70, 0, 0xc1, 0x84, 0x3d) // a minimum of 1,000,001
	file, err := wasmfile.Read(wasm)
	require.NoError(t, err)
	_, err = file.Edit(wasm, boundTables(file))
	require.ErrorContains(t, err, "limit table entries: table 0 starts with 1000001")
}
