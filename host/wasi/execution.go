package wasi

import (
	"context"
	"crypto/rand"
	"io"
	"math"
	"time"
)

// Execution is what one execution of a guest gets, and what became of it. It
// is used for one execution, by one goroutine at a time: fields are set before
// [With], and results are read after the guest has returned.
type Execution struct {
	// Args are the guest's arguments. By custom the first is a program's name.
	Args []string
	// Env is the guest's environment, as "name=value". Nothing is inherited
	// from the host.
	Env []string
	// Stdin is what the guest can read from its standard input. It is bytes
	// and not a reader, so that a guest cannot be stuck in a read.
	Stdin []byte
	// Stdout and Stderr take what the guest writes, in pieces of at most
	// 64 KiB that need not be lines. The bytes are guest memory, good until
	// Write returns. A write that fails or falls short is EIO to the guest,
	// which may well go on: a writer that wants the guest to end cancels the
	// call's context besides. Nil discards.
	Stdout, Stderr io.Writer
	// Pipes says that the streams are pipes, as those of a program are whose
	// output goes to another. Programs then write in large pieces, without
	// colours, and expect input. Otherwise a stream looks like a terminal.
	Pipes bool
	// Random is where randomness is drawn from. Defaults to crypto/rand. One
	// that repeats itself makes everything the guest derives from it, such as
	// tokens and hash keys, repeat as well.
	Random io.Reader
	// WallClock is the time of day. Defaults to time.Now. Times before 1970
	// are shown to the guest as 1970.
	WallClock func() time.Time
	// Monotonic is a clock in nanoseconds that never goes backwards, with an
	// origin of its own. Defaults to the time since this process started.
	//
	// Guests remember its readings. A guest that goes on from memory kept by
	// an earlier process needs a clock that goes on as well, so the host must
	// then give one that is offset by what the kept memory has seen.
	Monotonic func() int64
	// Sleep takes the place of waiting, for a guest whose clocks are not real.
	// Defaults to waiting for as long, or for the end of the call's context.
	Sleep func(time.Duration)

	read     int    // of Stdin
	drawn    uint32 // of randomness, in bytes
	draws    Draws
	exited   bool
	exitCode uint32
}

// Exit tells whether the guest ended by exiting, and the code that it gave.
// The code is the guest's word: a guest may exit with whatever number it likes.
func (e *Execution) Exit() (code uint32, exited bool) { return e.exitCode, e.exited }

// Draws is what an execution has asked for that is not the same each time.
type Draws struct {
	// Random is how often it asked for random bytes.
	Random int
	// Wall is how often it looked at the time of day, and Monotonic at the other
	// clock.
	Wall, Monotonic int
}

// Draws tells what the guest has drawn so far.
func (e *Execution) Draws() Draws { return e.draws }

type contextKey struct{}

// With gives the context for a call into a guest that e belongs to.
func With(ctx context.Context, e *Execution) context.Context {
	return context.WithValue(ctx, contextKey{}, e)
}

// IsKey reports whether a context is asked for its execution, for one that has it
// without [With].
func IsKey(key any) bool { return key == contextKey{} }

// executionOf gives the execution that a call belongs to, or nil. The methods
// below give the defaults where there is none.
func executionOf(ctx context.Context) *Execution {
	e, _ := ctx.Value(contextKey{}).(*Execution)
	return e
}

func (e *Execution) args() []string {
	if e == nil {
		return nil
	}
	return e.Args
}

func (e *Execution) env() []string {
	if e == nil {
		return nil
	}
	return e.Env
}

// unread is what is left of standard input.
func (e *Execution) unread() []byte {
	if e == nil {
		return nil
	}
	return e.Stdin[e.read:]
}

// Types of a stream. WASI has none for pipes, whose type is unknown.
const (
	unknownType     = 0
	characterDevice = 2
)

// streamType gives the type of the streams.
func (e *Execution) streamType() byte {
	if e != nil && e.Pipes {
		return unknownType
	}
	return characterDevice
}

// writer gives where a stream goes, nil for nowhere.
func (e *Execution) writer(fd uint32) io.Writer {
	switch {
	case e == nil:
		return nil
	case fd == stdout:
		return e.Stdout
	default:
		return e.Stderr
	}
}

// draw takes n bytes off the allowance of randomness. It gives their source,
// and false where the allowance does not suffice.
func (e *Execution) draw(n uint32) (io.Reader, bool) {
	if e == nil {
		return rand.Reader, n <= maxRandom
	}
	e.draws.Random++
	if n > maxRandom-e.drawn {
		return nil, false
	}
	e.drawn += n
	if e.Random == nil {
		return rand.Reader, true
	}
	return e.Random, true
}

// processStart is the origin of the default monotonic clock.
var processStart = time.Now()

// monotonic reads the monotonic clock.
func (e *Execution) monotonic() uint64 {
	if e != nil {
		e.draws.Monotonic++
	}
	now := int64(0)
	if e == nil || e.Monotonic == nil {
		now = int64(time.Since(processStart))
	} else {
		now = e.Monotonic()
	}
	return uint64(max(now, 0))
}

// Now is the time of day.
func (e *Execution) Now() time.Time {
	if e == nil || e.WallClock == nil {
		return time.Now()
	}
	return e.WallClock()
}

// wall reads the time of day, as nanoseconds since 1970.
func (e *Execution) wall() uint64 {
	if e != nil {
		e.draws.Wall++
	}
	now := e.Now()
	seconds := now.Unix()
	switch {
	case seconds < 0:
		return 0
	case uint64(seconds) >= math.MaxUint64/uint64(time.Second):
		return math.MaxUint64
	default:
		return uint64(seconds)*uint64(time.Second) + uint64(now.Nanosecond())
	}
}
