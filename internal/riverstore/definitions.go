package riverstore

import (
	"context"
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
