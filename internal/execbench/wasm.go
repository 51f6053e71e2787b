package execbench

import (
	"encoding/binary"
	"strings"

	"github.com/taskhost/taskhost/abi"
)

// Two modules written out by hand, so that they are there without any compiler.

// smallGuest is what a C compiler makes of a task that gives back its input:
//
//	static char buffer[4096];
//	int run(int index) {
//		output(buffer, value_read(VALUE_INPUT, buffer, sizeof buffer), 0, 0);
//		return RUN_DONE;
//	}
func smallGuest() []byte {
	const manifest = `{"definitions":[{"name":"bench.small"}]}`
	const buffer = 1024
	return assemble(
		section(1, // types: value_read, output, describe, run
			"\x60\x03\x7f\x7f\x7f\x01\x7f", "\x60\x04\x7f\x7f\x7f\x7f\x00", "\x60\x00\x00", "\x60\x01\x7f\x01\x7f"),
		section(2, sized(abi.Module)+sized("value_read")+"\x00\x00", sized(abi.Module)+sized("output")+"\x00\x01"),
		section(3, "\x02", "\x03"),
		section(5, "\x00\x02"),                         // two pages
		section(6, "\x7f\x01"+constant(64<<10)+"\x0b"), // the stack pointer
		section(7, sized(abi.ExportMemory)+"\x02\x00", sized(abi.ExportDescribe)+"\x00\x02", sized(abi.ExportRun)+"\x00\x03"),
		section(10,
			body("\x00", constant(0), constant(len(manifest)), constant(0), constant(0), "\x10\x01"),
			body("\x01\x01\x7f", // a local: the stack pointer of the caller
				"\x23\x00\x22\x01", constant(16), "\x6b\x24\x00", // stack -= 16
				constant(buffer), constant(abi.ValueInput), constant(buffer), constant(4096), "\x10\x00",
				constant(0), constant(0), "\x10\x01",
				"\x20\x01\x24\x00", constant(abi.RunDone))),
		section(11, "\x00"+constant(0)+"\x0b"+sized(manifest)),
	)
}

// arithmetic has a loop of a few instructions, and a recursion without any loop.
func arithmetic() []byte {
	const n = "\x20\x00"
	return assemble(
		section(1, "\x60\x01\x7f\x01\x7e"),
		section(3, "\x00", "\x00"),
		section(5, "\x00\x01"),
		section(7, sized(abi.ExportMemory)+"\x02\x00", sized("tight")+"\x00\x00", sized("fib")+"\x00\x01"),
		section(10,
			// do { n-- } while (n > 0); return n
			body("\x00", "\x03\x7e", n, constant(1), "\x6b\x22\x00", constant(0), "\x4a\x0d\x00", n, "\xac\x0b"),
			// n < 2 ? n : fib(n-1) + fib(n-2)
			body("\x00", n, constant(2), "\x48\x04\x7e", n, "\xac\x05",
				n, constant(1), "\x6b\x10\x01", n, constant(2), "\x6b\x10\x01", "\x7c\x0b")),
	)
}

func assemble(sections ...string) []byte {
	return []byte("\x00asm\x01\x00\x00\x00" + strings.Join(sections, ""))
}

func section(id byte, items ...string) string {
	return string(id) + sized(unsigned(len(items))+strings.Join(items, ""))
}

// body is a function, its locals first.
func body(locals string, code ...string) string {
	return sized(locals + strings.Join(code, "") + "\x0b")
}

// sized puts a text's length before it.
func sized(text string) string { return unsigned(len(text)) + text }

func unsigned(n int) string { return string(binary.AppendUvarint(nil, uint64(n))) }

// constant is the instruction that pushes a number of 0 or more, in signed LEB128.
func constant(n int) string {
	code := "\x41"
	for ; n > 0x3f; n >>= 7 {
		code += string([]byte{byte(n)&0x7f | 0x80})
	}
	return code + string([]byte{byte(n)})
}
