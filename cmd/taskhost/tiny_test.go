package main

import (
	"bytes"
	"encoding/binary"

	"github.com/taskhost/taskhost/abi"
)

// tinyManifest declares what tinyModule can run, by index.
const tinyManifest = `{"sdk":"tiny/1","definitions":[
	{"name":"tiny.echo","description":"Returns its input.","options":{"priority":7}},
	{"name":"tiny.fail","description":"Fails, twice.","options":{"retries":1}},
	{"name":"tiny.typed","args":{"type":"object","properties":{"n":{"type":"integer","minimum":1}},"required":["n"],"additionalProperties":false}},
	{"name":"tiny.loop","options":{"timeout_ms":100}},
	{"name":"tiny.forever","options":{"requeue_on_interrupt":true}},
	{"name":"tiny.trap"}
]}`

const (
	tinyMessage = "echo\x1b[31m red" // a guest's own colours must not reach a terminal
	tinyFields  = `{"from":"tiny"}`
	tinyFailure = "it failed as asked"
	tinyTrace   = "tiny.go:7"
	tinyInput   = 16 << 10 // where the input goes
)

// tinyModule is a guest written out by hand, of a few hundred bytes: a guest
// that was built with Go takes seconds to compile under the race detector.
func tinyModule() []byte {
	texts, places := "", map[string]int{}
	at := func(text string) int {
		if _, ok := places[text]; !ok {
			places[text] = len(texts)
			texts += text
		}
		return places[text]
	}
	bytesOf := func(text string) string { return i32(at(text)) + i32(len(text)) }

	types := []string{ // of functions
		"\x60\x01\x7f\x01\x7f",             // 0: value_len, run
		"\x60\x03\x7f\x7f\x7f\x01\x7f",     // 1: value_read
		"\x60\x04\x7f\x7f\x7f\x7f\x00",     // 2: output
		"\x60\x05\x7f\x7f\x7f\x7f\x7f\x00", // 3: fail, log
		"\x60\x00\x00",                     // 4: describe
	}
	imports := []string{
		imported("value_read", 1), imported("output", 2), imported("fail", 3), imported("log", 3),
	}
	const read, output, fail, log = "\x10\x00", "\x10\x01", "\x10\x02", "\x10\x03" // calls
	const endless = "\x03\x40\x0c\x00\x0b"                                         // loop br 0 end
	when := func(index int, then string) string {                                  // if (index == n) then end
		return "\x20\x00" + i32(index) + "\x46\x04\x40" + then + "\x0b"
	}
	describe := bytesOf(tinyManifest) + i32(0) + i32(0) + output
	run := when(1, i32(abi.Retryable)+bytesOf(tinyFailure)+bytesOf(tinyTrace)+fail+i32(abi.RunFailed)+"\x0f") +
		when(3, endless) + when(4, endless) + when(5, "\x00") +
		i32(abi.LevelInfo) + bytesOf(tinyMessage) + bytesOf(tinyFields) + log +
		i32(tinyInput) + i32(abi.ValueInput) + i32(tinyInput) + i32(32<<10) + read + i32(0) + i32(0) + output +
		i32(abi.RunDone)

	return assemble(
		section{1, types},
		section{2, imports},
		section{3, []string{"\x04", "\x00"}},
		section{5, []string{"\x00\x01"}},
		section{7, []string{sized(abi.ExportMemory) + "\x02\x00", sized(abi.ExportDescribe) + "\x00\x04", sized(abi.ExportRun) + "\x00\x05"}},
		section{10, []string{sized("\x00" + describe + "\x0b"), sized("\x00" + run + "\x0b")}},
		section{11, []string{"\x00" + i32(0) + "\x0b" + sized(texts)}},
	)
}

// tinyCommand is a WASI command. It copies its input to its output, says on
// standard error how it is called, and exits with 3 where there is no input.
func tinyCommand() []byte {
	const wasi = "wasi_snapshot_preview1"
	// Lists of one buffer: the input, the output of as many bytes, the name.
	const input, output, name, count, at, limit = 0, 8, 16, 24, 4096, 32 << 10
	words := func(values ...uint32) (text string) {
		for _, v := range values {
			text += string(binary.LittleEndian.AppendUint32(nil, v))
		}
		return text
	}
	data := words(at, limit, at, 0, 64, 0)
	call := func(function int, args ...int) (code string) {
		for _, arg := range args {
			code += i32(arg)
		}
		return code + "\x10" + unsigned(function)
	}
	const load, store, drop = "\x28\x02\x00", "\x36\x02\x00", "\x1a"
	start := call(0, 0, input, 1, count) + drop +
		i32(output+4) + i32(count) + load + store + call(1, 1, output, 1, count) + drop +
		call(2, 32, name+4) + drop + call(3, 48, 64) + drop + // how many bytes the arguments take
		call(1, 2, name, 1, count) + drop +
		i32(output+4) + load + "\x45\x04\x40" + call(4, 3) + "\x0b"
	return assemble(
		section{1, []string{"\x60\x04\x7f\x7f\x7f\x7f\x01\x7f", "\x60\x02\x7f\x7f\x01\x7f", "\x60\x01\x7f\x00", "\x60\x00\x00"}},
		section{2, []string{
			importedFrom(wasi, "fd_read", 0), importedFrom(wasi, "fd_write", 0),
			importedFrom(wasi, "args_sizes_get", 1), importedFrom(wasi, "args_get", 1), importedFrom(wasi, "proc_exit", 2),
		}},
		section{3, []string{"\x03"}},
		section{5, []string{"\x00\x01"}},
		section{7, []string{sized(abi.ExportMemory) + "\x02\x00", sized("_start") + "\x00\x05"}},
		section{10, []string{sized("\x00" + start + "\x0b")}},
		section{11, []string{"\x00" + i32(0) + "\x0b" + sized(data)}},
	)
}

type section struct {
	id    byte
	items []string
}

func assemble(sections ...section) []byte {
	var module bytes.Buffer
	module.WriteString("\x00asm\x01\x00\x00\x00")
	for _, section := range sections {
		body := unsigned(len(section.items))
		for _, item := range section.items {
			body += item
		}
		module.WriteString(string(section.id) + sized(body))
	}
	return module.Bytes()
}

func imported(name string, signature int) string { return importedFrom(abi.Module, name, signature) }

func importedFrom(module, name string, signature int) string {
	return sized(module) + sized(name) + "\x00" + unsigned(signature)
}

// sized puts a text's length before it.
func sized(text string) string { return unsigned(len(text)) + text }

func unsigned(n int) string { return string(binary.AppendUvarint(nil, uint64(n))) }

// i32 is the instruction that pushes a number, in signed LEB128.
func i32(n int) string {
	code := "\x41"
	for {
		low := byte(n & 0x7f)
		n >>= 7
		if n == 0 && low&0x40 == 0 || n == -1 && low&0x40 != 0 {
			return code + string([]byte{low})
		}
		code += string([]byte{low | 0x80})
	}
}
