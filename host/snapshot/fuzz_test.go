package snapshot_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host/snapshot"
)

// FuzzReset has an instance written to, grown and reset in an order that nobody has
// thought of, by each method. Six bytes are a step: what to do, where, and how much.
func FuzzReset(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 3, 0, 0, 0, 0, 0})
	f.Add([]byte{1, 0, 0, 0, 9, 1, 0, 9, 255, 255, 255, 255, 3, 0, 0, 0, 0, 0, 1, 0, 0, 0, 3, 1, 3, 0, 0, 0, 0, 0})
	f.Add([]byte{2, 0, 0, 1, 0, 200, 3, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 2, 0, 1, 0, 0, 200, 4, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, steps []byte) {
		const most = 64 * page
		p := holed(5)
		p.globals = [][]byte{{0x7e, 1, 0x42, 9, 0x0b}}
		system := uint32(snapshot.SystemPage())
		for _, method := range snapshot.Methods() {
			s := start(t, newSpace(t, method), p.bytes(), most)
			want := s.look(t)
			for left := steps[:min(len(steps), 6*500)]; len(left) >= 6; left = left[6:] {
				size := s.guest.Memory().Size()
				at, much := binary.LittleEndian.Uint32(left[1:])%size, left[5]
				switch left[0] % 6 {
				case 0: // a byte
					s.guest.Memory().WriteByte(at, much)
				case 1: // more memory
					s.grow(uint32(much) % 80)
				case 2: // a byte in each of many pages of the system
					for n := range uint32(much) * 2 {
						s.guest.Memory().WriteByte(at+n*system, byte(n))
					}
				case 3:
					s.globals[0].Set(uint64(much))
					fallthrough
				case 4: // without a look: pages that were read are others to the kernel
					if s.reset() != nil {
						t.Fatal("not reset")
					}
					s.memory.Begin(most)
				case 5: // many bytes in a row, of zeros too
					view, _ := s.guest.Memory().Read(at, min(uint32(much)*300, size-at))
					for i := range view {
						view[i] = much / 2
					}
				}
			}
			require.NoError(t, s.reset(), method)
			s.requireExact(t, want)
		}
	})
}
