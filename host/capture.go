package host

import (
	"context"
	"time"

	"github.com/taskhost/taskhost/host/snapshot"
	"github.com/taskhost/taskhost/host/wasi"
)

// Before a module is executed it is set up once, and an image taken of what it is
// like then, from which all executions begin. The image must hold nothing that would
// have to be new in each of them: so what the module asks its host for meanwhile is
// written down, and the image is taken before it asks for what it may not keep.

// A stage is how far a module is set up.
type stage int

const (
	untouched   stage = iota
	initialized       // its start function and _initialize have run
	described         // it has declared its definitions, for a first use of what runs
	warmedUp          // it has refused to run what it has not, for the same reason
)

const (
	// captureTimeout bounds all rehearsals of a module. One that takes longer is set up
	// in each execution.
	captureTimeout = 5 * time.Second
	// maxImage bounds what is in the memory of an image, in bytes.
	maxImage = 256 << 20
	// warmUps is how often the last stage is run: until nothing is new any more.
	warmUps = 3
	// ownSDK begins the name of the SDKs that are known to refuse to run a
	// definition that there is not, before anything of the author's runs.
	ownSDK = "go/"
	// noDefinition is an index that no module has.
	noDefinition = -1
	// otherDay is by how much the time of day is off, to see what is made of it: so
	// that no part of a date or a time is the same, and a remainder neither.
	otherDay = 988*24*time.Hour + 3*time.Hour + 46*time.Minute + 19*time.Second + 123_456_789
	// goGenerators is how many random number generators the runtime of a Go program
	// has.
	goGenerators = 2
	// goDraws is how often a Go program asks for randomness before its main
	// package is initialized: once, to seed what it takes all other from.
	goDraws = 1
)

// capture takes the image that executions begin from, as far along as it may be.
func (m *module) capture(ctx context.Context) error {
	m.start = origin{image: m.first}
	ctx, cancel := context.WithTimeout(ctx, m.engine.patience)
	defer cancel()
	// From a whole second on, so that the nanoseconds of the other day carry nothing over.
	setting := setting{seed: newSeed(), wall: time.Now().Truncate(time.Second)}
	full, err := m.rehearse(ctx, setting, warmedUp)
	if err != nil || full == nil {
		return err
	}
	defer full.end(ctx)
	if full.reached >= described {
		m.manifest = full.output
	}
	if m.command || !m.resets {
		return nil
	}
	for last := full.reached; last > untouched; last-- {
		from, err := m.imageOf(ctx, full, setting, last)
		if err != nil {
			return err
		}
		if from.image != nil {
			m.start = from
			break
		}
		m.start.why = from.why
	}
	return m.verify(ctx)
}

// imageOf takes the image at the end of a stage, or says why it may not be kept.
func (m *module) imageOf(ctx context.Context, full *rehearsal, as setting, last stage) (from origin, err error) {
	a := full
	if last < full.begun {
		if a, err = m.rehearse(ctx, as, last); err != nil || a == nil {
			return origin{why: "it does not do the same each time"}, err
		}
		defer a.end(ctx)
	}
	seen := full.seen[last]
	switch {
	case a.reached < last:
		return origin{why: "it does not do the same each time"}, nil
	case seen.task > 0:
		return origin{why: "it asks for its task before it has one"}, nil
	case a.instance.memory.Size() > maxImage:
		return origin{why: "it sets up more than " + bytesText(maxImage) + " of memory"}, nil
	}
	from = origin{initialized: true, clock: a.clock}
	if seen.Draws != (wasi.Draws{}) {
		if err = m.findState(ctx, &from, a, as, last); err != nil || from.why != "" {
			return from, err
		}
	}
	from.image, err = m.engine.space.Capture(a.instance.memory, a.instance.globals)
	return from, err
}

// findState finds the random state and the times of a Go program, whose runtime
// draws randomness and looks at clocks before anything else is run. It says why where
// anything else was made of them.
func (m *module) findState(ctx context.Context, from *origin, a *rehearsal, as setting, last stage) error {
	from.why = drawn(a.seen[last].Draws)
	if a.seen[last].Random != goDraws {
		return nil
	}
	b, err := m.rehearse(ctx, setting{seed: newSeed(), wall: as.wall}, last)
	if err != nil || b == nil {
		return err
	}
	defer b.end(ctx)
	from.random = snapshot.FindGoRandom(a.instance.memory, b.instance.memory)
	if from.random.Found() < goGenerators {
		return nil
	}
	c, err := m.rehearse(ctx, setting{seed: as.seed, wall: as.wall.Add(otherDay)}, last)
	if err != nil || c == nil {
		return err
	}
	defer c.end(ctx)
	times, exact := snapshot.FindGoTimes(a.instance.memory, c.instance.memory, otherDay, a.clock)
	if !exact {
		from.why = "it makes something of the time while it initialises"
		return nil
	}
	from.times, from.why = times, ""
	return nil
}

func drawn(d wasi.Draws) string {
	if d.Random > 0 {
		return "it draws random numbers while it initialises"
	}
	return "it looks at the clock while it initialises"
}

// verify makes sure that an instance can be taken back, and keeps it for the first
// execution. One that cannot be makes the module run in new ones.
func (m *module) verify(ctx context.Context) error {
	i, err := m.instantiate(ctx, m.start.image, Limits{}.WithDefaults().Memory)
	if err != nil {
		return nil //nolint:nilerr // the executions will say why
	}
	r := m.newRehearsal(i, setting{seed: newSeed(), wall: time.Now()})
	exact := i.isExact()
	next := initialized
	if m.start.initialized {
		next = described
	}
	r.run(ctx, next, next)
	if !exact || !i.reusable(nil) || i.reset() != nil || !i.isExact() {
		m.resets = false
		return i.close(ctx)
	}
	m.idle = append(m.idle, i)
	return nil
}

// isExact reports whether the instance is what its image is.
func (i *instance) isExact() bool { return i.memory.Equal() && i.image.Has(i.globals) }
