// Package spectest runs the tests of the WebAssembly specification on modules as they
// are and as a rewriter makes them, for the tests of rewriters.
package spectest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/taskhost/taskhost/host/wasmfile"
)

// A Rewriter changes a module. An error stands for that of an instantiation.
type Rewriter func(t *testing.T, wasm []byte) (*Rewritten, error)

// Rewritten is a module that was changed.
type Rewritten struct {
	Code []byte
	// Context is what it is instantiated in, nil for the test's.
	Context context.Context //nolint:containedctx // it is handed over, and used at once
	// Start is called with the instance before anything runs in it, where it is not
	// nil. An error stands for that of the start function.
	Start func(ctx context.Context, instance api.Module) error
	// Done is called after the last call, where it is not nil.
	Done func(ctx context.Context, instance api.Module)
}

// Test runs each script twice, as it is and rewritten. It has to come out the same:
// which modules are accepted, what each call returns, and which trap. The scripts lie
// in wazero's module.
func Test(t *testing.T, rewrite Rewriter) {
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	require.NoError(t, err)
	root := filepath.Join(strings.TrimSpace(string(dir)), "internal/integration_test/spectest")
	// All calls of version 1 are in version 2 too, so that of version 1 modules suffice.
	var total tally
	for _, version := range []string{"v2", "v1"} {
		scripts, err := filepath.Glob(filepath.Join(root, version, "testdata", "*.json"))
		require.NoError(t, err)
		for _, script := range scripts {
			t.Run(version+"/"+strings.TrimSuffix(filepath.Base(script), ".json"), func(t *testing.T) {
				s := newSpec(t, root, script, rewrite)
				s.run(version == "v2")
				total.add(s.tally)
			})
		}
	}
	t.Logf("%+v", total)
	require.Greater(t, total.modules, 2000)
	require.Greater(t, total.refused, 4000)
	require.Greater(t, total.returned, 40_000)
	require.Greater(t, total.trapped, 2000)
}

// tally is how many modules were accepted and refused, and how many calls returned
// and trapped, each both before and after.
type tally struct{ modules, refused, returned, trapped int }

func (a *tally) add(b tally) {
	a.modules += b.modules
	a.refused += b.refused
	a.returned += b.returned
	a.trapped += b.trapped
}

// command is a line of a script.
type command struct {
	Type       string
	Line       int
	Name       string
	Filename   string
	As         string
	ModuleType string `json:"module_type"`
	Action     struct {
		Type   string
		Module string
		Field  string
		Args   []struct {
			Type     string
			LaneType string `json:"lane_type"`
			Value    any
		}
	}
}

// spec runs a script in two runtimes.
type spec struct {
	t          *testing.T
	dir        string
	commands   []command
	plain, own *side
	tally
}

// side is a runtime, and the instances in it by their name in the script.
type side struct {
	runtime   wazero.Runtime
	rewrite   Rewriter // nil for as it is
	instances map[string]api.Module
	last      api.Module
	done      []func()
}

func newSpec(t *testing.T, root, script string, rewrite Rewriter) *spec {
	s := &spec{t: t, dir: filepath.Dir(script)}
	text, err := os.ReadFile(script)
	require.NoError(t, err)
	var file struct{ Commands []command }
	require.NoError(t, json.Unmarshal(text, &file))
	s.commands = file.Commands
	spectest, err := os.ReadFile(filepath.Join(root, "testdata", "spectest.wasm"))
	require.NoError(t, err)
	s.plain, s.own = newSide(t, nil), newSide(t, rewrite)
	for _, side := range []*side{s.plain, s.own} {
		_, err = side.runtime.InstantiateWithConfig(t.Context(), spectest, wazero.NewModuleConfig())
		require.NoError(t, err)
	}
	return s
}

func newSide(t *testing.T, rewrite Rewriter) *side {
	config := wazero.NewRuntimeConfigCompiler().WithCoreFeatures(api.CoreFeaturesV2).WithDebugInfoEnabled(false)
	side := &side{runtime: wazero.NewRuntimeWithConfig(t.Context(), config), rewrite: rewrite, instances: map[string]api.Module{}}
	t.Cleanup(func() { require.NoError(t, side.runtime.Close(context.Background())) })
	return side
}

func (s *spec) run(calls bool) {
	for i, c := range s.commands {
		at := fmt.Sprintf("line %d: %s %s", c.Line, c.Type, c.Action.Field)
		switch c.Type {
		case "module", "assert_unlinkable", "assert_uninstantiable":
			as := ""
			if i+1 < len(s.commands) && s.commands[i+1].Type == "register" {
				as = s.commands[i+1].As
			}
			s.instantiate(at, c, as)
		case "assert_invalid", "assert_malformed":
			if c.ModuleType != "text" {
				s.instantiate(at, c, "")
			}
		case "assert_return", "assert_trap", "action":
			if calls && c.Action.Type == "invoke" {
				s.call(at, c)
			}
		}
	}
	for _, done := range s.own.done {
		done()
	}
}

func (s *spec) instantiate(at string, c command, as string) {
	wasm, err := os.ReadFile(filepath.Join(s.dir, c.Filename))
	require.NoError(s.t, err, at)
	if _, err := wasmfile.Read(wasm); err != nil && c.Type == "module" {
		// A limit of ours on the number of tables. Nothing later can be compared.
		s.t.Logf("%s: %v", at, err)
	}
	want := s.plain.instantiate(s.t, wasm, c.Name, as)
	have := s.own.instantiate(s.t, wasm, c.Name, as)
	require.Equal(s.t, want == nil, have == nil, "%s %s: %v, and rewritten %v", at, c.Filename, want, have)
	if want == nil {
		s.modules++
	} else {
		s.refused++
	}
}

func (d *side) instantiate(t *testing.T, wasm []byte, name, as string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	change := &Rewritten{Code: wasm}
	if d.rewrite != nil {
		if change, err = d.rewrite(t, wasm); err != nil {
			return err
		}
	}
	ctx := t.Context()
	if change.Context != nil {
		ctx = change.Context
	}
	instance, err := d.runtime.InstantiateWithConfig(ctx, change.Code, wazero.NewModuleConfig().WithName(as).WithStartFunctions())
	if err != nil {
		return err
	}
	if change.Start != nil {
		if err := change.Start(t.Context(), instance); err != nil {
			return err
		}
	}
	if change.Done != nil {
		d.done = append(d.done, func() { change.Done(t.Context(), instance) })
	}
	if d.last = instance; name != "" {
		d.instances[name] = instance
	}
	if as != "" {
		d.instances[as] = instance
	}
	return nil
}

func (s *spec) call(at string, c command) {
	var args []uint64
	for _, arg := range c.Action.Args {
		args = append(args, values(s.t, arg.Type, arg.LaneType, arg.Value)...)
	}
	want, wantErr := s.plain.call(s.t, c, args)
	have, haveErr := s.own.call(s.t, c, args)
	require.Equal(s.t, want, have, at)
	if wantErr != nil {
		require.Error(s.t, haveErr, at)
		first := func(err error) string { text, _, _ := strings.Cut(err.Error(), "\n"); return text }
		require.Equal(s.t, first(wantErr), first(haveErr), at)
		s.trapped++
		return
	}
	require.NoError(s.t, haveErr, at)
	s.returned++
}

const funcref = 0x70 // package api has no name for it

func (d *side) call(t *testing.T, c command, args []uint64) ([]uint64, error) {
	instance := d.last
	if c.Action.Module != "" {
		instance = d.instances[c.Action.Module]
	}
	f := instance.ExportedFunction(c.Action.Field)
	require.NotNil(t, f, c.Action.Field)
	results, err := f.Call(t.Context(), args...)
	for i, kind := range f.Definition().ResultTypes() { // addresses, of the one runtime or the other
		if err == nil && kind == funcref && results[i] != 0 {
			results[i] = 1
		}
	}
	return results, err
}

// values are those of an argument: two for a vector.
func values(t *testing.T, kind, lane string, value any) []uint64 {
	if kind == "v128" {
		lanes := value.([]any)
		bits := 128 / len(lanes)
		var out [2]uint64
		for i, v := range lanes {
			n, err := strconv.ParseUint(v.(string), 10, 64)
			require.NoError(t, err, lane)
			out[i*bits/64] |= n << (i * bits % 64)
		}
		return out[:]
	}
	text, ok := value.(string)
	switch {
	case !ok || text == "null":
		return []uint64{0}
	case strings.HasPrefix(text, "-"):
		n, err := strconv.ParseInt(text, 10, 64)
		require.NoError(t, err)
		if strings.HasSuffix(kind, "32") {
			return []uint64{uint64(uint32(n))}
		}
		return []uint64{uint64(n)}
	default:
		n, err := strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
		if kind == "externref" {
			n++ // 0 is null to wazero
		}
		return []uint64{n}
	}
}
