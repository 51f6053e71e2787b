package snapshot_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host/snapshot"
)

// holed is a module whose image has data at its start, a hole of some pages of the
// system, data again, and a tail of zeros; within a page of the system, too.
func holed(pages int) plan {
	system := snapshot.SystemPage()
	return plan{
		memory: limits(pages),
		data: [][]byte{
			active(3, "at the start"),
			active(uint32(system-2), "across"),
			active(uint32(7*system+100), "behind the hole"),
		},
	}
}

// The pages that were written are found by the kernel, whatever writes them: the
// first and the last, next to each other and alone, of the image, of its holes and
// behind it.
func TestResetEachPage(t *testing.T) {
	eachMethod(t, func(t *testing.T, space *snapshot.Space) {
		s := start(t, space, holed(16).bytes(), 32*page)
		want := s.look(t)
		require.Equal(t, "across", string(want[snapshot.SystemPage()-2:][:6]))
		system := uint32(snapshot.SystemPage())
		for at := uint32(0); at < s.guest.Memory().Size(); at += system {
			for _, at := range []uint32{at, at + system/2, at + system - 1} {
				old, _ := s.guest.Memory().ReadByte(at)
				require.True(t, s.guest.Memory().WriteByte(at, ^old))
			}
			require.NoError(t, s.reset())
			if at%(8*system) == 0 { // a look at all makes all pages be there
				s.requireExact(t, want)
			}
		}
		s.requireExact(t, want)
	})
}

// TestResetRandom writes at random, grows at random, and looks at all of it only
// sometimes: where pages have been read, the kernel has other things to tell.
func TestResetRandom(t *testing.T) {
	eachMethod(t, func(t *testing.T, space *snapshot.Space) {
		random := rand.New(rand.NewPCG(1, 2))
		s := start(t, space, holed(8).bytes(), 256*page)
		want := s.look(t)
		for n := range 700 { // past the resets that drop all pages
			s.memory.Begin(256 * page)
			s.scribble(random, random.IntN(30))
			if random.IntN(3) == 0 {
				require.True(t, s.grow(random.Uint32N(60)))
				s.scribble(random, random.IntN(30))
			}
			require.NoError(t, s.reset(), n)
			if random.IntN(4) == 0 {
				s.requireExact(t, want)
			}
		}
		s.requireExact(t, want)
	})
}

// There is a number of pages up to which they are copied back. Around it, and with
// all pages apart, the kernel may stop early.
func TestResetManyPages(t *testing.T) {
	const mostWritten = 192
	eachMethod(t, func(t *testing.T, space *snapshot.Space) {
		system := snapshot.SystemPage()
		pages := 3 * mostWritten * system / page
		s := start(t, space, holed(pages).bytes(), uint64(pages)*page)
		want := s.look(t)
		for _, count := range []int{mostWritten - 1, mostWritten, mostWritten + 1, mostWritten + 2, 3*mostWritten/2 - 1} {
			for _, apart := range []int{1, 2} {
				for _, fromEnd := range []bool{false, true} {
					for n := range count {
						at := n * apart * system
						if fromEnd {
							at = len(want) - 1 - at
						}
						old, _ := s.guest.Memory().ReadByte(uint32(at))
						require.True(t, s.guest.Memory().WriteByte(uint32(at), ^old))
					}
					require.NoError(t, s.reset())
					s.requireExact(t, want)
				}
			}
		}
	})
}

// What was written once counts as written from then on, and is dropped at times. It
// is not lost to the next one either way.
func TestResetForgets(t *testing.T) {
	eachMethod(t, func(t *testing.T, space *snapshot.Space) {
		s := start(t, space, holed(4).bytes(), 4*page)
		want := s.look(t)
		for n := range 600 {
			at := uint32(n * 997 % len(want))
			old, _ := s.guest.Memory().ReadByte(at)
			require.True(t, s.guest.Memory().WriteByte(at, ^old))
			require.NoError(t, s.reset())
			now, _ := s.guest.Memory().ReadByte(at)
			require.Equal(t, old, now, "reset %d", n)
			if n >= 250 && n <= 260 || n >= 508 && n <= 516 {
				s.requireExact(t, want)
			}
		}
	})
}

// A memory that was large is small again, for the guest's instructions too, and
// what it held beyond is zero when it grows once more.
func TestResetShrinks(t *testing.T) {
	// f stores to the address that is at 0, and answers with the size at 4.
	size := append(constant(4), 0x3f, 0, 0x36, 0, 0) // memory.size, i32.store
	place := plan{memory: limits(2, 100), data: [][]byte{active(8, "data")}, code: append(append([]byte(nil), size...), 0x41, 0, 0x28, 0, 0, 0x41, 7, 0x3a, 0, 0)}
	eachMethod(t, func(t *testing.T, space *snapshot.Space) {
		s := start(t, space, place.bytes(), 100*page)
		want := s.look(t)
		for range 3 {
			s.memory.Begin(100 * page)
			require.True(t, s.grow(90))
			require.EqualValues(t, 92*page, s.memory.Peak())
			for _, at := range []uint32{2 * page, 50 * page, 92*page - 1} {
				require.True(t, s.guest.Memory().WriteByte(at, 9))
			}
			require.True(t, s.guest.Memory().WriteUint32Le(0, 92*page-2))
			require.NoError(t, s.call())
			seen, _ := s.guest.Memory().ReadUint32Le(4)
			require.EqualValues(t, 92, seen)

			require.NoError(t, s.reset())
			s.requireExact(t, want)
			require.True(t, s.guest.Memory().WriteUint32Le(0, 2*page))
			require.ErrorContains(t, s.call(), "out of bounds memory access")
			seen, _ = s.guest.Memory().ReadUint32Le(4)
			require.EqualValues(t, 2, seen)
			require.False(t, s.guest.Memory().WriteByte(2*page, 1))
			require.NoError(t, s.reset())

			s.memory.Begin(100 * page)
			require.EqualValues(t, 2*page, s.memory.Peak())
			require.True(t, s.grow(98))
			grown := s.look(t)
			require.Equal(t, want, grown[:2*page])
			require.Equal(t, make([]byte, 98*page), grown[2*page:])
			// At its declared maximum a memory cannot be grown by the page that it
			// takes to shrink it: the instance is of no more use.
			require.Error(t, s.reset())
			s.memory.Begin(100 * page)
			require.EqualValues(t, 100*page, s.memory.Size())
			s = start(t, space, place.bytes(), 100*page)
		}
	})
}

// A memory can begin with nothing.
func TestResetEmpty(t *testing.T) {
	eachMethod(t, func(t *testing.T, space *snapshot.Space) {
		s := start(t, space, plan{memory: limits(0)}.bytes(), 0)
		require.NoError(t, s.reset())
		s.requireExact(t, []byte{})
		s.memory.Begin(10 * page)
		for range 300 {
			if s.grow(1) { // as far as one page goes, and further where memory is a slice
				require.True(t, s.guest.Memory().WriteByte(page-1, 1))
			}
			require.NoError(t, s.reset())
			s.requireExact(t, []byte{})
			require.False(t, s.guest.Memory().WriteByte(0, 1))
		}
	})
}

// Images are as small as what is in them, and need not be a multiple of anything.
func TestImages(t *testing.T) {
	system := snapshot.SystemPage()
	eachMethod(t, func(t *testing.T, space *snapshot.Space) {
		for _, length := range []int{0, 1, system - 1, system, system + 1, 3*system - 1, page, page + 1, 4 * page} {
			for _, last := range []int{-1, 0, length / 2, length - 1} {
				content := make([]byte, length)
				if last >= 0 && length > 0 {
					content[last] = 7
				}
				image, err := space.ImageOf(content, 4*page)
				require.NoError(t, err)
				whole := make([]byte, 4*page)
				copy(whole, content)
				clear(content) // the image is a copy
				m, err := space.NewMemory(image, 4*page)
				require.NoError(t, err)
				require.True(t, bytes.Equal(whole, m.Contents()))
				require.True(t, m.Equal())
				kept := len(image.Bytes())
				require.Zero(t, kept%system)
				require.Less(t, kept-system, last+1)
				m.Contents()[4*page-1]++
				require.False(t, m.Equal())
				require.NoError(t, m.Restore())
				require.True(t, m.Equal())
				m.Free()
				m.Free()
				require.NoError(t, image.Close())
				require.NoError(t, image.Close(), "once more")
			}
		}
	})
}

// An image does not change with the memory that it was taken of, or with memories
// that were made of it, and those not with each other.
func TestCapturedImages(t *testing.T) {
	eachMethod(t, func(t *testing.T, space *snapshot.Space) {
		random := rand.New(rand.NewPCG(3, 4))
		first := start(t, space, plan{memory: limits(3), globals: [][]byte{{0x7f, 1, 0x41, 5, 0x0b}}}.bytes(), 20*page)
		first.scribble(random, 20)
		require.True(t, first.grow(4))
		first.scribble(random, 20)
		first.globals[0].Set(77)
		want := first.look(t)
		image, err := space.Capture(first.memory, first.globals)
		require.NoError(t, err)
		require.EqualValues(t, 7*page, image.Size())
		require.Equal(t, []uint64{77}, image.GlobalValues())

		first.scribble(random, 20)
		first.globals[0].Set(1)
		require.NoError(t, first.reset())
		require.Equal(t, make([]byte, 3*page), first.look(t))
		require.EqualValues(t, 5, first.globals[0].Get())
		image.Set(first.globals)
		require.EqualValues(t, 77, first.globals[0].Get())
		require.True(t, image.Has(first.globals))
		require.False(t, first.image.Has(first.globals))

		var memories []*snapshot.Memory
		for range 3 {
			m, err := space.NewMemory(image, 20*page)
			require.NoError(t, err)
			memories = append(memories, m)
		}
		for n, m := range memories {
			require.True(t, bytes.Equal(want, m.Contents()))
			for at := range m.Contents() {
				m.Contents()[at] = byte(n)
			}
		}
		for _, m := range memories {
			require.NoError(t, m.Restore())
			require.True(t, bytes.Equal(want, m.Contents()))
			require.True(t, m.Same(memories[0]))
		}
		for _, m := range memories {
			m.Free()
		}
		require.NoError(t, image.Close())
	})
}

// The limit is of the execution, and may be any up to what was reserved.
func TestLimits(t *testing.T) {
	eachMethod(t, func(t *testing.T, space *snapshot.Space) {
		s := start(t, space, plan{memory: limits(1)}.bytes(), 10*page)
		require.GreaterOrEqual(t, s.memory.Most(), uint64(10*page))
		s.memory.Begin(5 * page)
		require.False(t, s.memory.Refused())
		require.True(t, s.grow(4))
		require.False(t, s.memory.Refused())
		require.True(t, s.grow(0), "nothing more is nothing refused")
		require.False(t, s.grow(1))
		require.True(t, s.memory.Refused())
		require.EqualValues(t, 5*page, s.memory.Peak())
		require.NoError(t, s.reset())

		s.memory.Begin(3*page + 1) // not a whole page
		require.False(t, s.memory.Refused())
		require.EqualValues(t, page, s.memory.Peak())
		require.False(t, s.grow(3))
		require.True(t, s.grow(2))
		require.NoError(t, s.reset())

		s.memory.Begin(0) // less than there is already
		require.False(t, s.grow(1))
		require.NoError(t, s.reset())

		// One that was stopped grows no more, but is taken back.
		s.memory.Begin(10 * page)
		require.True(t, s.grow(5))
		s.memory.Stop()
		require.False(t, s.grow(1))
		require.False(t, s.memory.Refused(), "by its limit")
		require.NoError(t, s.reset())
		require.EqualValues(t, page, s.memory.Size())
		s.memory.Begin(10 * page)
		require.True(t, s.grow(9))
		require.NoError(t, s.reset())
	})
}

// A method that there is not is an error, and one that is not named is one that works.
func TestSpaces(t *testing.T) {
	_, err := snapshot.NewSpace("by magic")
	require.ErrorContains(t, err, "by magic")
	space, err := snapshot.NewSpace("")
	require.NoError(t, err)
	require.Contains(t, snapshot.Methods(), space.Method())
	require.NoError(t, space.Close())
}

// Memories of one space are reset at the same time by many.
func TestResetConcurrently(t *testing.T) {
	eachMethod(t, func(t *testing.T, space *snapshot.Space) {
		const workers = 4
		ended := make(chan error, workers)
		image, err := space.ImageOf(bytes.Repeat([]byte("image "), 20_000), 4*page)
		require.NoError(t, err)
		for n := range workers {
			m, err := space.NewMemory(image, 8*page)
			require.NoError(t, err)
			go func() {
				random := rand.New(rand.NewPCG(uint64(n), 0))
				var err error
				for n := 0; n < 500 && err == nil; n++ {
					for range 20 {
						m.Contents()[random.IntN(4*page)] ^= 1
					}
					if err = m.Restore(); err == nil && !m.Equal() {
						err = errors.New("it is not what the image is")
					}
				}
				m.Free()
				ended <- err
			}()
		}
		for range workers {
			require.NoError(t, <-ended)
		}
		require.NoError(t, image.Close())
	})
}
