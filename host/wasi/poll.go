package wasi

import (
	"context"
	"time"

	"github.com/tetratelabs/wazero/api"
)

const maxSubscriptions = 1024

// Sizes of what poll_oneoff reads and writes.
const (
	subscriptionSize = 48
	eventSize        = 32
)

// What is subscribed to.
const (
	eventClock   = 0
	eventFDRead  = 1
	eventFDWrite = 2
)

// flagAbsolute marks a subscription to a point in time, not to a duration.
const flagAbsolute = 1

// subscription is one of the records that poll_oneoff is given.
type subscription []byte

func (s subscription) kind() byte { return s[8] }

// wait gives how long it is until the subscription is due, and the error that
// its event will carry.
func (s subscription) wait(e *Execution) (time.Duration, errno) {
	if s.kind() != eventClock {
		return 0, s.checkStream()
	}
	clock, timeout, flags := le.Uint32(s[16:]), le.Uint64(s[24:]), le.Uint16(s[40:])
	switch {
	case clock != clockRealtime && clock != clockMonotonic, flags&^flagAbsolute != 0:
		return 0, inval
	case flags&flagAbsolute != 0:
		d, _ := e.until(clock, timeout)
		return d, success
	default:
		return duration(timeout), success
	}
}

// checkStream finds descriptors that can't be read or written. The others are
// always ready.
func (s subscription) checkStream() errno {
	fd := le.Uint32(s[16:])
	if !isStream(fd) || (fd == stdin) != (s.kind() == eventFDRead) {
		return badf
	}
	return success
}

// ready gives how much can be read or written without waiting.
func (s subscription) ready(e *Execution) uint64 {
	switch s.kind() {
	case eventFDRead:
		return uint64(len(e.unread()))
	case eventFDWrite:
		return maxTransfer
	default:
		return 0
	}
}

// pollOneoff waits for the first of some points in time, or not at all where a
// stream is among the subscriptions.
func pollOneoff(ctx context.Context, mod api.Module, stack []uint64) errno {
	count := uint32(stack[2])
	if count == 0 || count > maxSubscriptions {
		return inval
	}
	mem, countPtr := memoryOf(mod), uint32(stack[3])
	in, inOK := mem.records(uint32(stack[0]), count, subscriptionSize)
	out, outOK := mem.records(uint32(stack[1]), count, eventSize)
	if _, ok := mem.bytes(countPtr, 4); !ok || !inOK || !outOK {
		return fault
	}
	e := executionOf(ctx)
	first, wait, ok := soonest(e, in)
	if !ok {
		return inval
	}
	sleep(ctx, wait)
	mem.putUint32(countPtr, putEvents(e, in, out, first, wait))
	return success
}

// soonest finds the subscription that is due first, and how long that is from
// now. It gives false where there is one of an unknown kind.
func soonest(e *Execution, in []byte) (first int, wait time.Duration, ok bool) {
	for i := 0; len(in) > 0; i++ {
		s := subscription(in[:subscriptionSize])
		in = in[subscriptionSize:]
		if s.kind() > eventFDWrite {
			return 0, 0, false
		}
		if w, _ := s.wait(e); i == 0 || w < wait {
			first, wait = i, w
		}
	}
	return first, wait, true
}

// putEvents writes an event for each subscription that is due after a wait,
// and gives their number. The first one is, whatever its clock says now: the
// time of day may have been set back.
func putEvents(e *Execution, in, out []byte, first int, waited time.Duration) (count uint32) {
	for i := 0; len(in) > 0; i++ {
		s := subscription(in[:subscriptionSize])
		in = in[subscriptionSize:]
		w, err := s.wait(e)
		if i != first && w > waited {
			continue
		}
		userdata, kind, ready := le.Uint64(s), s.kind(), s.ready(e)
		event := out[:eventSize]
		out = out[eventSize:]
		clear(event)
		le.PutUint64(event, userdata)
		le.PutUint16(event[8:], uint16(err))
		event[10] = kind
		if err == success {
			le.PutUint64(event[16:], ready)
		}
		count++
	}
	return count
}

// sleep waits for d or the end of the context, which ends the guest.
func sleep(ctx context.Context, d time.Duration) {
	endIfDone(ctx)
	if d <= 0 {
		return
	}
	if e := executionOf(ctx); e != nil && e.Sleep != nil {
		e.Sleep(d)
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		endIfDone(ctx)
	}
}
