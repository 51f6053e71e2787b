package taskhost_test

import (
	"fmt"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	layerModule   = "github.com/taskhost/taskhost"
	layerMaxDepth = 5
	layerRoot     = "." // the root package, in the table and in messages
	layerWazero   = "github.com/tetratelabs/wazero"
	layerSchema   = "github.com/santhosh-tekuri/jsonschema"
	layerRiver    = "github.com/riverqueue/river"
	layerPgx      = "github.com/jackc/pgx"
	layerSQLite   = "modernc.org/sqlite"
	layerUUID     = "github.com/google/uuid"
)

// A layerRule says what one package may import. Packages of ours are named
// relative to the module; "x/..." is x and all below it, "x/*" is what is
// directly in x, and "..." is everything. Others are prefixes of import paths;
// "*" is all of them. The standard library is always allowed.
type layerRule struct {
	why      string
	ours     []string
	not      []string // wins over ours
	third    []string
	notThird []string // wins over third
	testMay  []string // of ours, for _test.go files, beside their own package
}

// layerTable is the plan of the module, read from the bottom up. A package that
// is not in it is refused: to add one is to say here which layer it is. Where
// several rows match, an exact one wins, then the longest.
var layerTable = map[string]layerRule{
	"task": {why: "the vocabulary: everything may depend on it, so it depends on nothing"},
	"abi":  {why: "the contract of host and guest: both link it, so it links nothing"},
	"guest-sdk": {
		why:     "what a guest links, it pays for in size and in every instance",
		ours:    []string{"abi", "internal/gojson", "guest-sdk/internal/..."}, // the last natively: see layerReach
		testMay: []string{"guest-sdk/guesttest"},
	},
	"guest-sdk/guestslog": {
		why:     "log/slog is half a megabyte, so it is for the guests that ask for it",
		ours:    []string{"guest-sdk"},
		testMay: []string{"guest-sdk/guesttest"},
	},
	"guest-sdk/internal/...": {
		why:  "it stands in for the host where a guest is compiled natively",
		ours: []string{"abi", "guest-sdk/internal/..."},
	},
	"guest-sdk/guesttest": {
		why:  "task authors test with it and should not need the host to do so",
		ours: []string{"abi", "guest-sdk", "guest-sdk/internal/..."},
	},
	"host/...": {
		why:   "the engine knows nothing of queues, names or databases",
		ours:  []string{"abi", "host/..."},
		third: []string{layerWazero, "golang.org/x/sys", "github.com/elastic/go-seccomp-bpf"},
		// Guests in every language are what it is tested and measured with.
		testMay: []string{"internal/guestbuild"},
	},
	"host/spectest": {
		why:   "what the specification tests is held of every rewriter, in one way",
		ours:  []string{"host/wasmfile"},
		third: []string{layerWazero, "github.com/stretchr/testify"},
	},
	"schedule": {
		why:   "when things are due is computed, not stored or executed",
		ours:  []string{"task"},
		third: []string{"github.com/robfig/cron"},
	},
	"internal/gojson": {
		why:     "a guest links it, and the host derives the same schemas of Go functions",
		testMay: []string{"internal/argschema"}, // the schemas it makes are there to be read
	},
	"internal/text": {why: "text of strangers is cut and cleaned in one way"},
	"internal/seal": {why: "what encrypts is small enough to be read in one go, and links nothing"},
	"internal/argschema": {
		why:   "arguments are checked in one way, at upload and at enqueue",
		ours:  []string{"task"},
		third: []string{layerSchema, "golang.org/x/text"}, // its messages are printed by x/text
	},
	"modules": {
		why:   "it keeps modules and their definitions; it does not run them",
		ours:  []string{"task", "abi", "internal/argschema"},
		third: []string{layerUUID},
	},
	"internal/riverstore": {
		why:   "what the stores share, and the one place for River's TTx generic",
		ours:  []string{"task", "schedule", "modules", "internal/argschema", "internal/text", "internal/seal"},
		third: []string{layerRiver, layerUUID},
	},
	"internal/guestbuild/...": {
		why:   "it runs compilers, and knows nothing of what guests do",
		ours:  []string{"internal/guestbuild"},
		third: []string{"github.com/gofrs/flock"},
	},
	"internal/pgtest/...": {
		why:   "a server for tests knows nothing of what is tested with it",
		ours:  []string{"internal/pgtest"},
		third: []string{layerPgx},
	},
	"internal/storetest": {
		why:   "what every store promises is tested in one way, for any store",
		ours:  []string{"task", "modules", "internal/riverstore", "internal/seal"},
		third: []string{"github.com/stretchr/testify"},
	},
	"sqlitestore": {
		why:     "a program that only enqueues links a store and no engine",
		ours:    []string{"task", "schedule", "modules", "internal/riverstore", "internal/seal"},
		third:   []string{layerRiver, layerSQLite, layerUUID, "github.com/gofrs/flock"},
		testMay: []string{"internal/storetest"},
	},
	"pgstore": {
		why:     "a program that only enqueues links a store and no engine",
		ours:    []string{"task", "schedule", "modules", "internal/riverstore", "internal/seal"},
		third:   []string{layerRiver, layerPgx, "github.com/jackc/pgerrcode", "github.com/jackc/puddle", layerUUID},
		testMay: []string{"internal/storetest", "internal/pgtest"},
	},
	"internal/queuebench": {
		why:     "it measures stores, and River without them",
		ours:    []string{"task", "modules", "pgstore", "sqlitestore", "internal/riverstore", "internal/seal"},
		third:   []string{layerRiver, layerPgx, layerSQLite},
		testMay: []string{"internal/pgtest"},
	},
	"internal/execbench/...": {
		why:   "it measures the engine, wazero without it, and processes",
		ours:  []string{"abi", "host/...", "internal/guestbuild"},
		third: []string{layerWazero},
	},
	"httpapi/...": {
		why:      "it talks to interfaces of its own, so it serves any store and any engine",
		ours:     []string{"task", "modules", "httpapi/..."},
		third:    []string{"*"},
		notThird: []string{layerWazero, layerRiver, layerPgx, layerSQLite},
	},
	layerRoot: {
		why:   "the embedding face joins engine and stores; programs are built on it",
		ours:  []string{"..."},
		not:   []string{"cmd/...", "httpapi/...", "tests/...", "examples/..."},
		third: []string{"*"},
	},
	"cmd/taskhost/...": {
		why:   "the wiring, and the only home of koanf and tint",
		ours:  []string{"..."},
		third: []string{"*", "github.com/knadh/koanf", "github.com/lmittmann/tint"},
	},
	"examples/inputs": {why: "sample inputs that guests, programs and tests can share"},
	"examples/wasm-tasks/*": {
		why:     "a guest links guest-sdk and abi, and what its one idea needs",
		ours:    []string{"guest-sdk", "guest-sdk/guestslog"},
		third:   []string{"golang.org/x/image", "github.com/yuin/goldmark"},
		testMay: []string{"guest-sdk/guesttest", "examples/inputs"},
	},
	"examples/embed/*": {
		why:     "it shows the public face, as a reader's own program would use it",
		ours:    []string{layerRoot, "task", "httpapi"},
		third:   []string{"*"},
		testMay: []string{"internal/pgtest"},
	},
	"tests/...": {
		why:   "it drives the built system, and nothing imports it",
		ours:  []string{"..."},
		third: []string{"*", "github.com/stretchr/testify", "go.uber.org/goleak", "github.com/rogpeppe/go-internal"},
	},
}

// layerReserved are never covered by "*": a row must name them. layerForTests
// are allowed to every _test.go file.
var (
	layerForTests = []string{"github.com/stretchr/testify", "go.uber.org/goleak", "github.com/rogpeppe/go-internal/testscript"}
	layerReserved = append([]string{"github.com/knadh/koanf", "github.com/lmittmann/tint", "github.com/rogpeppe/go-internal"}, layerForTests...)
)

// layerReach says what packages may come to through any number of imports of
// ours, outside their tests. For a guest, only the files of its wasm build count.
var layerReach = []struct {
	why      string
	guest    bool
	packages []string
	ours     []string
	notThird []string
}{
	{
		why:      "a guest links only guest-sdk and abi, and what guest-sdk shares with the host",
		guest:    true,
		packages: []string{"guest-sdk", "guest-sdk/guestslog", "examples/wasm-tasks/*"},
		ours:     []string{"guest-sdk", "guest-sdk/guestslog", "abi", "internal/gojson"},
	},
	{
		why:      "a program that only enqueues links no wazero",
		packages: []string{"task", "modules", "internal/riverstore", "sqlitestore", "pgstore"},
		ours:     []string{"..."}, notThird: []string{layerWazero},
	},
	{
		why:      "httpapi serves any store and any engine",
		packages: []string{"httpapi/..."},
		ours:     []string{"..."}, notThird: []string{layerWazero, layerRiver, layerPgx, layerSQLite},
	},
}

// layerNested are folders with a go.mod of their own, which no rule reaches.
var layerNested = []string{"tools"}

// TestLayering holds the imports of the whole module to layerTable. The files
// are read in this process, under every build tag, so that go test's cache
// notices an edit to any of them.
func TestLayering(t *testing.T) {
	t.Parallel()
	tree, err := readLayers(".")
	require.NoError(t, err)
	require.NotEmpty(t, tree.imports, "no Go file was found: the test is not run in the module's root")
	for _, problem := range tree.check() {
		t.Error(problem)
	}
	for _, row := range slices.Sorted(maps.Keys(layerTable)) {
		if !slices.ContainsFunc(tree.packages(), func(pkg string) bool { return layerMatch(row, pkg) }) {
			t.Logf("planned, but not there yet: %s", row)
		}
	}
}

// A layerImport is one import in one file. The path of a package of ours is
// relative to the module.
type layerImport struct {
	pkg, file, path   string
	ours, test, guest bool // guest: the file is part of a guest's build
}

type layerTree struct {
	imports  []layerImport
	found    map[string]bool // packages, also those that import nothing
	problems []string        // what reading alone has shown
}

func readLayers(root string) (*layerTree, error) {
	tree := &layerTree{found: map[string]bool{}}
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		base := path.Base(rel)
		switch {
		case rel == ".":
			return nil
		case entry.IsDir():
			return tree.enter(name, rel, base)
		case strings.HasSuffix(base, ".go") && !strings.HasPrefix(base, "_") && !strings.HasPrefix(base, "."):
			return tree.read(name, rel)
		}
		return nil
	})
	return tree, err
}

// enter skips the folders that the go command skips too.
func (tree *layerTree) enter(name, rel, base string) error {
	if base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return fs.SkipDir
	}
	if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
		if !slices.Contains(layerNested, rel) {
			tree.report("%s: has a go.mod of its own, so no rule reaches it: make it a package of this module, or add it to layerNested and say why", rel)
		}
		return fs.SkipDir
	}
	if depth := strings.Count(rel, "/") + 1; depth > layerMaxDepth {
		tree.report("%s: is %d folders deep, and the most is %d", rel, depth, layerMaxDepth)
	}
	return nil
}

func (tree *layerTree) read(name, rel string) error {
	source, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	file, err := parser.ParseFile(token.NewFileSet(), rel, source, parser.ImportsOnly)
	if err != nil {
		return fmt.Errorf("layering: parse imports: %w", err)
	}
	wasm := build.Default
	wasm.GOOS, wasm.GOARCH = "wasip1", "wasm"
	guest, err := wasm.MatchFile(filepath.Dir(name), filepath.Base(name))
	if err != nil {
		return fmt.Errorf("layering: read build tags: %w", err)
	}
	pkg := path.Dir(rel)
	tree.found[pkg] = true
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return fmt.Errorf("layering: %s: import %s: %w", rel, spec.Path.Value, err)
		}
		one := layerImport{pkg: pkg, file: rel, path: imported, guest: guest, test: strings.HasSuffix(rel, "_test.go")}
		if imported == layerModule {
			one.ours, one.path = true, layerRoot
		} else if inner, ok := strings.CutPrefix(imported, layerModule+"/"); ok {
			one.ours, one.path = true, inner
		}
		tree.imports = append(tree.imports, one)
	}
	return nil
}

func (tree *layerTree) report(format string, args ...any) {
	tree.problems = append(tree.problems, fmt.Sprintf(format, args...))
}

func (tree *layerTree) packages() []string {
	return slices.Sorted(maps.Keys(tree.found))
}

// check returns one sentence for each rule that is broken.
func (tree *layerTree) check() []string {
	for _, pkg := range tree.packages() {
		if _, ok := layerRow(pkg); !ok {
			tree.report("%s: has no row in layerTable (layering_test.go). Add one that says which layer it is, what it may import and why: a package without a row is held to nothing", pkg)
		}
	}
	for _, one := range tree.imports {
		tree.checkImport(one)
	}
	tree.checkFolders()
	tree.checkReach()
	return tree.problems
}

func (tree *layerTree) checkImport(one layerImport) {
	rule, ok := layerRow(one.pkg)
	if !ok {
		return // reported above
	}
	switch {
	case one.path == "C":
		tree.report(`%s: imports "C": taskhost is built without cgo, so that it cross-compiles and runs anywhere`, one.file)
	case one.ours && !rule.allowsOurs(one):
		allowed := layerList(rule.ours, "nothing")
		if len(rule.not) > 0 {
			allowed += " but " + layerList(rule.not, "")
		}
		if one.test && len(rule.testMay) > 0 {
			allowed += " and, in its tests, " + layerList(rule.testMay, "")
		}
		tree.report("%s: imports %s, and of ours %s may import %s (%s)", one.file, one.path, one.pkg, allowed, rule.why)
	case !one.ours && !layerStd(one.path) && !rule.allowsThird(one):
		allowed := layerList(rule.third, "the standard library alone")
		if len(rule.notThird) > 0 {
			allowed += " but " + layerList(rule.notThird, "")
		}
		tree.report("%s: imports %s, and of others %s may import %s (%s)", one.file, one.path, one.pkg, allowed, rule.why)
	}
}

func (rule layerRule) allowsOurs(one layerImport) bool {
	if one.test && (one.path == one.pkg || layerMatchAny(rule.testMay, one.path)) {
		return true
	}
	return layerMatchAny(rule.ours, one.path) && !layerMatchAny(rule.not, one.path)
}

func (rule layerRule) allowsThird(one layerImport) bool {
	if one.test && layerUnder(layerForTests, one.path) {
		return true
	}
	if layerUnder(rule.notThird, one.path) {
		return false
	}
	return layerUnder(rule.third, one.path) ||
		slices.Contains(rule.third, "*") && !layerUnder(layerReserved, one.path)
}

// checkFolders refuses two top-level folders that import each other, tests
// included: neither can then be read, or taken away, without the other.
func (tree *layerTree) checkFolders() {
	edges := map[[2]string]string{} // from, to: a file that shows it
	for _, one := range tree.imports {
		from, to := layerFolder(one.pkg), layerFolder(one.path)
		if one.ours && from != to && from != layerRoot && to != layerRoot {
			edges[[2]string{from, to}] = one.file
		}
	}
	for edge, file := range edges {
		back, mutual := edges[[2]string{edge[1], edge[0]}]
		if mutual && edge[0] < edge[1] {
			tree.report("%s and %s import each other (%s, %s): move what both need below them", edge[0], edge[1], file, back)
		}
	}
}

// checkReach follows our own imports breadth first, so that the chain in the
// message is the shortest.
func (tree *layerTree) checkReach() {
	next := map[string][]layerImport{}
	for _, one := range tree.imports {
		if !one.test {
			next[one.pkg] = append(next[one.pkg], one)
		}
	}
	for _, reach := range layerReach {
		for _, start := range tree.packages() {
			if !layerMatchAny(reach.packages, start) {
				continue
			}
			chains := map[string]string{start: start}
			for queue := []string{start}; len(queue) > 0; queue = queue[1:] {
				for _, one := range next[queue[0]] {
					if chains[one.path] != "" || reach.guest && !one.guest {
						continue
					}
					chains[one.path] = chains[queue[0]] + " -> " + one.path
					if one.ours {
						queue = append(queue, one.path)
					}
					if one.ours && !layerMatchAny(reach.ours, one.path) || layerUnder(reach.notThird, one.path) {
						tree.report("%s: %s (last step in %s)", chains[one.path], reach.why, one.file)
					}
				}
			}
		}
	}
}

// layerRow finds the row of a package.
func layerRow(pkg string) (layerRule, bool) {
	best, found := "", false
	for row := range layerTable {
		if row == pkg {
			return layerTable[row], true
		}
		if layerMatch(row, pkg) && len(row) > len(best) {
			best, found = row, true
		}
	}
	return layerTable[best], found
}

func layerMatch(pattern, pkg string) bool {
	if pattern == "..." {
		return true
	}
	if dir, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == dir || strings.HasPrefix(pkg, dir+"/")
	}
	if dir, ok := strings.CutSuffix(pattern, "/*"); ok {
		return path.Dir(pkg) == dir
	}
	return pattern == pkg
}

func layerMatchAny(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return layerMatch(pattern, pkg) })
}

// layerUnder reports whether an import path is one of the prefixes or below
// one. River's drivers are modules beside it that share its path.
func layerUnder(prefixes []string, imported string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool {
		return imported == prefix || strings.HasPrefix(imported, prefix+"/")
	})
}

// layerStd: only the standard library has no dot in its first element.
func layerStd(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

// layerFolder is the top-level folder of a package. internal is not a layer
// but a lock, so what is inside it counts for itself.
func layerFolder(pkg string) string {
	first, rest, _ := strings.Cut(pkg, "/")
	if first == "internal" {
		second, _, _ := strings.Cut(rest, "/")
		return path.Join(first, second)
	}
	return first
}

func layerList(names []string, none string) string {
	if len(names) == 0 {
		return none
	}
	return strings.Join(names, ", ")
}

// TestLayeringFails shows that each rule can fail: a check that passes whatever
// it reads would hold nothing.
func TestLayeringFails(t *testing.T) {
	t.Parallel()
	const ours = layerModule + "/"
	for name, test := range map[string]struct {
		files map[string]string // name: what it imports, separated by spaces
		want  []string          // a part of each sentence; none: the tree is legal
	}{
		"legal": {files: map[string]string{
			"task/task.go":                        "errors",
			"task/task_test.go":                   "testing github.com/stretchr/testify/require " + ours + "task",
			"task/testdata/ignored.go":            ours + "host",
			"host/run.go":                         ours + "abi github.com/tetratelabs/wazero/api",
			"host/wasi/wasi.go":                   ours + "host golang.org/x/sys/unix",
			"sqlitestore/store.go":                ours + "task github.com/riverqueue/river/riverdriver/riversqlite",
			"taskhost.go":                         ours + "host " + ours + "sqlitestore",
			"example_test.go":                     layerModule,
			"cmd/taskhost/main.go":                layerModule + " github.com/knadh/koanf/v2 github.com/lmittmann/tint",
			"examples/wasm-tasks/sum/main.go":     ours + "guest-sdk",
			"examples/wasm-tasks/sum/sum_test.go": ours + "guest-sdk/guesttest " + ours + "examples/inputs",
			"tests/storetest/suite.go":            ours + "sqlitestore github.com/stretchr/testify/require",
			"guest-sdk/imports_linux.go":          ours + "guest-sdk/internal/fakehost",
			"tools/go.mod":                        "",
			"tools/tool.go":                       ours + "host",
		}},
		"of ours, and unknown": {
			files: map[string]string{"task/task.go": ours + "host", "mystery/box.go": "fmt"},
			want: []string{
				"task/task.go: imports host, and of ours task may import nothing (the vocabulary",
				"mystery: has no row in layerTable",
			},
		},
		"behind a build tag": {
			files: map[string]string{"abi/abi_wasip1.go": ours + "task"},
			want:  []string{"abi/abi_wasip1.go: imports task"},
		},
		"the stand-in for the host in a guest": {
			files: map[string]string{"guest-sdk/imports_wasip1.go": ours + "guest-sdk/internal/fakehost"},
			want:  []string{"guest-sdk -> guest-sdk/internal/fakehost: a guest links only"},
		},
		"of others": {
			files: map[string]string{"host/run.go": "github.com/riverqueue/river", "httpapi/page.go": "github.com/jackc/pgx/v5"},
			want: []string{
				"host/run.go: imports github.com/riverqueue/river",
				"httpapi/page.go: imports github.com/jackc/pgx/v5, and of others httpapi may import * but",
				"httpapi -> github.com/jackc/pgx/v5: httpapi serves any store",
			},
		},
		"a longer path is not below a shorter one": {
			files: map[string]string{"host/run.go": "github.com/tetratelabs/wazero-other"},
			want:  []string{"host/run.go: imports github.com/tetratelabs/wazero-other"},
		},
		"reserved": {
			files: map[string]string{"taskhost.go": "github.com/lmittmann/tint github.com/stretchr/testify/require"},
			want:  []string{"taskhost.go: imports github.com/lmittmann/tint", "taskhost.go: imports github.com/stretchr/testify/require"},
		},
		"a test too far": {
			files: map[string]string{"host/run_test.go": ours + "task", "guest-sdk/sdk_test.go": ours + "host"},
			want: []string{
				"host/run_test.go: imports task",
				"guest-sdk/sdk_test.go: imports host, and of ours guest-sdk may import abi, internal/gojson, guest-sdk/internal/... and, in its tests, guest-sdk/guesttest",
			},
		},
		"root": {
			files: map[string]string{"taskhost.go": ours + "httpapi"},
			want:  []string{"taskhost.go: imports httpapi, and of ours . may import ... but cmd/..., httpapi/..."},
		},
		"cgo": {
			files: map[string]string{"cmd/taskhost/main.go": "C"},
			want:  []string{`cmd/taskhost/main.go: imports "C"`},
		},
		"reach": {
			files: map[string]string{
				"sqlitestore/store.go": ours + "modules", "modules/keep.go": ours + "host", "host/run.go": "github.com/tetratelabs/wazero",
				"examples/wasm-tasks/sum/main.go": ours + "guest-sdk", "guest-sdk/sdk.go": ours + "task",
			},
			want: []string{
				"modules/keep.go: imports host", "guest-sdk/sdk.go: imports task",
				"sqlitestore -> modules -> host -> github.com/tetratelabs/wazero: a program that only enqueues",
				"modules -> host -> github.com/tetratelabs/wazero: a program that only enqueues",
				"examples/wasm-tasks/sum -> guest-sdk -> task: a guest links only",
				"guest-sdk -> task: a guest links only",
			},
		},
		"mutual": {
			files: map[string]string{"tests/all.go": ours + "modules", "modules/keep_test.go": ours + "tests"},
			want: []string{
				"modules/keep_test.go: imports tests",
				"modules and tests import each other (modules/keep_test.go, tests/all.go)",
			},
		},
		"deep": {
			files: map[string]string{"tests/a/b/c/d/e/deep.go": "fmt"},
			want:  []string{"tests/a/b/c/d/e: is 6 folders deep"},
		},
		"a module of its own": {
			files: map[string]string{"extras/go.mod": "", "extras/x.go": ours + "host"},
			want:  []string{"extras: has a go.mod of its own"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			for file, imports := range test.files {
				var source strings.Builder
				source.WriteString("package x\n")
				for imported := range strings.FieldsSeq(imports) {
					fmt.Fprintf(&source, "import %q\n", imported)
				}
				file = filepath.Join(root, filepath.FromSlash(file))
				require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
				require.NoError(t, os.WriteFile(file, []byte(source.String()), 0o600))
			}
			tree, err := readLayers(root)
			require.NoError(t, err)
			got := tree.check()
			for _, want := range test.want {
				assert.True(t, slices.ContainsFunc(got, func(problem string) bool { return strings.HasPrefix(problem, want) }),
					"nothing begins with %q in\n%s", want, strings.Join(got, "\n"))
			}
			assert.Len(t, got, len(test.want), "%s", strings.Join(got, "\n"))
		})
	}
}
