package snapshot_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host/snapshot"
)

// stateOf is what a generator looks like in memory after some draws: here as in a
// guest, since it has no pointers.
func stateOf(key byte, draws int) []byte {
	generator := rand.NewChaCha8([32]byte{key, 1, 2, 3})
	for range draws {
		generator.Uint64()
	}
	return bytes.Clone(unsafe.Slice((*byte)(unsafe.Pointer(generator)), snapshot.StateSize))
}

// memoryOf is a memory that holds parts at their addresses.
func memoryOf(t *testing.T, pages int, parts map[int][]byte) *snapshot.Memory {
	t.Helper()
	space := newSpace(t, "")
	image, err := space.ImageOf(nil, uint64(pages)*page)
	require.NoError(t, err)
	m, err := space.NewMemory(image, uint64(pages)*page)
	require.NoError(t, err)
	t.Cleanup(func() {
		m.Free()
		require.NoError(t, image.Close())
	})
	for at, part := range parts {
		copy(m.Contents()[at:], part)
	}
	return m
}

// A generator is known by its numbers, wherever it is between two refills, and a bit
// that is wrong makes it none.
func TestIsState(t *testing.T) {
	for _, draws := range []int{0, 1, 31, 32, 33, 64, 95, 96, 97, 123, 124, 125, 156, 247, 248, 1000} {
		state := stateOf(7, draws)
		require.True(t, snapshot.IsState(state), "%d draws", draws)
		for bit := range (256 + 32) * 8 {
			if made := binary.LittleEndian.Uint32(state[292:]); bit/8 >= int(made)*8 && bit/8 < 256 {
				continue // numbers that became the next key
			}
			state[bit/8] ^= 1 << (bit % 8)
			require.False(t, snapshot.IsState(state), "%d draws, without bit %d", draws, bit)
			state[bit/8] ^= 1 << (bit % 8)
		}
	}
	require.False(t, snapshot.IsState(make([]byte, snapshot.StateSize)))
	require.False(t, snapshot.IsState(bytes.Repeat([]byte{0xff}, snapshot.StateSize)))
}

// counting is randomness of which one can say which it was.
type counting byte

func (c *counting) Read(p []byte) (int, error) {
	for i := range p {
		*c++
		p[i] = byte(*c)
	}
	return len(p), nil
}

// What was seeded with randomness gets a new key, and goes on as a generator of that
// key; what was seeded with a constant is left alone. So is all around them.
func TestSeed(t *testing.T) {
	const first, constant, second, last = 8, 1000, 5000, 2*page - snapshot.StateSize
	cheap := func(state []byte, n uint64) []byte {
		binary.LittleEndian.PutUint64(state[snapshot.StateSize-8:], n)
		return state
	}
	one := memoryOf(t, 2, map[int][]byte{first: cheap(stateOf(1, 5), 7), constant: stateOf(9, 3), second: cheap(stateOf(2, 70), 1), last: stateOf(3, 0)})
	other := memoryOf(t, 2, map[int][]byte{first: cheap(stateOf(4, 5), 8), constant: stateOf(9, 3), second: cheap(stateOf(5, 70), 1), last: stateOf(6, 0)})
	found := snapshot.FindGoRandom(one, other)
	require.Equal(t, 3, found.Found())

	before := bytes.Clone(one.Contents())
	var random counting
	require.NoError(t, found.Seed(one, &random))
	after := one.Contents()
	for n, at := range []int{first, second, last} {
		key := slices.Clone(after[at+256 : at+288])
		require.EqualValues(t, n*40+1, key[0], "in their order, each from new bytes")
		want := rand.NewChaCha8([32]byte(key))
		// As the runtime goes on: all numbers are used, and so it makes the next.
		have := rand.NewChaCha8([32]byte{})
		raw := unsafe.Slice((*byte)(unsafe.Pointer(have)), snapshot.StateSize)
		copy(raw[:304], after[at:at+304])
		var wanted, got [300]uint64
		for range 32 {
			want.Uint64() // the block that it was not asked to make
		}
		for i := range got {
			wanted[i], got[i] = want.Uint64(), have.Uint64()
		}
		require.Equal(t, wanted, got)
		if at == first {
			require.NotEqual(t, before[at+304:at+312], after[at+304:at+312], "the second generator of the runtime")
		} else {
			require.Equal(t, before[at+304:at+312], after[at+304:at+312], "what only stands behind")
		}
		copy(after[at:at+snapshot.StateSize], before[at:])
	}
	require.True(t, bytes.Equal(before, after), "and nothing else")

	require.Error(t, found.Seed(one, io.LimitReader(&random, 100)))
	require.ErrorIs(t, found.Seed(one, failing{}), errNothing)
	require.Error(t, found.Seed(memoryOf(t, 1, nil), &random), "a memory that is too small")
}

var errNothing = errors.New("no randomness")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errNothing }

// A module that is made of what looks like generators is not looked at for long, and
// one that has very many of them is not a Go program.
func TestSeedsOfMalice(t *testing.T) {
	decoys, states := map[int][]byte{}, [2]map[int][]byte{{}, {}}
	word := binary.LittleEndian.AppendUint64(nil, 4|32<<32) // as used, ready and counter
	const pages = 512
	for at := 0; at < pages*page; at += page {
		decoys[at] = bytes.Repeat(word, page/8)
	}
	one, other := memoryOf(t, pages, decoys), memoryOf(t, pages, decoys)
	started := time.Now()
	require.Zero(t, snapshot.FindGoRandom(one, other).Found())
	require.Less(t, time.Since(started), 3*time.Second)

	for n := range 65 {
		states[0][n*1024], states[1][n*1024] = stateOf(byte(n), 1), stateOf(byte(n+100), 1)
	}
	require.Zero(t, snapshot.FindGoRandom(memoryOf(t, 4, states[0]), memoryOf(t, 4, states[1])).Found())
	delete(states[0], 0)
	require.Equal(t, 64, snapshot.FindGoRandom(memoryOf(t, 4, states[0]), memoryOf(t, 4, states[1])).Found())
}

const (
	later = 5003*time.Hour + 46*time.Minute + 19*time.Second + 123_456_789
	clock = int64(time.Second)
)

// timeOf is a time.Time as it lies in memory, whose reading of the monotonic clock
// was taken so long after the first.
func timeOf(at time.Time, reading int64) []byte {
	seconds := at.Unix() - time.Date(1885, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	out := binary.LittleEndian.AppendUint64(nil, 1<<63|uint64(seconds)<<30|uint64(at.Nanosecond()))
	return binary.LittleEndian.AppendUint64(out, uint64(reading))
}

func TestTimes(t *testing.T) {
	morning := time.Date(2026, 5, 6, 7, 8, 9, 999_999_999, time.UTC)
	one := memoryOf(t, 2, map[int][]byte{16: timeOf(morning, 100), 70_000: timeOf(morning.Add(time.Second), 200), 99: {1}})
	other := memoryOf(t, 2, map[int][]byte{16: timeOf(morning.Add(later), 100), 70_000: timeOf(morning.Add(time.Second+later), 200), 99: {1}})
	times, exact := snapshot.FindGoTimes(one, other, later, clock)
	require.True(t, exact)
	require.Equal(t, 2, times.Found())

	evening := time.Date(2031, 5, 6, 19, 8, 9, 1, time.Local)
	times.Set(one, evening)
	require.Equal(t, timeOf(evening, 100), one.Contents()[16:32])
	require.Equal(t, timeOf(evening, 200), one.Contents()[70_000:70_016])
	times.Set(memoryOf(t, 1, nil), evening) // what is beyond is not there

	// As Go reads it, too.
	now := time.Now()
	raw := bytes.Clone(unsafe.Slice((*byte)(unsafe.Pointer(&now)), 16))
	require.Equal(t, timeOf(now, int64(binary.LittleEndian.Uint64(raw[8:]))), raw)
}

// Whatever else differs was made of the time.
func TestTimesThatWereUsed(t *testing.T) {
	morning := time.Date(2026, 5, 6, 7, 8, 9, 10, time.UTC)
	word := func(n int64) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(n)) }
	unmonotonic := func(at time.Time) []byte {
		return append(word(int64(at.Nanosecond())), word(at.Unix()+62135596800)...)
	}
	for name, of := range map[string]func(time.Time) []byte{
		"nanoseconds since 1970":     func(at time.Time) []byte { return word(at.UnixNano()) },
		"seconds since 1970":         func(at time.Time) []byte { return word(at.Unix()) },
		"nanoseconds":                func(at time.Time) []byte { return word(int64(at.Nanosecond())) },
		"without the other clock":    unmonotonic,
		"a time that is to come":     func(at time.Time) []byte { return timeOf(at, clock+2) },
		"a time before":              func(at time.Time) []byte { return timeOf(at, -1) },
		"a time of no reading":       func(at time.Time) []byte { return timeOf(at, 0) },
		"a time that is moved later": func(at time.Time) []byte { return timeOf(at.Add(time.Duration(at.Second())), 100) },
		"text":                       func(at time.Time) []byte { return []byte(at.Format(time.RFC3339)) },
	} {
		one, other := memoryOf(t, 1, map[int][]byte{8: of(morning)}), memoryOf(t, 1, map[int][]byte{8: of(morning.Add(later))})
		_, exact := snapshot.FindGoTimes(one, other, later, clock)
		require.False(t, exact, name)
	}
	// At the very end there is no room for a reading.
	one := memoryOf(t, 1, map[int][]byte{page - 8: timeOf(morning, 1)[:8]})
	other := memoryOf(t, 1, map[int][]byte{page - 8: timeOf(morning.Add(later), 1)[:8]})
	_, exact := snapshot.FindGoTimes(one, other, later, clock)
	require.False(t, exact)
	_, exact = snapshot.FindGoTimes(one, memoryOf(t, 2, nil), later, clock)
	require.False(t, exact, "of another size")

	many := [2]map[int][]byte{{}, {}}
	for n := range 4097 {
		many[0][n*16], many[1][n*16] = timeOf(morning, 1), timeOf(morning.Add(later), 1)
	}
	_, exact = snapshot.FindGoTimes(memoryOf(t, 2, many[0]), memoryOf(t, 2, many[1]), later, clock)
	require.False(t, exact, "more than the host is to set each time")
}
