package wasmfile

import "bytes"

const (
	magic       = "\x00asm"
	coreVersion = "\x01\x00\x00\x00"
	headerSize  = len(magic) + len(coreVersion)
	howToBuild  = "build with GOOS=wasip1 GOARCH=wasm, or the like in your language"
)

// lookalikes are first bytes of what people upload by mistake.
var lookalikes = []struct{ magic, what string }{
	{"\x7fELF", "a native program"},
	{"\xcf\xfa\xed\xfe", "a native program"},
	{"MZ", "a native program"},
	{"#!", "a script"},
	{"PK\x03\x04", "a zip archive: unpack it"},
	{"\x1f\x8b", "compressed with gzip: unpack it"},
	{"(module", "WebAssembly text: assemble it, for example with wat2wasm"},
	{"!<arch>", "a Go or C archive: build a program and not a library"},
}

// header reads the first eight bytes.
func (d *decoder) header() {
	d.section = "header"
	start := d.wasm[:min(len(d.wasm), headerSize)]
	switch {
	case len(start) == 0:
		d.fail(0, RuleHeader, "the file is empty: %s", howToBuild)
	case !bytes.HasPrefix(start, []byte(magic)):
		d.notWasm(start)
	case len(start) < headerSize:
		d.fail(0, RuleHeader, "the file has %d bytes and its header takes %d: it is cut short", len(start), headerSize)
	case start[6] == 1 && start[7] == 0:
		d.fail(len(magic), RuleHeader, "a component of the component model, this host runs core modules: build for wasip1, with GOOS=wasip1 GOARCH=wasm or --target wasm32-wasip1, and make no component of it")
	case string(start[len(magic):]) != coreVersion:
		d.fail(len(magic), RuleHeader, "version %s of WebAssembly, this host runs version 1: %s", quote(string(start[len(magic):])), howToBuild)
	}
	d.pos = headerSize
}

func (d *decoder) notWasm(start []byte) {
	hint := ""
	for _, l := range lookalikes {
		if bytes.HasPrefix(start, []byte(l.magic)) {
			hint = " (" + l.what + ")"
			break
		}
	}
	d.fail(0, RuleHeader, "not a WebAssembly file: starts with %s%s, %s", quote(string(start)), hint, howToBuild)
}
