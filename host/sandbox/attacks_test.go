//go:build linux

package sandbox_test

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero/api"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host/wasi"
)

// attack is a module that is built to do harm, and how it is to end.
type attack struct {
	name string
	wasm []byte
	// want is the kind of failure, "refused" for a module that is not taken, and
	// "harmless" where it succeeds and has gained nothing; more than one where that is
	// a matter of time. says is in the text.
	want, says string
}

const (
	refused  = "refused"
	harmless = "harmless"
)

var huge = leb(1<<32 - 1)

func raw(sections ...[]byte) []byte {
	return join([]byte("\x00asm\x01\x00\x00\x00"), join(sections...))
}

// content is a section by its bytes.
func content(id byte, parts ...[]byte) []byte {
	all := join(parts...)
	return join([]byte{id}, leb(len(all)), all)
}

// withBody is a guest that has one more function, of a body with locals.
func withBody(locals int, code ...[]byte) []byte {
	m := newModule(done)
	wasm := m.add("", code...).bytes()
	if locals == 0 {
		return wasm
	}
	all := join(code...)
	old := join([]byte{0}, all, []byte{0x0b})
	body := join([]byte{1}, leb(locals), []byte{i32}, all, []byte{0x0b})
	before, after, _ := bytes.Cut(wasm, join(leb(len(old)), old))
	return resized(before, join(leb(len(body)), body), after)
}

// resized puts a body in place of the last of the code section, whose length is set.
func resized(before, body, after []byte) []byte {
	for at := 8; at < len(before); {
		id := before[at]
		size, n := uvarint(before[at+1:])
		start := at + 1 + n
		if id == 10 {
			inside := join(before[start:], body)
			return join(before[:at], []byte{10}, leb(len(inside)), inside, after)
		}
		at = start + size
	}
	return join(before, body, after)
}

func uvarint(b []byte) (value, n int) {
	for shift := 0; ; shift += 7 {
		value |= int(b[n]&0x7f) << shift
		if n++; b[n-1] < 0x80 {
			return value, n
		}
	}
}

func repeat(code []byte, n int) []byte { return bytes.Repeat(code, n) }

// nested opens a block so many times and closes it again.
func nested(open []byte, n int, inside ...[]byte) []byte {
	return join(repeat(open, n), join(inside...), repeat([]byte{0x0b}, n))
}

// table is a branch by a table of so many targets, all of them out of the block.
func brTable(n int) []byte {
	return join([]byte{0x02, 0x40}, constant(0), []byte{0x0e}, leb(n), repeat([]byte{0}, n+1), []byte{0x0b})
}

// decodeBombs are a few bytes that say that there is much.
func decodeBombs() (all []attack) {
	for id, name := range map[byte]string{
		1: "types", 2: "imports", 3: "functions", 4: "tables", 5: "memories", 6: "globals", 7: "exports",
		9: "elements", 10: "bodies", 11: "data", 12: "data count",
	} {
		all = append(all, attack{"a count of " + name, raw(content(id, huge)), refused, ""})
	}
	names := func(parts ...[]byte) []byte { return raw(content(0, str("name"), join(parts...))) }
	body := func(parts ...[]byte) []byte {
		return raw(content(1, []byte{1, 0x60, 0, 0}), content(3, []byte{1, 0}), content(10, leb(1), leb(len(join(parts...))), join(parts...)))
	}
	return append(all,
		attack{"params", raw(content(1, []byte{1, 0x60}, huge, []byte{0})), refused, ""},
		attack{"results", raw(content(1, []byte{1, 0x60, 0}, huge)), refused, ""},
		attack{"four billion locals", body([]byte{1}, leb(4_000_000_000), []byte{i32, 0x0b}), refused, "local"},
		attack{"a hundred million locals", body([]byte{1}, leb(100_000_000), []byte{i32, 0x0b}), refused, "local"},
		attack{"groups of locals", body(huge, []byte{0x0b}), refused, ""},
		attack{"names of functions", names([]byte{1, 5}, huge), refused, ""},
		attack{"names of locals", names([]byte{2, 5}, huge), refused, ""},
		attack{"entries of an element", raw(content(9, []byte{1, 1, 0}, huge)), refused, ""},
		attack{"bytes of data", raw(content(11, []byte{1, 1}, huge)), refused, ""},
		attack{"a table of a gigabyte", raw(content(4, []byte{1, 0x70, 0}, leb(134_217_727))), refused, "table"},
		attack{"twenty tables", raw(content(4, leb(20), repeat(join([]byte{0x70, 0}, leb(10_000_000)), 20))), refused, "table"},
		attack{"a section without an end", raw([]byte{1}, huge), refused, ""},
		attack{"nothing", nil, refused, ""},
		attack{"a text", []byte("#!/bin/sh\nrm -rf /\n"), refused, ""},
		attack{"a component", []byte("\x00asm\x0d\x00\x01\x00"), refused, "component"},
		attack{"half a module", newModule(done).bytes()[:300], refused, ""},
	)
}

// compileBombs take a compiler long, or much memory.
func compileBombs() []attack {
	loop, block, branch := []byte{0x03, 0x40}, []byte{0x02, 0x40}, join(constant(0), []byte{0x04, 0x40})
	back := join(constant(0), []byte{0x0d, 0})
	assign := join(constant(1), []byte{0x21, 0})
	return []attack{
		{"nested blocks", withBody(0, nested(block, 100_000)), refused, "blocks within each other"},
		{"nested loops", withBody(0, nested(loop, 100_000)), refused, "loops within each other"},
		{"nested ifs", withBody(0, nested(branch, 100_000)), refused, "blocks within each other"},
		{"loops with back edges", withBody(0, nested(join(loop, back), 10_000)), refused, "loops within each other"},
		{"ifs by locals", withBody(1_000, repeat(join(branch, assign, []byte{0x0b}), 9_000)), refused, "their product"},
		{"ifs by more locals", withBody(5_000, repeat(join(branch, assign, []byte{0x0b}), 9_000)), refused, "their product"},
		{"loops by locals", withBody(1_000, repeat(join(loop, assign, back, []byte{0x0b}), 4_000)), refused, "their product"},
		{"a table of branches", withBody(0, brTable(100_000)), refused, "targets"},
		{"a large table of branches", withBody(0, brTable(1_000_000)), refused, "targets"},
		{"tables of branches", withBody(0, repeat(brTable(1_000), 1_000)), refused, "targets"},
		{"a type of a million params", raw(content(1, []byte{1, 0x60}, leb(1_000_000), repeat([]byte{i32}, 1_000_000), []byte{0})), refused, "param"},
		{"a million functions", raw(content(1, []byte{1, 0x60, 0, 0}), content(3, leb(1_000_000), make([]byte, 1_000_000)), content(10, leb(1_000_000), repeat([]byte{2, 0, 0x0b}, 1_000_000))), refused, "function"},
		{"a million globals", raw(content(6, leb(1_000_000), repeat([]byte{i32, 0, 0x41, 0, 0x0b}, 1_000_000))), refused, "global"},
		{"a million types", raw(content(1, leb(1_000_000), repeat([]byte{0x60, 0, 0}, 1_000_000))), refused, "type"},
		{"a million pieces of data", raw(content(11, leb(1_000_000), repeat([]byte{1, 0}, 1_000_000))), refused, "data"},
		{"a million instructions", withBody(0, repeat([]byte{0x41, 0, 0x1a}, 1_000_000)), "refused, harmless or stopped", ""},
		{"three hundred thousand instructions", withBody(0, repeat([]byte{0x41, 0, 0x1a}, 300_000)), "harmless or stopped", ""},
		{"too much memory", func() []byte { m := newModule(done); m.memory = limits(65536); return m.bytes() }(), refused, "memory"},
		{"shared memory", func() []byte { m := newModule(done); m.memory = []byte{3, 1, 1}; return m.bytes() }(), refused, ""},
		{"memory of 64 bits", func() []byte { m := newModule(done); m.memory = []byte{4, 1}; return m.bytes() }(), refused, ""},
		{"a tail call", withBody(0, []byte{0x12, 0}), refused, ""},
		{"an exception", withBody(0, []byte{0x06, 0x40, 0x19, 0x0b}), refused, ""},
		{"an atomic", withBody(0, []byte{0xfe, 0x03, 0}), refused, ""},
		{"stack below nothing", withBody(0, drop), refused, ""},
		{"a function that is not there", withBody(0, []byte{0x10}, leb(9999)), refused, ""},
	}
}

// foreign has another import than those that there are.
func foreign(module, name string, kind ...byte) []byte {
	m := newModule(done)
	m.foreign = append(m.foreign, join(str(module), str(name), kind))
	return m.bytes()
}

func describing(code ...[]byte) []byte {
	return newModule(done).set(abi.ExportDescribe, code...).bytes()
}

// declarationAttacks are about what a module imports, exports and says of itself.
func declarationAttacks() []attack {
	m := newModule(done)
	pushed := func(text string) []byte {
		m := newModule(done)
		m.memory = limits(40)
		return m.set(abi.ExportDescribe, m.output(text)).bytes()
	}
	starting := func(code ...[]byte) []byte {
		m := newModule(done)
		m.start = true
		return m.add("", code...).bytes()
	}
	placed := newModule(done)
	placed.segments = [][]byte{join([]byte{0}, constant(65_530), []byte{0x0b}, str("beyond the memory"))}
	return []attack{
		{"another import", foreign("env", "system", 0, 0), refused, "import"},
		{"an imported memory", foreign("env", "memory", 2, 0, 1), refused, "memory"},
		{"an imported table", foreign("env", "table", 1, 0x70, 0, 1), refused, "import"},
		{"an imported global", foreign("env", "global", 3, i32, 0), refused, "import"},
		{"sockets", foreign(wasi.ModuleName, "sock_accept", 0, 0), refused, ""},
		{"data beyond the memory", placed.bytes(), refused, ""},
		{"a declaration without end", describing(forever), refused, ""},
		{"a declaration that breaks off", describing(unreachable), refused, "unreachable"},
		{"no declaration", describing(), refused, "manifest"},
		{"a declaration that exits", describing(m.call("proc_exit", 0)), refused, ""},
		{"a declaration of two megabytes", pushed(strings.Repeat("x", 2<<20)), refused, "limit"},
		{"a start without end", starting(forever), refused, ""},
		{"a start that breaks off", starting(unreachable), refused, "unreachable"},
		{"a start that fills memory for ever", starting([]byte{0x03, 0x40}, grow(1), drop, []byte{0x0c, 0, 0x0b}), refused, "limit compile"},
	}
}

// called is a guest that imports a function of WASI and calls it with constants.
func called(name string, params int, args ...uint32) []byte {
	m := newModule()
	m.imports = append(m.imports, importDecl{wasi.ModuleName, name, signature{bytes.Repeat([]byte{i32}, params), []byte{i32}}})
	m.set(abi.ExportDescribe, m.call("output", append(m.text(manifest), 0, 0)...))
	return m.run(m.call(name, args...), drop, done).bytes()
}

func looped(code ...[]byte) []byte {
	return join([]byte{0x03, 0x40}, join(code...), []byte{0x0c, 0, 0x0b})
}

// runAttacks are guests that are well formed and do harm when they run.
func runAttacks() (all []attack) {
	add := func(name, want, says string, make func(m *module) []byte) {
		m := newModule()
		m.memory = limits(2)
		code := make(m)
		all = append(all, attack{name, m.run(code).bytes(), want, says})
	}
	recursing := func(name, want, says string, calls int, after ...[]byte) {
		m := newModule()
		index := leb(len(m.imports) + len(m.functions))
		m.add("", repeat(join([]byte{0x10}, index), calls), join(after...))
		all = append(all, attack{name, m.run([]byte{0x10}, index, done).bytes(), want, says})
	}
	recursing("recursion without end", "limit", "limit depth", 1)
	recursing("a tree of calls", "limit", "limit depth", 2)
	// Forty functions of which each calls the next twice: no loop, and no depth.
	m := newModule()
	first := len(m.imports) + len(m.functions)
	for i := range 40 {
		m.add("", repeat(join([]byte{0x10}, leb(first+min(i+1, 40))), 2))
	}
	m.add("")
	all = append(all, attack{"exponential calls", m.run([]byte{0x10}, leb(first), done).bytes(), "stopped", ""})

	add("a loop", "stopped", "", func(*module) []byte { return join(forever, done) })
	add("filling in straight lines", "stopped", "", func(*module) []byte {
		return join(grow(500), drop, looped(repeat(join(constant(0), constant(7), constant(30<<20), []byte{0xfc, 0x0b, 0}), 50)), done)
	})
	add("copying", "stopped", "", func(*module) []byte {
		return join(grow(500), drop, looped(constant(1), constant(0), constant(30<<20), []byte{0xfc, 0x0a, 0, 0}), done)
	})
	add("memory page by page", "limit", "limit memory", func(*module) []byte {
		return join(looped(grow(1), trapIfFull), done)
	})
	add("memory at once", harmless, "", func(*module) []byte { return join(grow(65_000), drop, done) })
	add("memory that is used", "trap", "", func(*module) []byte { return join(grow(65_000), trapIfFull, load(60<<20), drop, done) })
	add("an address beyond", "trap", "", func(*module) []byte { return join(load(0xfffffff0), drop, done) })
	add("unreachable", "trap", "", func(*module) []byte { return unreachable })
	add("division by zero", "trap", "", func(*module) []byte { return join(constant(1), constant(0), []byte{0x6d}, drop, done) })
	for _, code := range []uint32{0xefffffff, 0xffffffff, 0, 1, 137} {
		add(fmt.Sprintf("exit code %#x", code), "trap", "exited with code", func(m *module) []byte { return join(m.call("proc_exit", code), done) })
	}
	add("sleep for centuries", "stopped", "", func(m *module) []byte {
		return join(store64(1024+24, []byte{0x42, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f}), m.call("poll_oneoff", 1024, 2048, 1, 4096), drop, done)
	})
	add("waiting for too much", harmless, "", func(m *module) []byte { return join(m.call("poll_oneoff", 0, 0, 0x10000000, 0), drop, done) })
	line := strings.Repeat("x", 999) + "\n"
	for fd, name := range map[uint32]string{1: "standard output", 2: "standard error"} {
		add("a flood of "+name, "stopped or limit", "", func(m *module) []byte { return join(looped(m.write(fd, line), drop), done) })
		add("a line without end to "+name, "stopped or limit", "", func(m *module) []byte { return join(looped(m.write(fd, line[:999]), drop), done) })
	}
	add("a flood of logs", "stopped or limit", "", func(m *module) []byte { return join(looped(m.log(abi.LevelInfo, line)), done) })
	add("a flood of empty logs", "stopped or limit", "", func(m *module) []byte { return join(looped(m.log(abi.LevelInfo, "")), done) })
	add("a flood of output", "limit", "limit result", func(m *module) []byte {
		return join(grow(700), drop, m.call("output", 0, 40<<20, 0, 0), done)
	})
	add("output again and again", "stopped or limit", "", func(m *module) []byte { return join(looped(m.call("output", 0, 60_000, 0, 0)), done) })
	add("failures again and again", "stopped or limit", "", func(m *module) []byte { return join(looped(m.call("fail", 0, 0, 60_000, 0, 60_000)), done) })
	add("a failure of megabytes", "error", "", func(m *module) []byte {
		return join(grow(700), drop, m.call("fail", 0, 0, 40<<20, 0, 40<<20), failed)
	})
	add("a failure in control characters", "error", "", func(m *module) []byte {
		return join(m.fail(0, strings.Repeat("\x1b[2J\x00\xff", 1000), "\x1b]0;owned\x07"), failed)
	})
	add("reading beyond", "trap", "outside of the guest's memory", func(m *module) []byte {
		return join(m.call("value_read", abi.ValueTaskName, 0xfffffff0, 100), drop, done)
	})
	add("writing from beyond", "trap", "", func(m *module) []byte { return join(m.call("output", 0xfffffff0, 100, 0, 0), done) })
	add("numbers that are none", harmless, "", func(m *module) []byte { return join(m.call("number", 0xffffffff), drop, done) })
	add("asking without end", "limit", "limit host calls", func(m *module) []byte {
		return join(looped(m.call("value_len", abi.ValueTaskID), drop), done)
	})

	// Seven thousand pieces in one call, of a megabyte each.
	add("many pieces in a call", harmless, "", func(m *module) []byte {
		code := join(grow(60), drop)
		for i := range uint32(200) {
			code = join(code, store(8192+8*i+4, constant(1<<20)))
		}
		return join(code, m.call("fd_write", 1, 8192, 200, 4096), drop, done)
	})
	for name, call := range map[string]struct {
		function string
		params   int
		args     []uint32
		want     string
	}{
		"random bytes by the megabyte":     {"random_get", 2, []uint32{0, 0xffffff}, harmless},
		"standard input":                   {"fd_read", 4, []uint32{0, 1024, 1, 2048}, harmless},
		"a descriptor of another number":   {"fd_renumber", 2, []uint32{1, 0x7fffffff}, harmless},
		"closing standard output":          {"fd_close", 1, []uint32{1}, harmless},
		"directories":                      {"fd_prestat_get", 2, []uint32{3, 1024}, harmless},
		"names of directories beyond":      {"fd_prestat_dir_name", 3, []uint32{3, 0xfffffff0, 100}, harmless},
		"the environment, to beyond":       {"environ_get", 2, []uint32{0xfffffff0, 0xfffffff0}, harmless},
		"sizes of arguments, to beyond":    {"args_sizes_get", 2, []uint32{0xfffffff0, 0xfffffff0}, harmless},
		"a file's status, to beyond":       {"fd_fdstat_get", 2, []uint32{1, 0xfffffff0}, harmless},
		"yielding":                         {"sched_yield", 0, nil, harmless},
		"resolution of a clock, to beyond": {"clock_res_get", 2, []uint32{0, 0xfffffff0}, harmless},
	} {
		all = append(all, attack{name, called(call.function, call.params, call.args...), call.want, ""})
	}

	// The host's functions are called through the guest's table, and by another type.
	m = newModule()
	m.table = []byte{byte(m.index("value_len")), byte(m.index("number"))}
	m.run(m.callIndirect("value_len", abi.ValueTaskID), drop, done)
	all = append(all, attack{"the host through a table", m.bytes(), harmless, ""})
	m = newModule()
	m.table = []byte{byte(m.index("value_len"))}
	wrong := join(constant(1), constant(0), []byte{0x11}, leb(m.index("number")), []byte{0})
	all = append(all, attack{"a call by another type", m.run(wrong, drop, done).bytes(), "trap", ""})
	m = newModule()
	m.table = []byte{0}
	grown := join([]byte{0xd0, 0x70}, constant(100_000), []byte{0xfc, 0x0f, 0}, trapIfFull)
	all = append(all, attack{"a table that grows", m.run(looped(grown), done).bytes(), "stopped or trap", ""})

	m = newModule()
	m.globals = [][]byte{{api.ValueTypeI32, 1, 0x41, 0, 0x0b}}
	m.exportGlobal = strings.Repeat("g", 2000)
	all = append(all, attack{"a long name", m.run(done).bytes(), harmless, ""})
	m = newModule()
	m.reexport = "output"
	return append(all, attack{"an export that is the host's", m.run(done).bytes(), refused, "host function"})
}
