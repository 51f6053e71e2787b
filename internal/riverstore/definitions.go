package riverstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/taskhost/taskhost/internal/argschema"
	"github.com/taskhost/taskhost/task"
)

// definitionTTL is how long another process's change of a definition may go
// unnoticed. Changes of this process are seen at once.
const definitionTTL = time.Second

// definition is a task.Definition with its schema ready for use.
type definition struct {
	*task.Definition

	schema *argschema.Schema // nil where the definition takes anything
	readAt time.Time
}

// definitions remembers definitions for a moment, so that a burst of requests
// reads and compiles them once.
type definitions struct {
	mu    sync.Mutex
	known map[string]*definition
	// generation counts changes, so that what was read before one is not kept
	// after it.
	generation int
}

func newDefinitions() *definitions {
	return &definitions{known: make(map[string]*definition)}
}

func (d *definitions) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.known)
	d.generation++
}

func (d *definitions) get(ctx context.Context, db Definitions, name string) (*definition, error) {
	d.mu.Lock()
	known, generation := d.known[name], d.generation
	d.mu.Unlock()
	if known != nil && time.Since(known.readAt) < definitionTTL {
		return known, nil
	}

	readAt := time.Now()
	read, err := db.Definition(ctx, name)
	if err != nil {
		return nil, unknownName(ctx, db, name, err)
	}
	fresh := &definition{Definition: read, readAt: readAt}
	switch {
	case len(read.Args) == 0:
	case known != nil && string(known.Args) == string(read.Args):
		fresh.schema = known.schema
	default:
		if fresh.schema, err = argschema.Compile(read.Args); err != nil {
			return nil, err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.generation == generation {
		d.known[name] = fresh
	}
	return fresh, nil
}

// version returns a definition as a version of its module declares it, 0 for the one
// that is live.
func (d *definitions) version(ctx context.Context, db Definitions, name string, version int) (*definition, error) {
	live, err := d.get(ctx, db, name)
	if err != nil || version == 0 {
		return live, err
	}
	if live.Module == nil {
		return nil, &task.InvalidError{Field: "version", Problem: fmt.Sprintf("cannot be chosen, because %s is a Go function", name)}
	}
	if version == live.Module.Version {
		return live, nil
	}
	// A version never changes, so it is remembered for as long as all is.
	pinned := fmt.Sprintf("%s version %d of %s", name, version, live.Module.Name)
	d.mu.Lock()
	known, generation := d.known[pinned], d.generation
	d.mu.Unlock()
	if known != nil {
		return known, nil
	}
	declared, err := db.VersionDefinitions(ctx, live.Module.Name, version)
	if err != nil {
		if errors.Is(err, task.ErrNotFound) {
			return nil, &task.InvalidError{Field: "version", Problem: fmt.Sprintf("is %d, and module %s has no such version", version, live.Module.Name)}
		}
		return nil, err
	}
	i := slices.IndexFunc(declared, func(def task.Definition) bool { return def.Name == name })
	if i < 0 {
		return nil, &task.InvalidError{Field: "version", Problem: fmt.Sprintf("is %d, and that version of module %s does not have %s", version, live.Module.Name, name)}
	}
	fresh := &definition{Definition: &declared[i]}
	if len(fresh.Args) > 0 {
		if fresh.schema, err = argschema.Compile(fresh.Args); err != nil {
			return nil, err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.generation == generation {
		d.known[pinned] = fresh
	}
	return fresh, nil
}
