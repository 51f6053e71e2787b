// Package fakehost is a host without a sandbox: it keeps what a guest pushes
// and answers what a guest pulls, in the same process. It stands in for the
// real host wherever a guest is compiled natively. Package guesttest is its
// public face.
package fakehost

import (
	"sync"

	"github.com/taskhost/taskhost/abi"
)

// Host is the host of one execution. Set Values and Numbers before it begins
// and read the rest after it; in between it may be called from any goroutine.
type Host struct {
	// Values and Numbers are what the guest can pull, by key. A key that is
	// missing is one that the host does not know.
	Values  map[uint32][]byte
	Numbers map[uint32]int64

	mu         sync.Mutex
	output     []byte
	outputType string
	failure    *Failure
	lines      []Line
}

// Failure is what the guest told with fail.
type Failure struct {
	Kind           uint32
	Message, Trace string
}

// Line is one log line. Fields is a JSON object, or empty.
type Line struct {
	Level   uint32
	Message string
	Fields  []byte
}

// ValueLen gives the length of a value, or Absent.
func (h *Host) ValueLen(key uint32) int32 {
	value, ok := h.Values[key]
	if !ok {
		return abi.Absent
	}
	return int32(len(value))
}

// ValueRead copies what fits of a value into room and gives how much it copied,
// or Absent.
func (h *Host) ValueRead(key uint32, room []byte) int32 {
	value, ok := h.Values[key]
	if !ok {
		return abi.Absent
	}
	return int32(copy(room, value))
}

// Number gives a number, or Absent.
func (h *Host) Number(key uint32) int64 {
	n, ok := h.Numbers[key]
	if !ok {
		return abi.Absent
	}
	return n
}

// Output keeps the result, in the place of an earlier one.
func (h *Host) Output(data []byte, contentType string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if contentType == "" {
		contentType = abi.ContentJSON
	}
	h.output, h.outputType = append([]byte{}, data...), contentType
}

// Fail keeps why the task failed, in the place of an earlier reason.
func (h *Host) Fail(kind uint32, message, trace string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failure = &Failure{kind, message, trace}
}

// Log keeps one line.
func (h *Host) Log(level uint32, message string, fields []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, Line{level, message, append([]byte(nil), fields...)})
}
