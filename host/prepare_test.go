package host_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host"
	"github.com/taskhost/taskhost/host/wasi"
)

// requireRefused checks that a module is refused, for a reason that says this.
func requireRefused(t testing.TB, e *host.Engine, wasm []byte, says ...string) {
	t.Helper()
	start := time.Now()
	err := e.Prepare(context.Background(), "refused", wasm)
	require.Less(t, time.Since(start), 5*time.Second)
	requireModuleError(t, err, says...)
	require.False(t, e.Prepared("refused"))
}

// requireModuleError checks that an error is one for the author of a module,
// and says this.
func requireModuleError(t testing.TB, err error, says ...string) {
	t.Helper()
	var refusal *host.ModuleError
	require.ErrorAs(t, err, &refusal)
	require.NotEmpty(t, refusal.Reason)
	require.Equal(t, refusal.Reason, err.Error())
	requireText(t, 24<<10, refusal.Reason)
	for _, text := range says {
		require.Contains(t, refusal.Reason, text)
	}
}

func TestNoModules(t *testing.T) {
	e := newEngine(t, host.Config{})
	for _, test := range []struct{ name, file, says string }{
		{"nothing", "", "the file is empty"},
		{"text", "hello", "not a WebAssembly file"},
		{"text format", "(module)", "assemble it"},
		{"native", "\x7fELF\x02\x01\x01\x00", "a native program"},
		{"header", "\x00asm\x01\x00", "it is cut short"},
		{"component", "\x00asm\x0d\x00\x01\x00", "component model"},
		{"empty module", "\x00asm\x01\x00\x00\x00", `it exports no memory named "memory"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			requireRefused(t, e, []byte(test.file), test.says)
		})
	}
}

// Files of some bytes that make the runtime ask for gigabytes.
func TestBombs(t *testing.T) {
	e := newEngine(t, host.Config{})
	const header, huge = "\x00asm\x01\x00\x00\x00", "\xff\xff\xff\xff\x0f"
	for name, file := range map[string]string{
		"types":     header + "\x01\x05" + huge,
		"params":    header + "\x01\x08\x01\x60" + huge + "\x00",
		"imports":   header + "\x02\x05" + huge,
		"functions": header + "\x03\x05" + huge,
		"tables":    header + "\x04\x05" + huge,
		"table":     header + "\x04\x07\x01\x70\x00\xff\xff\xff\x3f",
		"globals":   header + "\x06\x05" + huge,
		"exports":   header + "\x07\x05" + huge,
		"elements":  header + "\x09\x05" + huge,
		"bodies":    header + "\x0a\x05" + huge,
		"data":      header + "\x0b\x05" + huge,
		"locals":    header + "\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x0a\x0b\x01\x09\x01\x80\xd0\xac\xf3\x0e\x7f\x0b",
	} {
		t.Run(name, func(t *testing.T) {
			require.Less(t, len(file), 35)
			requireRefused(t, e, []byte(file), "wasm: ")
		})
	}
}

func TestTruncatedModules(t *testing.T) {
	e := newEngine(t, host.Config{})
	m := newModule(done).set(abi.ExportDescribe)
	m.data = nil // so that the code comes last
	wasm := m.bytes()
	for n := range wasm {
		requireRefused(t, e, slices.Clip(wasm[:n]))
	}
	require.NoError(t, e.Prepare(context.Background(), "whole", wasm))

	wasm = goModule(t)
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		// Up to here it is not yet all that counts.
		requireRefused(t, e, slices.Clip(wasm[:random.IntN(len(wasm)/2)]))
	}
}

// Damage is refused, or does not matter. It is never a panic.
func TestDamagedModules(t *testing.T) {
	e := newEngine(t, host.Config{})
	m := newModule()
	m.table = []byte{0, 3}
	wasm := m.run(m.log(0, "text"), m.callIndirect("output", 0, 0, 0, 0), grow(1), drop, done).bytes()
	random := rand.New(rand.NewPCG(3, 4))
	refused, compiled := 0, 0
	for range 1000 {
		mutant := slices.Clone(wasm)
		if at := 8 + random.IntN(len(mutant)-8); random.IntN(2) == 0 {
			mutant[at] = byte(random.Uint32())
		} else {
			mutant[at] ^= 1 << random.IntN(8)
		}
		digest := digestOf(mutant)
		err := e.Prepare(context.Background(), digest, mutant)
		require.Equal(t, err == nil, e.Prepared(digest))
		if err != nil {
			requireModuleError(t, err)
			refused++
			continue
		}
		compiled++
	}
	t.Logf("%d refused, %d compiled", refused, compiled)
	require.Greater(t, refused, 100)
	require.Greater(t, compiled, 50)
}

func TestUnknownImports(t *testing.T) {
	e := newEngine(t, host.Config{})
	with := func(imports ...importDecl) []byte {
		m := newModule()
		m.imports = append(m.imports, imports...)
		return m.run(done).set(abi.ExportDescribe).bytes()
	}
	const provides = "it imports what no host function provides: "
	const only = ": only functions of taskhost_v1 and wasi_snapshot_preview1 can be imported"
	named := func(module, name string) importDecl { return importDecl{module: module, name: name} }

	requireRefused(t, e, with(named("env", "malloc")), provides+"env.malloc"+only)
	requireRefused(t, e, with(named(abi.Module, "launch"), named(wasi.ModuleName, "fly"), named("taskhost_v2", "log")),
		provides+"taskhost_v1.launch, wasi_snapshot_preview1.fly, taskhost_v2.log"+only)
	requireRefused(t, e, with(named("a", "1"), named("a", "2"), named("a", "3"), named("a", "4"), named("a", "5"), named("a", "6"), named("a", "7")),
		provides+"a.1, a.2, a.3, a.4, a.5 and 2 more"+only)
	// Names from the file are escaped and cut.
	requireRefused(t, e, with(named("\x1b[31m\n", strings.Repeat("é", 2000)), named("", "")),
		provides+`\x1b[31m\n.`+strings.Repeat("é", 60)+", ."+only)

	for name, entry := range map[string]string{
		"env.memory":      "\x03env\x06memory\x02\x00\x01",
		"taskhost_v1.log": "\x0btaskhost_v1\x03log\x03\x7f\x00", // a global
		"env.table":       "\x03env\x05table\x01\x70\x00\x01",
	} {
		m := newModule(done)
		m.memory, m.data = nil, nil // one at most, imported or not
		m.foreign = [][]byte{[]byte(entry)}
		requireRefused(t, e, m.bytes(), provides, name+only)
	}
}

func TestWrongSignatures(t *testing.T) {
	e := newEngine(t, host.Config{})
	with := func(change func(*module)) []byte {
		m := newModule(done)
		change(m)
		return m.bytes()
	}
	sig := func(params, results []byte) signature { return signature{params, results} }
	for says, wasm := range map[string][]byte{
		"it imports taskhost_v1.value_len as (i64) -> i32, but that is (i32) -> i32: build it against this version of the contract": with(func(m *module) {
			m.imports[m.index("value_len")].signature = sig([]byte{i64}, []byte{i32})
		}),
		"it imports taskhost_v1.number as (i32) -> (), but that is (i32) -> i64: build": with(func(m *module) {
			m.imports[m.index("number")].results = nil
		}),
		"it imports wasi_snapshot_preview1.fd_write as (i32) -> i32, but that is (i32, i32, i32, i32) -> i32: build": with(func(m *module) {
			m.imports[m.index("fd_write")].params = []byte{i32}
		}),
		"its export taskhost_run is () -> i32, but must be (i32) -> i32": with(func(m *module) {
			m.function(abi.ExportRun).params = nil
		}),
		"its export taskhost_describe is () -> i32, but must be () -> ()": with(func(m *module) {
			m.function(abi.ExportDescribe).results = []byte{i32}
		}),
		"its export _initialize is (i32) -> (), but must be without parameters and results": with(func(m *module) {
			m.add(abi.ExportInitialize).function(abi.ExportInitialize).params = []byte{i32}
		}),
		"it declares no definitions: it exports no function taskhost_describe: build it with the guest SDK": with(func(m *module) {
			m.function(abi.ExportDescribe).export = "other"
		}),
		"it exports no function taskhost_run: ": with(func(m *module) { m.function(abi.ExportRun).export = "" }),
		`it exports no memory named "memory"`:   with(func(m *module) { m.memoryAs = "mem" }),
		`no memory named "memory"`:              with(func(m *module) { m.memory, m.data = nil, nil }),
	} {
		t.Run(says, func(t *testing.T) { requireRefused(t, e, wasm, says) })
	}

	// The functions of a host would take their own module for the guest.
	m := newModule(done)
	m.reexport = "fd_write"
	requireRefused(t, e, m.bytes(), "it exports the host function that it imports as number 1, as fd_write: export functions of its own")
}

// What the runtime refuses is the author's to know, as far as it is text.
func TestInvalidCode(t *testing.T) {
	e := newEngine(t, host.Config{})
	for says, code := range map[string][]byte{
		"it cannot be compiled: ":                                  {0x42, 0},       // i64.const 0
		"local 9, there are 1":                                     {0x20, 9},       // local.get 9
		"instruction 0xff, supported are those of WebAssembly 2.0": {0xff, 0x41, 0}, // no instruction
	} {
		requireRefused(t, e, newModule(code).bytes(), says)
	}
}

// The runtime panics on some modules. Those that are known are refused before
// it sees them; should one get there, it is refused all the same.
func TestRuntimePanics(t *testing.T) {
	e := newEngine(t, host.Config{})
	// The first function calls one whose type is the one of index 99.
	const noSuchType = "\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00\x03\x03\x02\x00\x63\x0a\x09\x02\x04\x00\x10\x01\x0b\x02\x00\x0b"
	requireModuleError(t, host.CompileUnchecked(e, []byte(noSuchType)), "it is not a valid module: ", "index out of range")
	requireRefused(t, e, []byte(noSuchType), "type index 99")
	require.NoError(t, e.Prepare(context.Background(), "d", newModule(done).bytes()))
}

// An engine that has refused a module takes the right one by the same digest.
func TestPrepareAfterFailure(t *testing.T) {
	e := newEngine(t, host.Config{})
	requireRefused(t, e, []byte("no module"))
	m := newModule()
	wasm := m.run(m.output("at last"), done).bytes()
	require.NoError(t, e.Prepare(context.Background(), "refused", wasm))
	require.True(t, e.Prepared("refused"))
	require.NoError(t, e.Prepare(context.Background(), "refused", []byte("is not looked at")))
	out := e.Execute(context.Background(), host.Attempt{Digest: "refused"}, &logged{})
	require.Equal(t, "at last", string(out.Output))
}
