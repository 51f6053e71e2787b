package snapshot

import (
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
)

// GoRandom is where a Go program keeps the state of its random number generators:
// that of math/rand and of its runtime, which an image would otherwise freeze.
//
// It is found by what it is, and not by its name, which a module need not carry:
// behind the numbers that a generator has made ready stand its key and its counter,
// and only the one makes the others. So what looks like a state is one. What the
// layout is by, is internal/chacha8rand of Go 1.22 and later.
type GoRandom struct {
	states []goState
}

// goState is one generator.
type goState struct {
	offset uint64
	// cheap says that the number behind it is the runtime's second generator.
	cheap bool
}

// The layout of a state: numbers made ready, a key, how many of the numbers are
// used, how many there are, and a counter of blocks.
const (
	stateKey     = 32 * 8
	stateUsed    = stateKey + 32
	stateReady   = stateUsed + 4
	stateCounter = stateReady + 4
	stateCheap   = stateCounter + 8 // with 4 that are not used
	stateSize    = stateCheap + 8

	blocks   = 16 // until the generator makes itself a new key
	perBlock = 4
	ready    = 32
	rekey    = 4 // numbers of the last block that become the key
)

const (
	// mostStates is how many generators there may be, and mostTried how many places
	// that only look like one at first: it takes a microsecond to tell, and a module
	// that is full of them was made to keep the host busy.
	mostStates = 64
	mostTried  = 4 << 10
)

// FindGoRandom looks for the generators in two memories of the same module that had
// different random numbers and the same of all else. It finds none where there are
// more than a program has.
func FindGoRandom(one, other *Memory) *GoRandom {
	g := &GoRandom{}
	a, b := one.used(), other.used()
	tried := 0
	for at := 0; at+stateSize <= min(len(a), len(b)); at += 8 {
		if !hasForm(a[at:]) || !hasForm(b[at:]) {
			continue
		}
		if tried++; tried > mostTried || len(g.states) == mostStates {
			return &GoRandom{}
		}
		if !isState(a[at:]) || !isState(b[at:]) {
			continue
		}
		if string(a[at+stateKey:at+stateUsed]) == string(b[at+stateKey:at+stateUsed]) {
			continue // seeded with what it was told: it is to repeat itself
		}
		cheap := at + stateCheap
		g.states = append(g.states, goState{
			offset: uint64(at),
			cheap:  string(a[cheap:cheap+8]) != string(b[cheap:cheap+8]),
		})
		at += stateCheap - 8
	}
	return g
}

// Found is how many generators there are. A Go program has two, its runtime's, or
// more.
func (g *GoRandom) Found() int { return len(g.states) }

// hasForm reports whether the numbers of a state are such as one can have.
func hasForm(bytes []byte) bool {
	used, made := binary.LittleEndian.Uint32(bytes[stateUsed:]), binary.LittleEndian.Uint32(bytes[stateReady:])
	counter := binary.LittleEndian.Uint32(bytes[stateCounter:])
	switch {
	case counter >= blocks || counter%perBlock != 0 || used > made:
		return false
	case counter == blocks-perBlock:
		return made == ready-rekey
	default:
		return made == ready
	}
}

// isState reports whether bytes begin with the state of a generator.
func isState(bytes []byte) bool {
	if !hasForm(bytes) {
		return false
	}
	made, counter := binary.LittleEndian.Uint32(bytes[stateReady:]), binary.LittleEndian.Uint32(bytes[stateCounter:])
	// What math/rand/v2 writes a generator down as.
	text := append(make([]byte, 0, 48), "chacha8:"...)
	text = binary.BigEndian.AppendUint64(text, uint64(counter/perBlock*ready))
	text = append(text, bytes[stateKey:stateUsed]...)
	var same rand.ChaCha8
	if same.UnmarshalBinary(text) != nil {
		return false
	}
	for i := range made {
		if same.Uint64() != binary.LittleEndian.Uint64(bytes[8*i:]) {
			return false
		}
	}
	return true
}

var errNoRandom = errors.New("there is no memory where the random state was")

// Seed gives the generators new keys, with nothing made ready: they go on from
// there themselves.
func (g *GoRandom) Seed(m *Memory, random io.Reader) error {
	var fresh [40]byte
	memory := m.used()
	for _, s := range g.states {
		if s.offset+stateSize > uint64(len(memory)) {
			return errNoRandom
		}
		if _, err := io.ReadFull(random, fresh[:]); err != nil {
			return err
		}
		state := memory[s.offset:][:stateSize]
		copy(state[stateKey:], fresh[:32])
		binary.LittleEndian.PutUint32(state[stateUsed:], ready)
		binary.LittleEndian.PutUint32(state[stateReady:], ready)
		binary.LittleEndian.PutUint32(state[stateCounter:], 0)
		if s.cheap {
			copy(state[stateCheap:], fresh[32:])
		}
	}
	return nil
}
