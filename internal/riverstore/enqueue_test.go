package riverstore

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

// enqueuer has the definitions free, which takes anything, and typed, which
// takes an object with a number n.
func enqueuer(insert func([]*Row) ([]task.ID, error)) *Enqueuer {
	return NewEnqueuer(&fakeDB{
		insert: insert,
		names:  func() ([]string, error) { return nil, nil },
		definition: func(name string) (*task.Definition, error) {
			def := &task.Definition{Name: name, Options: task.Options{Priority: 7, Timeout: 9 * time.Second}}
			switch name {
			case "typed":
				def.Args = json.RawMessage(`{"type":"object","properties":{"n":{"type":"number"}}}`)
			case "free":
			default:
				return nil, task.ErrNotFound
			}
			return def, nil
		},
	}, EnqueuerConfig{})
}

func TestEnqueueTakesTheDefinitionsChoices(t *testing.T) {
	var db inserted
	e := enqueuer(db.insert)
	id, err := e.Enqueue(t.Context(), task.Request{Name: "free"})
	require.NoError(t, err)
	row := db.rows()[0]
	require.Equal(t, &Row{
		ID: id, Definition: row.Definition, ArgsType: "application/json", Source: task.Manual,
		Priority: 7, Timeout: 9 * time.Second,
	}, row)
	require.Equal(t, "free", row.Definition.Name)
	require.Equal(t, byte(0x70), id[6]&0xf0, "a version 7 UUID")
}

func TestEnqueueTakesTheCallsChoices(t *testing.T) {
	var db inserted
	e := enqueuer(db.insert)
	request := task.Request{
		Name: "free", Args: []byte(` {"b":1, "a":2} `), Source: task.Scheduled,
		EnqueueOptions: task.EnqueueOptions{
			IdempotencyKey: "key", Tags: map[string]string{"k": "v"}, Priority: 1, Delay: time.Minute, Timeout: time.Hour,
		},
	}
	id, err := e.Enqueue(t.Context(), request)
	require.NoError(t, err)
	row := db.rows()[0]
	require.Equal(t, &Row{
		ID: id, Definition: row.Definition, Args: request.Args, ArgsType: "application/json", Source: task.Scheduled,
		IdempotencyKey: "key", Tags: request.Tags, Priority: 1, Delay: time.Minute, Timeout: time.Hour,
	}, row, "the arguments byte for byte")
}

func TestEnqueueChecksArguments(t *testing.T) {
	for name, test := range map[string]struct {
		request task.Request
		stored  string
		problem string // empty: it is taken
	}{
		"none":                     {task.Request{Name: "free"}, "", ""},
		"none, for a schema":       {task.Request{Name: "typed"}, "{}", ""},
		"any JSON":                 {task.Request{Name: "free", Args: []byte(`[1]`)}, "[1]", ""},
		"no JSON":                  {task.Request{Name: "free", Args: []byte(`{`)}, "", "are not valid JSON"},
		"no JSON, for a schema":    {task.Request{Name: "typed", Args: []byte(`{`)}, "", "are not valid JSON"},
		"as the schema says":       {task.Request{Name: "typed", Args: []byte(`{"n":1}`)}, `{"n":1}`, ""},
		"not as it says":           {task.Request{Name: "typed", Args: []byte(`{"n":"1"}`)}, "", "got string, want number"},
		"another type":             {task.Request{Name: "free", Args: []byte("\x00\xff"), ArgsType: "image/png"}, "\x00\xff", ""},
		"another type of nothing":  {task.Request{Name: "free", ArgsType: "image/png"}, "", ""},
		"another, despite schema":  {task.Request{Name: "typed", Args: []byte(`{"n":1}`), ArgsType: "text/plain"}, "", "are text/plain, but the task takes application/json"},
		"JSON by its name, broken": {task.Request{Name: "free", Args: []byte(`{`), ArgsType: "application/json"}, "", "are not valid JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			var db inserted
			_, err := enqueuer(db.insert).Enqueue(t.Context(), test.request)
			if test.problem == "" {
				require.NoError(t, err)
				require.Equal(t, test.stored, string(db.rows()[0].Args))
				return
			}
			var argument *task.ArgumentError
			require.ErrorAs(t, err, &argument)
			require.Equal(t, test.request.Name, argument.Name)
			require.Contains(t, err.Error(), test.problem)
			require.Empty(t, db.rows(), "nothing is stored")
		})
	}
}

func TestEnqueueRefusesBeforeTheDatabase(t *testing.T) {
	var db inserted
	e := enqueuer(db.insert)
	_, err := e.Enqueue(t.Context(), task.Request{Name: "free", EnqueueOptions: task.EnqueueOptions{Priority: 11}})
	var invalid *task.InvalidError
	require.ErrorAs(t, err, &invalid)
	_, err = e.Enqueue(t.Context(), task.Request{Name: "unheard-of"})
	require.ErrorIs(t, err, task.ErrNotFound)
	require.Empty(t, db.rows())
}

// gated makes an insert that waits until release is closed. first tells of the
// size of the transaction that is under way meanwhile.
func gated(insert func([]*Row) ([]task.ID, error)) (wrapped func([]*Row) ([]task.ID, error), first <-chan int, release chan struct{}) {
	size := make(chan int, 1)
	release = make(chan struct{})
	var once sync.Once
	return func(rows []*Row) ([]task.ID, error) {
		once.Do(func() { size <- len(rows) })
		<-release
		return insert(rows)
	}, size, release
}

func TestEnqueueSharesTransactions(t *testing.T) {
	var db inserted
	insert, first, release := gated(db.insert)
	e := enqueuer(insert)
	const callers = 2*enqueueBatch + 10
	ids := make([]task.ID, callers)
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() {
			var err error
			if ids[i], err = e.Enqueue(t.Context(), task.Request{Name: "free"}); err != nil {
				t.Error(err)
			}
		})
	}
	waiting := callers - <-first
	require.Eventually(t, func() bool { return e.group.size() == waiting }, waitAtMost, tick)
	close(release)
	group.Wait()
	require.NoError(t, e.Wait(t.Context()))

	require.LessOrEqual(t, len(db.batches), 4)
	stored := make(map[task.ID]bool)
	for _, batch := range db.batches {
		require.LessOrEqual(t, len(batch), enqueueBatch)
		for _, row := range batch {
			stored[row.ID] = true
		}
	}
	require.Len(t, stored, callers)
	for _, id := range ids {
		require.True(t, stored[id], "each caller has the id of its own task")
	}
}

// TestEnqueueOfABadNeighbour: the database refuses a transaction for one of its
// rows, and the others must not pay for it.
func TestEnqueueOfABadNeighbour(t *testing.T) {
	errBad := errors.New("this row is bad")
	var db inserted
	insert, first, release := gated(func(rows []*Row) ([]task.ID, error) {
		if slices.ContainsFunc(rows, func(row *Row) bool { return row.IdempotencyKey == "bad" }) {
			return nil, errBad
		}
		return db.insert(rows)
	})
	e := enqueuer(insert)
	const callers = 50
	var refused atomic.Int64
	var group sync.WaitGroup
	for i := range callers {
		request := task.Request{Name: "free"}
		if i%10 == 0 {
			request.IdempotencyKey = "bad"
		}
		group.Go(func() {
			_, err := e.Enqueue(t.Context(), request)
			if (request.IdempotencyKey == "bad") != errors.Is(err, errBad) {
				t.Errorf("key %q: %v", request.IdempotencyKey, err)
			}
			if err != nil {
				refused.Add(1)
			}
		})
	}
	waiting := callers - <-first
	require.Eventually(t, func() bool { return e.group.size() == waiting }, waitAtMost, tick)
	close(release)
	group.Wait()
	require.EqualValues(t, callers/10, refused.Load())
	require.Len(t, db.rows(), callers-callers/10)
}

func TestEnqueueEndsWithItsContext(t *testing.T) {
	var db inserted
	insert, first, release := gated(db.insert)
	e := enqueuer(insert)
	errGone := errors.New("the client has gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error)
	go func() {
		_, err := e.Enqueue(ctx, task.Request{Name: "free"})
		done <- err
	}()
	<-first
	cancel(errGone)
	err := <-done
	require.ErrorIs(t, err, errGone)
	require.ErrorContains(t, err, "enqueue free: ")
	close(release)
	require.NoError(t, e.Wait(t.Context()))
	require.Len(t, db.rows(), 1, "the task may have been stored, as the documentation says")
}

func TestEnqueueMany(t *testing.T) {
	var db inserted
	e := enqueuer(db.insert)
	ids, err := e.EnqueueMany(t.Context(), []task.Request{{Name: "free"}, {Name: "typed"}, {Name: "free"}})
	require.NoError(t, err)
	require.Len(t, db.batches, 1, "in one transaction")
	for i, row := range db.rows() {
		require.Equal(t, ids[i], row.ID)
	}
	require.Equal(t, 1, slices.IndexFunc(db.rows(), func(row *Row) bool { return row.Definition.Name == "typed" }), "in order")

	_, err = e.EnqueueMany(t.Context(), []task.Request{{Name: "free"}, {Name: "typed", Args: []byte(`1`)}})
	var argument *task.ArgumentError
	require.ErrorAs(t, err, &argument)
	require.True(t, strings.HasPrefix(err.Error(), "request 1: "), err.Error())
	require.Len(t, db.batches, 1, "nothing of the second call is stored")
}

func TestSubmitSaysWhatWasThere(t *testing.T) {
	earlier := newID(t)
	for _, apart := range []bool{false, true} {
		e := enqueuer(func(rows []*Row) ([]task.ID, error) {
			if rows[0].IdempotencyKey == "" && rows[0].UniqueKey == "" {
				return []task.ID{rows[0].ID}, nil
			}
			return []task.ID{earlier}, nil
		})
		e.keysApart = apart
		fresh, err := e.Submit(t.Context(), task.Request{Name: "free"})
		require.NoError(t, err)
		require.False(t, fresh.Duplicate)
		for _, options := range []task.EnqueueOptions{{IdempotencyKey: "k"}, {Unique: task.UniqueName}} {
			got, err := e.Submit(t.Context(), task.Request{Name: "free", EnqueueOptions: options})
			require.NoError(t, err)
			require.Equal(t, task.Enqueued{ID: earlier, Duplicate: true}, got)
		}
	}
}

func TestUniqueKeys(t *testing.T) {
	key := func(unique task.Unique, name, args, argsType string) string {
		return (*Vault)(nil).uniqueKey(unique, name, []byte(args), argsType)
	}
	require.Empty(t, key(task.NotUnique, "a", "1", contentJSON))
	require.Empty(t, key("", "a", "1", contentJSON))
	require.Equal(t, key(task.UniqueName, "a", "1", contentJSON), key(task.UniqueName, "a", "2", "text/plain"))
	same := key(task.UniqueArgs, "a", `{"x":[1,2]}`, contentJSON)
	require.Equal(t, same, key(task.UniqueArgs, "a", ` { "x": [1, 2] }`, contentJSON))
	for _, other := range []string{
		key(task.UniqueArgs, "b", `{"x":[1,2]}`, contentJSON), key(task.UniqueArgs, "a", `{"x":[2,1]}`, contentJSON),
		key(task.UniqueArgs, "a", `{"x":[1,2]}`, "text/plain"), key(task.UniqueName, "a", `{"x":[1,2]}`, contentJSON),
	} {
		require.NotEqual(t, same, other)
	}
}
