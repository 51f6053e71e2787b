package taskhost_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost"
	"github.com/taskhost/taskhost/modules"
)

// pagesModule is a guest that starts with so many pages of memory and declares one
// definition with so many bytes of it.
func pagesModule(pages byte, memory int) []byte {
	return handModule(pages, fmt.Sprintf(`{"name":"hungry","options":{"memory_bytes":%d}}`, memory), []byte{0x41, 0})
}

// handModule is a guest, written out by hand, with so many pages of memory, one
// definition and the code that runs it, which leaves a number.
func handModule(pages byte, definition string, run []byte) []byte {
	manifest := `{"definitions":[` + definition + `]}`
	run = slices.Concat([]byte{0}, run, []byte{0x0b})
	describe := slices.Concat([]byte{0, 0x41, 0, 0x41}, leb(len(manifest)), []byte{0x41, 0, 0x41, 0, 0x10, 0, 0x0b})
	return slices.Concat(
		[]byte("\x00asm\x01\x00\x00\x00"),
		wasmSection(1, []byte{3, 0x60, 4, 0x7f, 0x7f, 0x7f, 0x7f, 0, 0x60, 0, 0, 0x60, 1, 0x7f, 1, 0x7f}),
		wasmSection(2, []byte{1}, wasmName("taskhost_v1"), wasmName("output"), []byte{0, 0}),
		wasmSection(3, []byte{2, 1, 2}),
		wasmSection(5, []byte{1, 0, pages}),
		wasmSection(7, []byte{3}, wasmName("memory"), []byte{2, 0}, wasmName("taskhost_describe"), []byte{0, 1}, wasmName("taskhost_run"), []byte{0, 2}),
		wasmSection(10, []byte{2}, leb(len(describe)), describe, leb(len(run)), run),
		wasmSection(11, []byte{1, 0, 0x41, 0, 0x0b}, wasmName(manifest)),
	)
}

func wasmSection(id byte, parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	return slices.Concat([]byte{id}, leb(len(body)), body)
}

func wasmName(text string) []byte { return append(leb(len(text)), text...) }

// leb writes a number from 0 to 8191 so that it reads the same signed and
// unsigned.
func leb(n int) []byte {
	if n < 64 {
		return []byte{byte(n)}
	}
	return []byte{byte(n)&0x7f | 0x80, byte(n >> 7)}
}

// A definition that could never run is refused when it is pushed.
func TestPushComparesMemory(t *testing.T) {
	library := newHost(t, taskhost.Config{}).Modules()
	_, err := library.Push(t.Context(), "m", pagesModule(3, 2<<16))
	var rejected *modules.RejectedError
	require.ErrorAs(t, err, &rejected)
	require.Equal(t, "hungry may use 131072 bytes of memory, but the module starts with 196608: raise memory_bytes of the definition", rejected.Reason)
	_, err = library.Push(t.Context(), "m", pagesModule(2, 2<<16))
	require.NoError(t, err)
}
