package execbench

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// inProcess is the mode that the others are compared with.
const inProcess = "inprocess"

// mode is a way to execute something.
type mode struct {
	name string
	// instead is the guest of a mode that runs a program of its own in place of
	// those that were asked for, or nil.
	instead *guest
	open    opener
}

// opener makes what executes a guest in one way.
type opener func(ctx context.Context, b *bench, g *guest) (*subject, error)

// subject executes one thing in one way.
type subject struct {
	// measure executes it again and again for a time, and holds each output against
	// what it has to be.
	measure func(ctx context.Context, d time.Duration, goroutines int) (*sample, error)
	close   func(ctx context.Context) error // may be nil
}

// calling is a subject for what is one call.
func calling(call func(context.Context) error) *subject {
	return &subject{measure: func(ctx context.Context, d time.Duration, goroutines int) (*sample, error) {
		return repeat(ctx, d, goroutines, call)
	}}
}

// allModes are in the order of the rows.
func allModes() []*mode {
	echo := func(name string) *guest {
		return &guest{name: name, input: []byte(payload), want: []byte(payload)}
	}
	return []*mode{
		{name: inProcess, open: openEngine(false)},
		{name: "fresh", open: openEngine(true)},
		{name: "worker", open: openWorkers},
		{name: "plain-wazero", open: openPlain(false)},
		{name: "close-on-done", open: openPlain(true)},
		{name: "exec", instead: echo("go-native"), open: openExec},
		{name: "python-pool", instead: echo("python"), open: openPython},
	}
}

// chooseModes returns the modes with these names, all if there are none.
func chooseModes(names []string) ([]*mode, error) {
	var known []string
	var chosen []*mode
	for _, m := range allModes() {
		known = append(known, m.name)
		if len(names) == 0 || slices.Contains(names, m.name) {
			chosen = append(chosen, m)
		}
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, &ConfigError{fmt.Sprintf("there is no mode %q: there are %s", name, strings.Join(known, ", "))}
		}
	}
	return chosen, nil
}

// plan lists the rows.
func (b *bench) plan() {
	add := func(g *guest, m *mode, goroutines int) {
		b.cells = append(b.cells, &cell{guest: g, mode: m, goroutines: goroutines})
	}
	opened := len(b.guests)
	for _, g := range b.guests {
		for _, m := range b.modes {
			if m.instead != nil {
				continue
			}
			opened++
			counts := []int{b.config.Parallel}
			if m.name == inProcess { // whether throughput grows with the second processor
				counts = append(counts, 1, 2)
				slices.Sort(counts)
			}
			for _, n := range slices.Compact(counts) {
				add(g, m, n)
			}
		}
	}
	for _, m := range b.modes {
		if m.instead != nil {
			opened++
			add(m.instead, m, b.config.Parallel)
		}
	}
	b.total = opened + rounds*len(b.cells)
	if b.config.CPU {
		for _, m := range cpuModules() {
			b.total += 1 + len(m.cases)
		}
	}
}

func (c *cell) name() string {
	if c.goroutines > 1 {
		return fmt.Sprintf("%s, %s, %d goroutines", c.guest.name, c.mode.name, c.goroutines)
	}
	return fmt.Sprintf("%s, %s", c.guest.name, c.mode.name)
}
