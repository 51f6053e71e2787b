package guest

import "unsafe"

// The functions of the host. Their names and signatures are those of package
// abi, and a test compares them; a directive needs literals, so the names
// cannot be shared.

//go:wasmimport taskhost_v1 value_len
//go:noescape
func valueLen(key uint32) int32

//go:wasmimport taskhost_v1 value_read
//go:noescape
func valueRead(key uint32, ptr unsafe.Pointer, capacity uint32) int32

//go:wasmimport taskhost_v1 number
//go:noescape
func number(key uint32) int64

//go:wasmimport taskhost_v1 output
//go:noescape
func output(ptr unsafe.Pointer, length uint32, typePtr unsafe.Pointer, typeLength uint32)

//go:wasmimport taskhost_v1 fail
//go:noescape
func fail(kind uint32, messagePtr unsafe.Pointer, messageLength uint32, tracePtr unsafe.Pointer, traceLength uint32)

//go:wasmimport taskhost_v1 log
//go:noescape
func log(level uint32, messagePtr unsafe.Pointer, messageLength uint32, fieldsPtr unsafe.Pointer, fieldsLength uint32)

//go:wasmexport taskhost_describe
func exportDescribe() { describe(host{}) }

//go:wasmexport taskhost_run
func exportRun(index uint32) uint32 { return run(host{}, index) }

// Only the host calls them, and tools that look for dead code do not see it.
var _, _ = exportDescribe, exportRun

// host is the other side of the boundary, with Go's types: there is one, so it
// holds nothing. Under plain go test a fake stands in for it.
type host struct{}

func (host) ValueLen(key uint32) int32 { return valueLen(key) }

func (host) ValueRead(key uint32, room []byte) int32 {
	return valueRead(key, unsafe.Pointer(unsafe.SliceData(room)), uint32(len(room)))
}

func (host) Number(key uint32) int64 { return number(key) }

func (host) Output(data []byte, contentType string) {
	output(
		unsafe.Pointer(unsafe.SliceData(data)), uint32(len(data)),
		unsafe.Pointer(unsafe.StringData(contentType)), uint32(len(contentType)),
	)
}

func (host) Fail(kind uint32, message, trace string) {
	fail(
		kind,
		unsafe.Pointer(unsafe.StringData(message)), uint32(len(message)),
		unsafe.Pointer(unsafe.StringData(trace)), uint32(len(trace)),
	)
}

func (host) Log(level uint32, message string, fields []byte) {
	log(
		level,
		unsafe.Pointer(unsafe.StringData(message)), uint32(len(message)),
		unsafe.Pointer(unsafe.SliceData(fields)), uint32(len(fields)),
	)
}
