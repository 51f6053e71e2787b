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

	var module bytes.Buffer
	module.WriteString("\x00asm\x01\x00\x00\x00")
	for _, section := range []struct {
		id    byte
		items []string
	}{
		{1, types},
		{2, imports},
		{3, []string{"\x04", "\x00"}},
		{5, []string{"\x00\x01"}},
		{7, []string{sized(abi.ExportMemory) + "\x02\x00", sized(abi.ExportDescribe) + "\x00\x04", sized(abi.ExportRun) + "\x00\x05"}},
		{10, []string{sized("\x00" + describe + "\x0b"), sized("\x00" + run + "\x0b")}},
		{11, []string{"\x00" + i32(0) + "\x0b" + sized(texts)}},
	} {
		body := unsigned(len(section.items))
		for _, item := range section.items {
			body += item
		}
		module.WriteString(string(section.id) + sized(body))
	}
	return module.Bytes()
}

func imported(name string, signature int) string {
	return sized(abi.Module) + sized(name) + "\x00" + unsigned(signature)
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
