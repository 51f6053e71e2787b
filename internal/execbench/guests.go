package execbench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host"
	"github.com/taskhost/taskhost/internal/guestbuild"
)

// OwnGuest is the name of the guest that is not the benchmark's but the caller's.
const OwnGuest = "own"

// The benchmark's guests.
const (
	goRaw          = "go-raw"
	goJSON         = "go-json"
	cRaw           = "c"
	rustRaw        = "rust"
	assemblyScript = "assemblyscript"
	small          = "small"
)

const (
	payload = `{"item":"a cup of tea","count":3,"price":1.5,"paid":true}`
	bill    = `{"item":"a cup of tea","total":4.5,"open":false}`
	// sources is where guests are, from the root of the project.
	sources = "host/testdata/"
)

// guest is what executions run.
type guest struct {
	name string
	// source is the folder that it is built from, "" where it is there as wasm.
	source string
	wasm   []byte

	definition string // "" for the first
	index      int
	command    bool
	limits     host.Limits

	input []byte
	// want is the output, nil where it is not the same each time.
	want []byte
	// missing says why there is none here, or is nil.
	missing error
}

func builtinGuests() []*guest {
	return []*guest{
		{name: goRaw, source: "raw-go", input: []byte(payload), want: []byte(payload)},
		{name: goJSON, source: "json-go", input: []byte(payload), want: []byte(bill)},
		{name: cRaw, source: "raw-c", input: []byte(payload), want: []byte(payload)},
		{name: rustRaw, source: "raw-rust", input: []byte(payload), want: []byte(payload)},
		{name: assemblyScript, source: "raw-assemblyscript", input: []byte(payload), want: []byte(payload)},
		{name: small, wasm: smallGuest(), input: []byte(payload), want: []byte(payload)},
	}
}

// chooseGuests returns the guests with these names, all if there are none.
func chooseGuests(config *Config) ([]*guest, error) {
	all := builtinGuests()
	if config.Own != nil {
		all = append(all, &guest{name: OwnGuest, wasm: config.Own.Wasm, definition: config.Own.Definition, input: config.Own.Input})
	}
	var known []string
	var chosen []*guest
	for _, g := range all {
		known = append(known, g.name)
		if len(config.Guests) == 0 || slices.Contains(config.Guests, g.name) {
			chosen = append(chosen, g)
		}
	}
	for _, name := range config.Guests {
		if !slices.Contains(known, name) {
			return nil, &ConfigError{fmt.Sprintf("there is no guest %q: there are %s", name, strings.Join(known, ", "))}
		}
	}
	return chosen, nil
}

// compile builds a guest of the project's, or returns a *missingError.
func compile(ctx context.Context, source string) ([]byte, error) {
	wasm, err := guestbuild.CompileInClone(ctx, sources+source)
	if reason, unavailable := guestbuild.Unavailable(err); unavailable {
		return nil, &missingError{reason}
	}
	return wasm, err
}

// get builds a guest and has the engine prepare it.
func (b *bench) get(ctx context.Context, g *guest) error {
	if g.source != "" {
		var err error
		if g.wasm, err = compile(ctx, g.source); errors.As(err, new(*missingError)) {
			g.missing = err
			return nil
		}
		if err != nil {
			return err
		}
	}
	if err := b.engine.Prepare(ctx, g.name, g.wasm); err != nil {
		return err
	}
	if g.name != OwnGuest {
		return nil
	}
	if err := b.find(ctx, g); err != nil {
		return err
	}
	return b.learn(ctx, g)
}

// find looks up the definition that is asked for.
func (b *bench) find(ctx context.Context, g *guest) (err error) {
	if g.command, err = b.engine.IsCommand(ctx, g.name); err != nil || g.command {
		return err
	}
	text, err := b.engine.Describe(ctx, g.name)
	if err != nil {
		return err
	}
	var manifest abi.Manifest
	if err := json.Unmarshal(text, &manifest); err != nil {
		return fmt.Errorf("read what the module declares: %w", err)
	}
	var known []string
	for i := range manifest.Definitions {
		d := &manifest.Definitions[i]
		if d.Name == g.definition || g.definition == "" && len(manifest.Definitions) == 1 {
			g.index, g.definition = i, d.Name
			g.limits = host.Limits{Memory: d.Options.MemoryBytes, Depth: d.Options.Depth, Output: int(d.Options.ResultBytes)}
			return nil
		}
		known = append(known, d.Name)
	}
	return &ConfigError{"name one of the module's tasks, as in FILE.wasm:TASK: " + strings.Join(known, ", ")}
}

// learn finds out what the output of a guest is, if it is the same each time.
func (b *bench) learn(ctx context.Context, g *guest) error {
	var outputs [2][]byte
	for i := range outputs {
		out, err := b.execute(ctx, g, g.attempt(false))
		if err != nil {
			return err
		}
		outputs[i] = append([]byte{}, out...)
	}
	if slices.Equal(outputs[0], outputs[1]) {
		g.want = outputs[0]
	}
	return nil
}

// check holds an output against what it has to be.
func (g *guest) check(output []byte) error {
	if g.want == nil || string(output) == string(g.want) {
		return nil
	}
	return fmt.Errorf("the output is %s and should be %s", quoted(output), quoted(g.want))
}

func quoted(text []byte) string {
	const most = 100
	if len(text) > most {
		return fmt.Sprintf("%q... of %d bytes", text[:most], len(text))
	}
	return fmt.Sprintf("%q", text)
}

// noCalls takes what guests log.
type noCalls struct{}

func (noCalls) Log(context.Context, host.LogLine) {}
