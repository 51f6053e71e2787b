package wasmfile_test

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host/wasmfile"
)

// Each limit is where its documentation says: that many are taken, one more
// is not.
func TestLimits(t *testing.T) {
	withType := func(n int, imports bool) []byte {
		if imports {
			return module(section(secImport, many(n, 1, 'a', 1, 'b', 3, 0x7f, 0)))
		}
		return module(section(secType, many(n, noType...)))
	}
	for name, test := range map[string]struct {
		limit int
		build func(n int) []byte
	}{
		"types":   {10_000, func(n int) []byte { return withType(n, false) }},
		"imports": {1_000, func(n int) []byte { return withType(n, true) }},
		"params": {1_000, func(n int) []byte {
			return module(section(secType, vec(join([]byte{0x60}, many(n, 0x7f), []byte{0}))))
		}},
		"results": {1_000, func(n int) []byte {
			return module(section(secType, vec(join([]byte{0x60, 0}, many(n, 0x7f)))))
		}},
		"functions": {100_000, func(n int) []byte { return module(join3(functions(n))) }},
		"tables":    {8, func(n int) []byte { return module(section(secTable, many(n, 0x70, 0, 0))) }},
		"tables with imported ones": {8, func(n int) []byte {
			return module(section(secImport, many(4, 1, 'a', 1, 'b', 1, 0x70, 0, 0)), section(secTable, many(n-4, 0x70, 0, 0)))
		}},
		"table entries": {10_000_000, func(n int) []byte {
			return module(section(secTable, vec([]byte{0x70, 0, 5}, join([]byte{0x70, 0}, leb(n-5)))))
		}},
		"globals":          {10_000, func(n int) []byte { return module(section(secGlobal, many(n, join([]byte{0x7f, 0}, i32Zero)...))) }},
		"exports":          {10_000, oneMemoryExported},
		"element segments": {100_000, func(n int) []byte { return module(section(secElement, many(n, 1, 0, 0))) }},
		"element entries": {1_000_000, func(n int) []byte {
			types, funcs, code := functions(1)
			return module(types, funcs, section(secElement, vec(join([]byte{1, 0}, many(5, 0)), join([]byte{1, 0}, many(n-5, 0)))), code)
		}},
		"data segments": {100_000, func(n int) []byte { return module(section(secData, many(n, 1, 0))) }},
		"data count":    {100_000, func(n int) []byte { return module(section(secDataCount, leb(n)), section(secData, many(n, 1, 0))) }},
		"locals":        {50_000, func(n int) []byte { return oneFunction([]byte{2, 5, 0x7f}, leb(n-5), []byte{0x7e, 0x0b}) }},
		"body":          {7_654_321, func(n int) []byte { return oneFunction([]byte{0}, make([]byte, n-2), []byte{0x0b}) }},
		"parameters and results of all types": {100_000, func(n int) []byte {
			return module(section(secType, leb(100),
				bytes.Repeat(join([]byte{0x60}, many(990, 0x7f), []byte{0}), 99),
				join([]byte{0x60}, many(990, 0x7f), many(n-100*990, 0x7f))))
		}},
		"body where a type has many results": {2_097, func(n int) []byte {
			return module(section(secType, vec(noType, join([]byte{0x60, 0}, many(1_000, 0x7f)))),
				section(secFunction, vec([]byte{0})), section(secCode, vec(sized([]byte{0}, make([]byte, n-2), []byte{0x0b}))))
		}},
		"locals of all functions": {2_000_000, func(n int) []byte {
			body := func(locals int) []byte { return sized([]byte{1}, leb(locals), []byte{0x7f, 0x0b}) }
			return module(section(secType, vec(noType)), section(secFunction, many(41, 0)),
				section(secCode, leb(41), bytes.Repeat(body(49_000), 40), body(n-40*49_000)))
		}},
		"blocks within each other": {5_000, func(n int) []byte { return oneFunction([]byte{0}, nested(n, 0x02), []byte{0x0b}) }},
		"loops within each other":  {500, func(n int) []byte { return oneFunction([]byte{0}, nested(n, 0x03), []byte{0x0b}) }},
		"loops with blocks between and after each other": {500, func(n int) []byte {
			return oneFunction([]byte{0}, nested(500, 0x03), bytes.Repeat(nested(2, 0x02), 9), []byte{0x02, 0x40}, nested(n, 0x03), []byte{0x0b, 0x0b})
		}},
		"blocks and branches": {10_000, func(n int) []byte {
			return oneFunction([]byte{0}, bytes.Repeat(nested(1, 0x02), 4_000), bytes.Repeat([]byte{0x0c, 0}, n-4_000), []byte{0x0b})
		}},
		"targets of br_table": {50_000, func(n int) []byte {
			return oneFunction([]byte{0}, brTable(5), brTable(n-5), []byte{0x0b})
		}},
		"branches times locals": {500, func(n int) []byte {
			return oneFunction([]byte{1}, leb(1_000), []byte{0x7f}, bytes.Repeat([]byte{0x0c, 0}, n), []byte{0x0b})
		}},
		"blocks, branches and targets times parameters and locals": {500, func(n int) []byte {
			return module(section(secType, vec(join([]byte{0x60}, many(900, 0x7f), []byte{0}))), section(secFunction, vec([]byte{0})),
				section(secCode, vec(sized([]byte{1, 100, 0x7f}, bytes.Repeat([]byte{0x0c, 0}, 80), nested(20, 0x04), brTable(n-100), []byte{0x0b}))))
		}},
		"nesting in all functions": {4_990, func(n int) []byte { // the others leave n*(n+1)/2
			return bodies(join([]byte{0}, nested(n, 0x02), []byte{0x0b}),
				slices.Repeat([][]byte{join([]byte{0}, nested(5_000, 0x02), []byte{0x0b})}, 7),
				[][]byte{join([]byte{0}, nested(220, 0x02), bytes.Repeat(nested(1, 0x02), 5_645), []byte{0x0b})})
		}},
		"targets in all functions": {50_000, func(n int) []byte {
			return bodies(join([]byte{0}, brTable(n-5), []byte{0x0b}),
				slices.Repeat([][]byte{join([]byte{0}, brTable(50_000), []byte{0x0b})}, 39),
				[][]byte{join([]byte{0}, brTable(5), []byte{0x0b})})
		}},
		"branches times locals in all functions": {490, func(n int) []byte {
			body := func(n int) []byte {
				return join([]byte{1}, leb(1_000), []byte{0x7f}, bytes.Repeat([]byte{0x0c, 0}, n), []byte{0x0b})
			}
			return bodies(body(n), slices.Repeat([][]byte{body(500)}, 59), [][]byte{body(10)})
		}},
		"functions with a long module name": {16_384, func(n int) []byte {
			return module(join3(functions(n)), custom("name", []byte{0}, sized(str(strings.Repeat("m", 4_096)))))
		}},
		"local names of 10,000 functions": {100_000, func(n int) []byte {
			return module(join3(functions(10_000)), custom("name", []byte{2}, sized(many(n, 0, 0))))
		}},
		"custom sections": {1_000, func(n int) []byte {
			return module(bytes.Repeat(custom("x"), n))
		}},
		"import name": {4_096, func(n int) []byte {
			return module(section(secImport, vec(join(str("a"), str(strings.Repeat("n", n)), []byte{3, 0x7f, 0}))))
		}},
		"debug name": {65_536, func(n int) []byte {
			return module(custom("name", []byte{1}, sized(vec(join([]byte{0}, str(strings.Repeat("n", n)))))))
		}},
		"debug names": {1_000_000, func(n int) []byte { return module(custom("name", []byte{1}, sized(many(n, 0, 0)))) }},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := wasmfile.Read(test.build(test.limit))
			require.NoError(t, err)
			wasm := test.build(test.limit + 1)
			_, err = wasmfile.Read(wasm)
			require.Equal(t, wasmfile.RuleLimit, requireReadable(t, wasm, err).Rule, err)
		})
	}
}

// nested is blocks of a kind within each other.
func nested(n int, kind byte) []byte {
	return join(bytes.Repeat([]byte{kind, 0x40}, n), bytes.Repeat([]byte{0x0b}, n))
}

// brTable is one that has n targets.
func brTable(n int) []byte { return join([]byte{0x0e}, many(n-1, 0), []byte{0}) }

// bodies is a module of functions.
func bodies(first []byte, more ...[][]byte) []byte {
	all := [][]byte{sized(first)}
	for _, body := range slices.Concat(more...) {
		all = append(all, sized(body))
	}
	return module(section(secType, vec(noType)), section(secFunction, many(len(all), 0)), section(secCode, vec(all...)))
}

func join3(a, b, c []byte) []byte { return join(a, b, c) }

func oneMemoryExported(times int) []byte {
	entries := make([][]byte, times)
	for i := range entries {
		entries[i] = join(str(strconv.Itoa(i)), []byte{2, 0})
	}
	return module(section(secMemory, vec([]byte{0, 1})), section(secExport, vec(entries...)))
}
