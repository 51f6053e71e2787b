package execbench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host/fuel"
	"github.com/taskhost/taskhost/host/wasi"
	"github.com/taskhost/taskhost/host/wasmfile"
)

// cpuWays are the ways in which a guest can be made to stop, or not. The first is
// what the others are compared with.
var cpuWays = [...]struct {
	name   string
	fueled bool
	closes bool // wazero's own way
}{{name: "off"}, {name: "fuel", fueled: true}, {name: "close-on-done", closes: true}}

// cpuModule is a guest that computes.
type cpuModule struct {
	name   string
	source string // as that of a guest, "" where it is there as wasm
	wasm   []byte
	cases  []*cpuCase

	runtimes  []wazero.Runtime
	instances [len(cpuWays)]api.Module
	missing   error
}

// cpuCase is one of its functions.
type cpuCase struct {
	name, function string
	n              uint64
	times          [len(cpuWays)]histogram
}

func cpuModules() []*cpuModule {
	inAll := func() []*cpuCase {
		return []*cpuCase{
			{name: "sieve", function: "sieve", n: 300_000},
			{name: "sha256", function: "sha", n: 500},
			{name: "sort", function: "sorted", n: 50_000},
			{name: "matrix", function: "matrix", n: 100},
			{name: "fib", function: "fibonacci", n: 23},
		}
	}
	return []*cpuModule{
		{name: "go", source: "work", cases: append(inAll(),
			&cpuCase{name: "json", function: "documents", n: 300},
			&cpuCase{name: "regexp", function: "patterns", n: 100})},
		{name: "c", source: "work-c", cases: inAll()},
		{name: "rust", source: "work-rust", cases: inAll()},
		{name: "small", wasm: arithmetic(), cases: []*cpuCase{
			{name: "tight", function: "tight", n: 3_000_000},
			{name: "fib-loop-free", function: "fib", n: 27},
		}},
	}
}

// measureCPU measures what it costs that a guest can be stopped.
func (b *bench) measureCPU(ctx context.Context) error {
	for _, m := range cpuModules() {
		b.cpu = append(b.cpu, m)
		if err := b.step(ctx, "prepare the "+m.name+" guest that computes", func() error { return m.open(ctx) }); err != nil {
			return err
		}
		for _, c := range m.cases {
			if err := b.step(ctx, m.rowName(c), func() error { return m.measure(ctx, c, b.config.Duration) }); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *cpuModule) rowName(c *cpuCase) string { return "cpu-" + m.name + "-" + c.name }

func (m *cpuModule) open(ctx context.Context) error {
	if m.source != "" {
		var err error
		if m.wasm, err = compile(ctx, m.source); errors.As(err, new(*missingError)) {
			m.missing = err
			return nil
		}
		if err != nil {
			return err
		}
	}
	for way := range cpuWays {
		if err := m.instantiate(ctx, way); err != nil {
			return err
		}
	}
	return nil
}

func (m *cpuModule) instantiate(ctx context.Context, number int) error {
	way := cpuWays[number]
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithDebugInfoEnabled(false).WithCloseOnContextDone(way.closes))
	m.runtimes = append(m.runtimes, r)
	if _, err := wasi.Instantiate(ctx, r); err != nil {
		return err
	}
	code := m.wasm
	if way.fueled {
		file, err := wasmfile.Read(code)
		if err != nil {
			return err
		}
		if code, err = fuel.Rewrite(file, code); err != nil {
			return err
		}
	}
	instance, err := r.InstantiateWithConfig(ctx, code, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return err
	}
	m.instances[number] = instance
	if way.fueled {
		meter, err := fuel.Attach(instance)
		if err != nil {
			return err
		}
		meter.Arm(0, fuel.MaxDepth)
	}
	if initialize := instance.ExportedFunction(abi.ExportInitialize); initialize != nil {
		if _, err := initialize.Call(ctx); err != nil {
			return err
		}
	}
	return nil
}

// measure has each way compute for as long as a row is measured, or once. The ways
// take turns, so that what else the machine does weighs on all alike.
func (m *cpuModule) measure(ctx context.Context, c *cpuCase, d time.Duration) error {
	if m.missing != nil {
		return nil
	}
	var calls [len(cpuWays)]api.Function
	for way, instance := range m.instances {
		if calls[way] = instance.ExportedFunction(c.function); calls[way] == nil {
			return fmt.Errorf("the guest does not export %s", c.function)
		}
	}
	limited, cancel := context.WithTimeout(ctx, maxDuration) // there is something to look at
	defer cancel()
	want := uint64(0)
	for until := time.Now().Add(d * time.Duration(len(cpuWays))); ; {
		for way, call := range calls {
			begin := time.Now()
			got, err := call.Call(limited, c.n)
			c.times[way].add(time.Since(begin))
			if err != nil {
				return err
			}
			if way == 0 {
				want = got[0]
			}
			if got[0] != want {
				return fmt.Errorf("%s gives %d, and %d without", cpuWays[way].name, got[0], want)
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !time.Now().Before(until) {
			return nil
		}
	}
}

// ratio is of the fastest turns: what else the machine does only ever slows them.
func (c *cpuCase) ratio(way int) float64 {
	return float64(c.times[way].least) / float64(c.times[0].least)
}

func (m *cpuModule) close(ctx context.Context) error {
	var err error
	for _, r := range m.runtimes {
		err = errors.Join(err, r.Close(ctx))
	}
	return err
}

// geomean is the geometric mean of a way's ratios, nil where there are none.
func (b *bench) geomean(way int) *float64 {
	sum, count := 0.0, 0
	for _, m := range b.cpu {
		for _, c := range m.cases {
			if c.times[way].total > 0 {
				sum += math.Log(c.ratio(way))
				count++
			}
		}
	}
	if count == 0 {
		return nil
	}
	return new(round(math.Exp(sum/float64(count)), 100))
}
