package riverstore

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

// declared is a database with one definition, which can change.
type declared struct {
	def   task.Definition
	reads int
}

func (d *declared) db() *fakeDB {
	return &fakeDB{definition: func(string) (*task.Definition, error) {
		d.reads++
		def := d.def
		return &def, nil
	}}
}

func TestDefinitionsAreRememberedForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		have := &declared{def: task.Definition{Name: "a", Description: "first"}}
		d, from := newDefinitions(), have.db()
		first, err := d.get(t.Context(), from, "a")
		require.NoError(t, err)
		have.def.Description = "second"

		waitFor(t.Context(), definitionTTL-1)
		again, err := d.get(t.Context(), from, "a")
		require.NoError(t, err)
		require.Same(t, first, again)
		require.Equal(t, 1, have.reads)

		waitFor(t.Context(), 1)
		fresh, err := d.get(t.Context(), from, "a")
		require.NoError(t, err)
		require.Equal(t, "second", fresh.Description)
		require.Equal(t, 2, have.reads)
	})
}

// waitFor lets time go by inside a bubble of synctest.
func waitFor(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-ctx.Done()
}

func TestDefinitionsForget(t *testing.T) {
	have := &declared{def: task.Definition{Name: "a", Description: "first"}}
	d, from := newDefinitions(), have.db()
	_, err := d.get(t.Context(), from, "a")
	require.NoError(t, err)
	have.def.Description = "second"
	d.forget()
	fresh, err := d.get(t.Context(), from, "a")
	require.NoError(t, err)
	require.Equal(t, "second", fresh.Description)
}

// TestDefinitionsForgetWhatIsBeingRead: a push comes while an enqueue reads the
// definition. Whoever enqueues after the push must get the new one: "changes of
// this process are seen at once".
func TestDefinitionsForgetWhatIsBeingRead(t *testing.T) {
	have := &declared{def: task.Definition{Name: "a", Description: "before the push"}}
	db := have.db()
	read := db.definition
	reading, release := make(chan struct{}), make(chan struct{})
	db.definition = func(name string) (*task.Definition, error) {
		def, err := read(name)
		if have.reads == 1 {
			close(reading)
			<-release
		}
		return def, err
	}
	d, from := newDefinitions(), db
	done := make(chan error)
	go func() {
		_, err := d.get(t.Context(), from, "a")
		done <- err
	}()
	<-reading
	have.def.Description = "after the push"
	d.forget()
	close(release)
	require.NoError(t, <-done)

	got, err := d.get(t.Context(), from, "a")
	require.NoError(t, err)
	require.Equal(t, "after the push", got.Description)
}

func TestDefinitionsCompileASchemaOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		have := &declared{def: task.Definition{Name: "a", Args: json.RawMessage(`{"type":"string"}`)}}
		d, from := newDefinitions(), have.db()
		get := func() *definition {
			waitFor(t.Context(), definitionTTL)
			def, err := d.get(t.Context(), from, "a")
			require.NoError(t, err)
			return def
		}
		first := get()
		require.NotNil(t, first.schema)
		have.def.Description = "another text"
		second := get()
		require.Equal(t, "another text", second.Description)
		require.Same(t, first.schema, second.schema)

		have.def.Args = json.RawMessage(`{"type":"number"}`)
		third := get()
		require.NotSame(t, first.schema, third.schema)
		require.Empty(t, third.schema.Check([]byte(`1`)))

		have.def.Args = nil
		require.Nil(t, get().schema)
	})
}

func TestDefinitionsPassErrors(t *testing.T) {
	db := &fakeDB{definition: func(string) (*task.Definition, error) { return nil, errDown }}
	_, err := newDefinitions().get(t.Context(), db, "a")
	require.ErrorIs(t, err, errDown)

	db.definition = func(string) (*task.Definition, error) {
		return &task.Definition{Name: "a", Args: json.RawMessage(`{"type":5}`)}, nil
	}
	_, err = newDefinitions().get(t.Context(), db, "a")
	require.ErrorContains(t, err, "argument schema: ")
}

func TestDefinitionsSuggest(t *testing.T) {
	db := &fakeDB{
		definition: func(name string) (*task.Definition, error) {
			return nil, fmt.Errorf("definition %s: %w", name, task.ErrNotFound)
		},
		names: func() ([]string, error) { return []string{"greet", "count"}, nil },
	}
	_, err := newDefinitions().get(t.Context(), db, "greeet")
	var unknown *task.UnknownNameError
	require.ErrorAs(t, err, &unknown)
	require.Equal(t, &task.UnknownNameError{Name: "greeet", Near: []string{"greet"}}, unknown)

	db.names = func() ([]string, error) { return nil, errDown }
	_, err = newDefinitions().get(t.Context(), db, "greeet")
	require.ErrorIs(t, err, errDown)
}
