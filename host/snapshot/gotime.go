package snapshot

import (
	"encoding/binary"
	"time"
)

// GoTimes is where a Go program keeps times of its initialisation, as a package
// variable that is time.Now() does, and as some of the standard library have. They
// are set to the time at which an execution begins, which they would be in a new
// instance.
type GoTimes struct{ offsets []uint64 }

// The layout of a time.Time that has a reading of the monotonic clock: a bit that
// says so, the seconds since 1885 and nanoseconds, and behind that the reading.
const (
	timeMonotonic = 1 << 63
	timeSeconds   = 30 // bits from below
	timeSize      = 16
)

// mostTimes is how many there may be: a module that is full of them was made to
// keep the host busy.
const mostTimes = 4 << 10

// timeEpoch is what seconds are counted from, in Unix time.
var timeEpoch = time.Date(1885, 1, 1, 0, 0, 0, 0, time.UTC).Unix()

// FindGoTimes compares two memories of the same module that had the same of all but
// the time of day, which was later for the other, and clock readings up to clock. It
// is false where they differ in anything but times: then something was made of one.
func FindGoTimes(one, other *Memory, later time.Duration, clock int64) (*GoTimes, bool) {
	t := &GoTimes{}
	a, b := one.used(), other.used()
	if len(a) != len(b) {
		return nil, false
	}
	for page := 0; page < len(a); page += systemPage {
		if string(a[page:page+systemPage]) == string(b[page:page+systemPage]) {
			continue
		}
		for at := page; at < page+systemPage; at += 8 {
			x, y := binary.LittleEndian.Uint64(a[at:]), binary.LittleEndian.Uint64(b[at:])
			if x == y {
				continue
			}
			if x&y&timeMonotonic == 0 || between(x, y) != later || at+timeSize > len(a) || len(t.offsets) == mostTimes {
				return nil, false
			}
			if reading := int64(binary.LittleEndian.Uint64(a[at+8:])); reading <= 0 || reading > clock+1 {
				return nil, false // Go adds one, so that none is zero
			}
			t.offsets = append(t.offsets, uint64(at))
		}
	}
	return t, true
}

// between is the time from the one to the other.
func between(x, y uint64) time.Duration {
	const nanoseconds = 1<<timeSeconds - 1
	seconds := time.Duration(y&^timeMonotonic>>timeSeconds) - time.Duration(x&^timeMonotonic>>timeSeconds)
	return seconds*time.Second + time.Duration(y&nanoseconds) - time.Duration(x&nanoseconds)
}

// Found is how many there are.
func (t *GoTimes) Found() int { return len(t.offsets) }

// Set gives them a time, and leaves the readings of the monotonic clock as they are.
func (t *GoTimes) Set(m *Memory, now time.Time) {
	memory := m.used()
	wall := timeMonotonic | uint64(now.Unix()-timeEpoch)<<timeSeconds | uint64(now.Nanosecond())
	for _, offset := range t.offsets {
		if offset+8 <= uint64(len(memory)) {
			binary.LittleEndian.PutUint64(memory[offset:], wall)
		}
	}
}
