package wasmfile_test

import (
	"bytes"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host/wasmfile"
)

// bombs are files of some dozen bytes of which each was found, or read, to
// make the runtime ask for gigabytes while it decodes.
func bombs() map[string][]byte {
	count := leb(uint32(huge))
	types := section(secType, vec(noType))
	imports := func(parts ...[]byte) []byte { return module(section(secImport, join(parts...))) }
	names := func(parts ...[]byte) []byte { return module(custom("name", parts...)) }
	elements := func(parts ...[]byte) []byte { return module(section(secElement, leb(1), join(parts...), count)) }
	return map[string][]byte{
		"types":       module(section(secType, count)),
		"imports":     module(section(secImport, count)),
		"functions":   module(section(secFunction, count)),
		"tables":      module(section(secTable, count)),
		"memories":    module(section(secMemory, count)),
		"globals":     module(section(secGlobal, count)),
		"exports":     module(section(secExport, count)),
		"elements":    module(section(secElement, count)),
		"data counts": module(section(secDataCount, count)),
		"bodies":      module(section(secCode, count)),
		"data":        module(section(secData, count)),

		"params":         module(section(secType, leb(1), []byte{0x60}, count, []byte{0})),
		"params, nearly": module(section(secType, leb(1), []byte{0x60}, leb(uint32(huge-15)), []byte{0})),
		"results":        module(section(secType, leb(1), []byte{0x60, 0}, count)),

		"import module name":   imports(leb(1), count),
		"import name":          imports(leb(1), str("env"), count),
		"import table":         imports(leb(1), str("env"), str("t"), []byte{1, 0x70, 0}, count),
		"export name":          module(section(secExport, leb(1), count)),
		"table":                module(section(secTable, vec(join([]byte{0x70, 0}, leb(134_217_727))))),
		"tables, in all":       module(section(secTable, many(20, join([]byte{0x70, 0}, leb(1_000_000))...))),
		"element entries":      elements([]byte{0}, i32Zero),
		"passive entries":      elements([]byte{1, 0}),
		"entries of a table":   elements([]byte{2, 0}, i32Zero, []byte{0}),
		"declared entries":     elements([]byte{3, 0}),
		"expressions":          elements([]byte{4}, i32Zero),
		"passive expressions":  elements([]byte{5, 0x70}),
		"expressions, a table": elements([]byte{6, 0}, i32Zero, []byte{0x70}),
		"declared expressions": elements([]byte{7, 0x70}),
		"data contents":        module(section(secData, leb(1), []byte{1}, count)),
		"active data contents": module(section(secData, leb(1), []byte{0}, i32Zero, count)),

		"body size":        module(types, section(secFunction, vec([]byte{0})), section(secCode, leb(1), count)),
		"groups of locals": oneFunction(count, []byte{0x0b}),
		"locals":           oneFunction([]byte{1}, leb(uint32(4_000_000_000)), []byte{0x7f, 0x0b}),
		"fewer locals":     oneFunction([]byte{1}, leb(100_000_000), []byte{0x7f, 0x0b}),
		"locals, in all":   oneFunction([]byte{2}, leb(49_999), []byte{0x7f}, count, []byte{0x7e, 0x0b}),

		"section size":        module([]byte{secType}, count),
		"custom section size": module([]byte{secCustom}, count),
		"custom section name": module(section(secCustom, count)),

		"name section: module name":         names([]byte{0}, sized(count)),
		"name section: functions":           names([]byte{1}, sized(count)),
		"name section: functions, nearly":   names([]byte{1}, sized(leb(uint32(huge-15)))),
		"name section: function name":       names([]byte{1}, sized([]byte{1, 0}, count)),
		"name section: functions of locals": names([]byte{2}, sized(count)),
		"name section: locals":              names([]byte{2}, sized([]byte{1, 0}, count)),
		"name section: local name":          names([]byte{2}, sized([]byte{1, 0, 1, 0}, count)),
		"name section: subsection":          names([]byte{1}, count),
		"name section: unknown subsection":  names([]byte{9}, count),
	}
}

// Each bomb is refused at once, and before anything is made on its account.
func TestBombsAreRefused(t *testing.T) {
	for name, wasm := range bombs() {
		t.Run(name, func(t *testing.T) {
			require.Less(t, len(wasm), 200)
			took := time.Hour
			for range 3 { // the best of three, since other processes run too
				start := time.Now()
				_, err := wasmfile.Read(wasm)
				took = min(took, time.Since(start))
				_ = requireReadable(t, wasm, err)
			}
			require.Less(t, took, 10*time.Millisecond)
			require.Less(t, allocated(func() { _, _ = wasmfile.Read(wasm) }), uint64(1<<20))
		})
	}
}

// amplifiers are valid by the format and not small, and make a runtime use
// some hundred times their own size, or time that is quadratic in it.
func amplifiers() map[string][]byte {
	types, funcs, code := functions(20_000)
	oneType, oneFunc, _ := functions(1)
	locals := sized([]byte{1}, leb(50_000), []byte{0x7f, 0x0b})
	manyResults := section(secType, vec(join([]byte{0x60, 0}, many(1_000, 0x7f)), noType))
	call := section(secImport, vec(join(str("a"), str("b"), []byte{0, 0})))
	return map[string][]byte{
		"locals of many functions": module(types, section(secFunction, many(50, 0)), section(secCode, many(50, locals...))),
		"many calls with many results": module(manyResults, call, section(secFunction, vec([]byte{1})),
			section(secCode, vec(sized([]byte{0}, bytes.Repeat([]byte{0x10, 0}, 100_000), []byte{0, 0x0b})))),
		"a long module name before many functions": module(types, funcs, code,
			custom("name", []byte{0}, sized(str(strings.Repeat("m", 4096))))),
		"local names for many functions": module(types, funcs, code,
			custom("name", []byte{2}, sized(many(60_000, 0, 0)))),
		"exports of many functions": module(types, section(secFunction, many(100_000, 0)),
			section(secExport, leb(9_991), exportNames(9_991)), section(secCode, many(100_000, emptyBody...)),
			custom("name", []byte{2}, sized(many(10, 0, 0)))),
		"many long types":      module(section(secType, many(200, join([]byte{0x60}, many(1_000, 0x6f), []byte{0})...))),
		"many element entries": module(oneType, oneFunc, section(secElement, vec(join([]byte{1, 0}, many(600_000, 0)), join([]byte{1, 0}, many(600_000, 0))))),
		"many custom sections": module(bytes.Repeat(custom("x"), 1_001)),
		"many names":           module(custom("name", []byte{1}, sized(many(600_000, 0, 0)), []byte{2}, sized(vec(join([]byte{0}, many(600_000, 0, 0)))))),
	}
}

// shapes are valid functions that the runtime's compiler was found to take from
// seconds to hours for.
func shapes() map[string][]byte {
	end := []byte{0x0b}
	locals := func(n int) []byte { return join([]byte{1}, leb(n), []byte{0x7f}) }
	assign := []byte{0x20, 0, 0x41, 1, 0x6a, 0x21, 0}
	ifs := bytes.Repeat(join([]byte{0x20, 0, 0x04, 0x40}, assign, end), 10_000)
	loops := bytes.Repeat(join([]byte{0x03, 0x40}, assign, []byte{0x20, 0, 0x0d, 0}, end), 5_000)
	return map[string][]byte{
		"blocks within each other":      oneFunction([]byte{0}, nested(100_000, 0x02), end),
		"loops within each other":       oneFunction([]byte{0}, nested(100_000, 0x03), end),
		"ifs within each other":         oneFunction([]byte{0}, bytes.Repeat([]byte{0x41, 0, 0x04, 0x40}, 100_000), bytes.Repeat(end, 100_000), end),
		"loops with back edges":         oneFunction([]byte{0}, bytes.Repeat([]byte{0x03, 0x40}, 10_000), bytes.Repeat([]byte{0x41, 0, 0x0d, 0, 0x0b}, 10_000), end),
		"ifs with 1,000 locals":         oneFunction(locals(1_000), ifs, end),
		"ifs with 5,000 locals":         oneFunction(locals(5_000), ifs, end),
		"loops with 1,000 locals":       oneFunction(locals(1_000), loops, end),
		"branches to one place":         oneFunction([]byte{0}, bytes.Repeat([]byte{0x41, 0, 0x0d, 0}, 50_000), end),
		"a br_table of 100,000 targets": oneFunction([]byte{0}, []byte{0x41, 0}, brTable(100_000), end),
		"a br_table of 1 M targets":     oneFunction([]byte{0}, []byte{0x41, 0}, brTable(1_000_000), end),
		"1,000 of 1,000 targets":        oneFunction([]byte{0}, bytes.Repeat(join([]byte{0x02, 0x40, 0x41, 0}, brTable(1_000), end), 1_000), end),
		"tables of many functions":      bodies(join([]byte{0}, brTable(50_000), end), slices.Repeat([][]byte{join([]byte{0}, brTable(50_000), end)}, 50)),
	}
}

func exportNames(n int) (entries []byte) {
	for i := range n {
		entries = append(entries, join(str(strconv.Itoa(i)), []byte{0, 0})...)
	}
	return entries
}

func TestAmplifiersAreRefused(t *testing.T) {
	all := amplifiers()
	maps.Copy(all, shapes())
	for name, wasm := range all {
		t.Run(name, func(t *testing.T) {
			var err error
			require.Less(t, allocated(func() { _, err = wasmfile.Read(wasm) }), uint64(4<<20))
			require.Equal(t, wasmfile.RuleLimit, requireReadable(t, wasm, err).Rule, err)
		})
	}
}

// allocated is how many bytes f makes, freed or not.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// requireReadable checks that a refusal is an Error that can be shown: its
// place is in the file, and its text is short and plain.
func requireReadable(t testing.TB, wasm []byte, err error) *wasmfile.Error {
	t.Helper()
	var refusal *wasmfile.Error
	require.ErrorAs(t, err, &refusal)
	require.GreaterOrEqual(t, refusal.Offset, 0)
	require.LessOrEqual(t, refusal.Offset, len(wasm))
	require.NotEmpty(t, refusal.Rule)
	require.NotEmpty(t, refusal.Section)
	text := refusal.Error()
	require.Less(t, len(text), 600)
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' {
			require.Failf(t, "not plain text", "%q", text)
		}
	}
	return refusal
}
