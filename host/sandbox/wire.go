package sandbox

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// kind says what a frame is.
type kind byte

const (
	// From the worker.
	kindReady     kind = 'H' // it has started, and which walls stand
	kindLoaded    kind = 'L' // the module is loaded, or why not
	kindInspected kind = 'I' // what the module is, or why it cannot be run
	kindLog       kind = 'G' // a line
	kindOutcome   kind = 'O' // how an attempt ended
	// From the parent.
	kindLoad    kind = 'l' // load a module
	kindInspect kind = 'i' // compile a module and look at it
	kindRun     kind = 'r' // run an attempt
)

// maxFrame bounds a frame, in bytes: the largest module, or the largest result.
const maxFrame = 300 << 20

const headerSize = 5

var errFrame = errors.New("the worker broke the protocol")

// message is a frame that is being written: room for its header, and fields.
type message []byte

func newMessage(k kind) message { return append(make(message, 4, 256), byte(k)) }

func (m *message) uint(n uint64) { *m = binary.AppendUvarint(*m, n) }
func (m *message) int(n int64)   { *m = binary.AppendVarint(*m, n) }

func (m *message) bool(b bool) {
	if b {
		m.uint(1)
	} else {
		m.uint(0)
	}
}

func (m *message) string(s string) {
	m.uint(uint64(len(s)))
	*m = append(*m, s...)
}

// bytes keeps apart nil and nothing.
func (m *message) bytes(b []byte) {
	m.bool(b != nil)
	if b != nil {
		m.uint(uint64(len(b)))
		*m = append(*m, b...)
	}
}

// time has the precision of nanoseconds and no zone.
func (m *message) time(t time.Time) {
	m.bool(!t.IsZero())
	if !t.IsZero() {
		m.int(t.UnixNano())
	}
}

// writeTo writes the frame in one piece.
func (m message) writeTo(w io.Writer) error {
	if len(m) > maxFrame {
		return fmt.Errorf("a frame of %d bytes: %w", len(m), errFrame)
	}
	binary.LittleEndian.PutUint32(m, uint32(len(m)-4))
	_, err := w.Write(m)
	return err
}

// readFrame reads a frame of at most most bytes. The fields are good until the next
// one is read into room.
func readFrame(r *bufio.Reader, most int, room *[]byte) (kind, *fields, error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return 0, nil, err
	}
	size := int64(binary.LittleEndian.Uint32(header[:])) - 1
	if size < 0 || size > int64(most) {
		return 0, nil, fmt.Errorf("a frame of %d bytes: %w", size, errFrame)
	}
	if int64(cap(*room)) < size {
		*room = make([]byte, size)
	}
	body := (*room)[:size]
	if _, err := io.ReadFull(r, body); err != nil {
		return 0, nil, err
	}
	return kind(header[4]), &fields{left: body}, nil
}

// fields reads what was written with a message. The first failure sticks.
type fields struct {
	left []byte
	err  error
}

func (f *fields) fail() {
	f.err, f.left = errFrame, nil
}

func (f *fields) uint() uint64 {
	n, size := binary.Uvarint(f.left)
	if size <= 0 {
		f.fail()
		return 0
	}
	f.left = f.left[size:]
	return n
}

func (f *fields) int() int64 {
	n, size := binary.Varint(f.left)
	if size <= 0 {
		f.fail()
		return 0
	}
	f.left = f.left[size:]
	return n
}

func (f *fields) bool() bool { return f.uint() != 0 }

// view is bytes of the frame itself.
func (f *fields) view() []byte {
	n := f.uint()
	if n > uint64(len(f.left)) {
		f.fail()
		return nil
	}
	out := f.left[:n:n]
	f.left = f.left[n:]
	return out
}

func (f *fields) string() string { return string(f.view()) }

// bytes is a copy.
func (f *fields) bytes() []byte {
	if !f.bool() {
		return nil
	}
	return append([]byte{}, f.view()...)
}

func (f *fields) time() time.Time {
	if !f.bool() {
		return time.Time{}
	}
	return time.Unix(0, f.int())
}

// done makes sure that there is nothing more.
func (f *fields) done() error {
	if f.err == nil && len(f.left) > 0 {
		return errFrame
	}
	return f.err
}

// strings is a list of them.
func (f *fields) strings() []string {
	var out []string
	for n := f.uint(); n > 0 && f.err == nil; n-- {
		out = append(out, f.string())
	}
	return out
}
