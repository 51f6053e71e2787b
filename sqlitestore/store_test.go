package sqlitestore_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/sqlitestore"
	"github.com/taskhost/taskhost/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// handlerFunc makes a handler of a function.
type handlerFunc func(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome

func (f handlerFunc) Prepare(context.Context, *task.Execution) error { return nil }

func (f handlerFunc) Handle(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
	return f(ctx, exec, log)
}

func open(t *testing.T, path string) *sqlitestore.Store {
	t.Helper()
	store, err := sqlitestore.Open(t.Context(), sqlitestore.Config{Path: path})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

func newPath(t *testing.T) string { return filepath.Join(t.TempDir(), "odd name?#%41.db") }

// serve starts a store that has one module, "m", with the given definitions.
func serve(t *testing.T, store *sqlitestore.Store, slots int, handler handlerFunc, definitions ...task.Definition) {
	t.Helper()
	push(t, store, "m", definitions...)
	start(t, store, slots, handler)
}

func start(t *testing.T, store *sqlitestore.Store, slots int, handler handlerFunc) {
	t.Helper()
	require.NoError(t, store.Start(t.Context(), handler, sqlitestore.ServeConfig{
		Node:        fmt.Sprintf("%s-%d", t.Name(), time.Now().UnixNano()),
		Slots:       map[task.Executor]int{task.Wasm: slots},
		LogInterval: 10 * time.Millisecond,
	}))
}

func push(t *testing.T, store *sqlitestore.Store, module string, definitions ...task.Definition) *modules.Version {
	t.Helper()
	for i := range definitions {
		definitions[i].Executor = task.Wasm
		definitions[i].Options = definitions[i].Options.WithDefaults()
	}
	wasm := []byte(module + fmt.Sprint(definitions))
	v, err := store.PutVersion(t.Context(), modules.Version{
		Module: module, Digest: modules.Digest(wasm), Bytes: int64(len(wasm)), Definitions: definitions,
	}, wasm)
	require.NoError(t, err)
	return v
}

func enqueue(t *testing.T, store *sqlitestore.Store, request task.Request) task.ID {
	t.Helper()
	id, err := store.Enqueue(t.Context(), request)
	require.NoError(t, err)
	return id
}

func await(t *testing.T, store *sqlitestore.Store, id task.ID) *task.Task {
	t.Helper()
	var got *task.Task
	require.Eventually(t, func() bool {
		var err error
		got, err = store.Task(t.Context(), id)
		require.NoError(t, err)
		return got.Status.Terminal()
	}, 10*time.Second, time.Millisecond, "task %s does not end", id)
	return got
}

func echo(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
	return task.Outcome{Result: exec.Args, ResultType: exec.ArgsType}
}

func TestTaskRunsAndKeepsItsBytes(t *testing.T) {
	store := open(t, newPath(t))
	serve(t, store, 4, echo, task.Definition{Name: "echo"})
	args := []byte(`{"text":"ünïcode\u0000 & <tags>","n":1.50}`)
	id := enqueue(t, store, task.Request{Name: "echo", Args: args, EnqueueOptions: task.EnqueueOptions{Tags: map[string]string{"k": "v"}, Priority: 9}})

	got := await(t, store, id)
	require.Equal(t, task.Success, got.Status)
	require.Equal(t, 1, got.Attempt)
	require.Equal(t, 9, got.Priority)
	require.Equal(t, map[string]string{"k": "v"}, got.Tags)
	require.NotNil(t, got.StartedAt)
	require.NotNil(t, got.EndedAt)
	require.Nil(t, got.NextAttemptAt)
	require.Equal(t, &task.ModuleRef{Name: "m", Version: 1, Digest: got.Module.Digest}, got.Module)

	result, contentType, err := store.Result(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, args, result)
	require.Equal(t, "application/json", contentType)
}

func TestRetriesFollowTheirPolicy(t *testing.T) {
	store := open(t, newPath(t))
	var mu sync.Mutex
	var starts []time.Time
	serve(t, store, 1, func(_ context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		mu.Lock()
		starts = append(starts, time.Now())
		mu.Unlock()
		log.Log(task.Info, fmt.Sprintf("attempt %d", exec.Task.Attempt), json.RawMessage(`{"a":1}`))
		if exec.Task.Attempt < 3 {
			return task.Outcome{Failure: &task.Failure{Message: "not yet", Trace: "here"}}
		}
		return task.Outcome{Result: []byte("1")}
	}, task.Definition{Name: "flaky", Options: task.Options{Retries: 2, Delay: 100 * time.Millisecond, Backoff: 2}})
	id := enqueue(t, store, task.Request{Name: "flaky"})

	got := await(t, store, id)
	require.Equal(t, task.Success, got.Status)
	require.Equal(t, 3, got.Attempt)
	require.Equal(t, 2, got.RetriesUsed())
	require.Empty(t, got.Error, "a success leaves no error behind")
	require.Len(t, starts, 3)
	require.GreaterOrEqual(t, starts[1].Sub(starts[0]), 100*time.Millisecond)
	require.GreaterOrEqual(t, starts[2].Sub(starts[1]), 200*time.Millisecond)

	logs, err := store.Logs(t.Context(), id, 0, 100)
	require.NoError(t, err)
	require.Len(t, logs, 3)
	for i, entry := range logs {
		require.Equal(t, i+1, entry.Attempt)
		require.Equal(t, fmt.Sprintf("attempt %d", i+1), entry.Message)
		require.JSONEq(t, `{"a":1}`, string(entry.Fields))
	}
	rest, err := store.Logs(t.Context(), id, logs[1].Seq, 100)
	require.NoError(t, err)
	require.Equal(t, logs[2:], rest)
}

func TestFailuresEnd(t *testing.T) {
	store := open(t, newPath(t))
	serve(t, store, 4, func(ctx context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		switch exec.Task.Name {
		case "permanent":
			return task.Outcome{Failure: &task.Failure{Message: "bad input", Permanent: true, Trace: "at x.go:1"}}
		case "panics":
			panic("boom")
		case "slow":
			<-ctx.Done()
			return task.Outcome{Failure: &task.Failure{Message: "whatever it looks like from inside"}}
		default:
			return task.Outcome{Failure: &task.Failure{Message: "again"}}
		}
	},
		task.Definition{Name: "permanent", Options: task.Options{Retries: 5}},
		task.Definition{Name: "panics"},
		task.Definition{Name: "slow", Options: task.Options{Timeout: 50 * time.Millisecond}},
		task.Definition{Name: "exhausted", Options: task.Options{Retries: 2}},
	)
	for name, want := range map[string]struct {
		attempts int
		cause    task.Cause
		text     string
	}{
		"permanent": {1, task.CauseError, "bad input"},
		"panics":    {1, task.CauseHost, "panic: boom"},
		"slow":      {1, task.CauseTimeout, "timeout: the attempt ran longer than 50ms"},
		"exhausted": {3, task.CauseError, "again"},
	} {
		t.Run(name, func(t *testing.T) {
			id := enqueue(t, store, task.Request{Name: name})
			got := await(t, store, id)
			require.Equal(t, task.Failed, got.Status)
			require.Equal(t, want.attempts, got.Attempt)
			require.Equal(t, want.cause, got.Cause)
			require.Contains(t, got.Error, want.text)
			_, _, err := store.Result(t.Context(), id)
			var failure *task.Failure
			require.ErrorAs(t, err, &failure)
			require.Equal(t, got.Error, failure.Message)
		})
	}
}

func TestPriorityIsExact(t *testing.T) {
	store := open(t, newPath(t))
	push(t, store, "m", task.Definition{Name: "p"})
	var want []task.ID
	byPriority := make(map[int][]task.ID)
	for i := range 60 {
		priority := 1 + (i*7)%10
		id := enqueue(t, store, task.Request{Name: "p", EnqueueOptions: task.EnqueueOptions{Priority: priority}})
		byPriority[priority] = append(byPriority[priority], id)
	}
	for priority := 10; priority >= 1; priority-- {
		want = append(want, byPriority[priority]...)
	}
	var mu sync.Mutex
	var got []task.ID
	start(t, store, 1, func(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, exec.Task.ID)
		return task.Outcome{}
	})
	for _, id := range want {
		await(t, store, id)
	}
	require.Equal(t, want, got)
}

func TestDelayedTaskWaits(t *testing.T) {
	store := open(t, newPath(t))
	serve(t, store, 1, echo, task.Definition{Name: "later"})
	before := time.Now()
	id := enqueue(t, store, task.Request{Name: "later", EnqueueOptions: task.EnqueueOptions{Delay: 300 * time.Millisecond}})
	waiting, err := store.Task(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, task.Pending, waiting.Status)
	require.WithinDuration(t, before.Add(300*time.Millisecond), *waiting.NextAttemptAt, 100*time.Millisecond)
	got := await(t, store, id)
	require.GreaterOrEqual(t, got.StartedAt.Sub(before), 299*time.Millisecond)
	require.Less(t, got.StartedAt.Sub(before), 2*time.Second)
}

func TestIdempotencyKeyEnqueuesOnce(t *testing.T) {
	store := open(t, newPath(t))
	serve(t, store, 8, func(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		if string(exec.Args) == `{"fail":true}` {
			return task.Outcome{Failure: &task.Failure{Message: "no", Permanent: true}}
		}
		return task.Outcome{}
	}, task.Definition{Name: "once"})
	ids := make([]task.ID, 100)
	var callers sync.WaitGroup
	for i := range ids {
		callers.Go(func() {
			id, err := store.Enqueue(t.Context(), task.Request{Name: "once", Args: []byte(`{}`), EnqueueOptions: task.EnqueueOptions{IdempotencyKey: "k"}})
			if err == nil {
				ids[i] = id
			}
		})
	}
	callers.Wait()
	for _, id := range ids {
		require.Equal(t, ids[0], id)
		require.False(t, id.IsZero())
	}
	require.Equal(t, task.Success, await(t, store, ids[0]).Status)

	_, err := store.Enqueue(t.Context(), task.Request{Name: "once", Args: []byte(`{"other":1}`), EnqueueOptions: task.EnqueueOptions{IdempotencyKey: "k"}})
	var conflict *task.ConflictError
	require.ErrorAs(t, err, &conflict)

	failing := task.Request{Name: "once", Args: []byte(`{"fail":true}`), EnqueueOptions: task.EnqueueOptions{IdempotencyKey: "f"}}
	first := enqueue(t, store, failing)
	require.Equal(t, task.Failed, await(t, store, first).Status)
	require.NotEqual(t, first, enqueue(t, store, failing), "a failed task lets go of its key")
}

func TestRequestsAreChecked(t *testing.T) {
	store := open(t, newPath(t))
	push(t, store, "m",
		task.Definition{Name: "thumbs.resize", Args: json.RawMessage(`{"type":"object","properties":{"width":{"type":"integer","minimum":16}},"required":["width"],"additionalProperties":false}`)},
		task.Definition{Name: "raw"},
	)
	var argument *task.ArgumentError
	var unknown *task.UnknownNameError
	var invalid *task.InvalidError
	for name, test := range map[string]struct {
		request task.Request
		target  any
		text    string
	}{
		"not JSON":       {task.Request{Name: "raw", Args: []byte(`{`)}, &argument, "not valid JSON"},
		"schema":         {task.Request{Name: "thumbs.resize", Args: []byte(`{"width":3}`)}, &argument, "/width: "},
		"missing":        {task.Request{Name: "thumbs.resize"}, &argument, "width"},
		"wrong type":     {task.Request{Name: "thumbs.resize", Args: []byte("x"), ArgsType: "text/plain"}, &argument, "takes application/json"},
		"huge number":    {task.Request{Name: "thumbs.resize", Args: []byte(`{"width":1e999999}`)}, &argument, "/width: 1e999999 is outside"},
		"near name":      {task.Request{Name: "thumbs.resise"}, &unknown, "did you mean thumbs.resize?"},
		"malformed name": {task.Request{Name: "Thumbs"}, &invalid, "name "},
		"priority":       {task.Request{Name: "raw", EnqueueOptions: task.EnqueueOptions{Priority: 11}}, &invalid, "from 1 (lowest) to 10"},
		"too large":      {task.Request{Name: "raw", Args: make([]byte, task.MaxArgsBytes+1)}, &invalid, "at most 1048576"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := store.Enqueue(t.Context(), test.request)
			require.ErrorAs(t, err, test.target)
			require.ErrorContains(t, err, test.text)
		})
	}
	_, err := store.EnqueueMany(t.Context(), []task.Request{{Name: "raw"}, {Name: "thumbs.resize"}})
	require.ErrorAs(t, err, &argument)
	start(t, store, 1, func(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		t.Errorf("%s was stored, although its request was refused", exec.Task.Name)
		return task.Outcome{}
	})
	ids, err := store.EnqueueMany(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, ids)
}

func TestStopInterruptsWhatIsLeft(t *testing.T) {
	store := open(t, newPath(t))
	running := make(chan struct{}, 2)
	serve(t, store, 2, func(ctx context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		running <- struct{}{}
		<-ctx.Done()
		return task.Outcome{Failure: &task.Failure{Message: ctx.Err().Error()}}
	},
		task.Definition{Name: "requeued", Options: task.Options{RequeueOnInterrupt: true}},
		task.Definition{Name: "ended"},
	)
	requeued := enqueue(t, store, task.Request{Name: "requeued"})
	ended := enqueue(t, store, task.Request{Name: "ended"})
	<-running
	<-running
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, store.Stop(ctx))

	got, err := store.Task(t.Context(), requeued)
	require.NoError(t, err)
	require.Equal(t, task.Pending, got.Status)
	require.Zero(t, got.Attempt, "an interrupt uses up no attempt")
	got, err = store.Task(t.Context(), ended)
	require.NoError(t, err)
	require.Equal(t, task.Interrupted, got.Status)
	require.Equal(t, task.CauseInterrupted, got.Cause)

	start(t, store, 2, echo)
	require.Equal(t, task.Success, await(t, store, requeued).Status)
}

func TestOneProcessWorksAFile(t *testing.T) {
	path := newPath(t)
	first, second := open(t, path), open(t, path)
	serve(t, first, 1, echo, task.Definition{Name: "echo"})
	err := second.Start(t.Context(), handlerFunc(echo), sqlitestore.ServeConfig{Node: "b", LogInterval: time.Second})
	require.ErrorContains(t, err, "is being worked by node "+t.Name())
	require.ErrorContains(t, err, "choose another database")

	// The second may still enqueue.
	require.Equal(t, task.Success, await(t, second, enqueue(t, second, task.Request{Name: "echo"})).Status)
	require.NoError(t, first.Stop(t.Context()))
	require.NoError(t, second.Start(t.Context(), handlerFunc(echo), sqlitestore.ServeConfig{Node: "b", Slots: map[task.Executor]int{task.Wasm: 1}, LogInterval: time.Second}))
}

func TestManyOpenANewFile(t *testing.T) {
	path := newPath(t)
	var openers sync.WaitGroup
	errs := make(chan error, 8)
	for range cap(errs) {
		openers.Go(func() {
			store, err := sqlitestore.Open(t.Context(), sqlitestore.Config{Path: path})
			if err == nil {
				err = store.Close()
			}
			errs <- err
		})
	}
	openers.Wait()
	for range cap(errs) {
		require.NoError(t, <-errs)
	}
}

// A close waits for a stop that is under way, and does not take the database from
// under it.
func TestCloseDuringStop(t *testing.T) {
	path := newPath(t)
	store := open(t, path)
	running := make(chan struct{})
	serve(t, store, 1, func(ctx context.Context, _ *task.Execution, _ task.LogSink) task.Outcome {
		close(running)
		<-ctx.Done()
		return task.Outcome{Failure: &task.Failure{Message: "stopped"}}
	}, task.Definition{Name: "long"})
	id := enqueue(t, store, task.Request{Name: "long"})
	<-running
	stopped := make(chan error)
	go func() { stopped <- store.Stop(t.Context()) }()
	require.NoError(t, store.Close(), "it hastens the stop")
	require.NoError(t, <-stopped)
	got, err := open(t, path).Task(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, task.Interrupted, got.Status)
}

// Many short lines are bounded by what a line costs, and stored in steps.
func TestManyLogLines(t *testing.T) {
	store := open(t, newPath(t))
	serve(t, store, 1, func(_ context.Context, _ *task.Execution, log task.LogSink) task.Outcome {
		for range 100_000 {
			log.Log(task.Info, "", nil)
		}
		return task.Outcome{}
	}, task.Definition{Name: "chatty"})
	id := enqueue(t, store, task.Request{Name: "chatty"})
	require.Equal(t, task.Success, await(t, store, id).Status)
	logs, err := store.Logs(t.Context(), id, 0, 100_000)
	require.NoError(t, err)
	require.Len(t, logs, 1<<20/64+1)
	require.Contains(t, logs[len(logs)-1].Message, "truncated")
}

func TestOpenSaysWhatToDo(t *testing.T) {
	_, err := sqlitestore.Open(t.Context(), sqlitestore.Config{Path: filepath.Join(t.TempDir(), "no", "such.db")})
	require.ErrorContains(t, err, "its directory does not exist")
	_, err = sqlitestore.Open(t.Context(), sqlitestore.Config{Path: t.TempDir()})
	require.Error(t, err)
}

func TestModuleVersions(t *testing.T) {
	store := open(t, newPath(t))
	first := push(t, store, "a", task.Definition{Name: "a.one"})
	second := push(t, store, "a", task.Definition{Name: "a.two"})
	require.Equal(t, 1, first.Version)
	require.Equal(t, 2, second.Version)
	_, err := store.Enqueue(t.Context(), task.Request{Name: "a.one"})
	require.ErrorIs(t, err, task.ErrNotFound)
	again := push(t, store, "a", task.Definition{Name: "a.one"})
	require.Equal(t, 1, again.Version, "the same bytes are the same version")
	enqueue(t, store, task.Request{Name: "a.one"})

	_, err = store.PutVersion(t.Context(), modules.Version{Module: "b", Digest: "x", Definitions: []task.Definition{{Name: "a.one"}}}, []byte("x"))
	var conflict *task.ConflictError
	require.ErrorAs(t, err, &conflict)
	require.ErrorContains(t, err, "taken by module a")
	live, err := store.LiveVersions(t.Context())
	require.NoError(t, err)
	require.Len(t, live, 1, "a refused push leaves nothing behind")
	versions, err := store.Versions(t.Context(), "a")
	require.NoError(t, err)
	require.Len(t, versions, 2)
	require.False(t, versions[0].Live)
	require.True(t, versions[1].Live)
	_, err = store.Versions(t.Context(), "none")
	require.ErrorIs(t, err, task.ErrNotFound)
	wasm, err := store.Wasm(t.Context(), second.Digest)
	require.NoError(t, err)
	require.Equal(t, second.Digest, modules.Digest(wasm))
}

func TestTokens(t *testing.T) {
	store := open(t, newPath(t))
	require.NoError(t, store.PutToken(t.Context(), "first", "secret"))
	require.NoError(t, store.PutToken(t.Context(), "again", "secret"))
	name, ok, err := store.Authenticate(t.Context(), "secret")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "first", name)
	_, ok, err = store.Authenticate(t.Context(), "Secret")
	require.NoError(t, err)
	require.False(t, ok)
}

func TestLockedFileIsUnavailable(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	store := open(t, path)
	push(t, store, "m", task.Definition{Name: "echo"})
	other, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath())
	require.NoError(t, err)
	other.SetMaxOpenConns(1)
	_, err = other.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)
	_, err = store.Enqueue(t.Context(), task.Request{Name: "echo"})
	require.ErrorIs(t, err, task.ErrUnavailable)
	_, err = other.ExecContext(t.Context(), "ROLLBACK")
	require.NoError(t, err)
	require.NoError(t, other.Close())
	enqueue(t, store, task.Request{Name: "echo"})
}

func TestFunctionsAreDeclared(t *testing.T) {
	store := open(t, newPath(t))
	push(t, store, "m", task.Definition{Name: "taken"})
	function := func(name string) task.Definition {
		return task.Definition{Name: name, Executor: task.Async, Options: task.Options{}.WithDefaults()}
	}
	require.NoError(t, store.DeclareFunctions(t.Context(), []task.Definition{function("early")}))
	require.NoError(t, store.DeclareFunctions(t.Context(), []task.Definition{function("early"), function("more")}))
	enqueue(t, store, task.Request{Name: "early"})
	var conflict *task.ConflictError
	require.ErrorAs(t, store.DeclareFunctions(t.Context(), []task.Definition{function("taken")}), &conflict)

	require.NoError(t, store.Start(t.Context(), handlerFunc(echo), sqlitestore.ServeConfig{
		Node: "n", LogInterval: time.Second, Slots: map[task.Executor]int{task.Async: 1},
		Functions: []task.Definition{function("more")},
	}))
	names, err := store.DefinitionNames(t.Context())
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"taken", "more"}, names, "a start replaces the functions of the one before")
}
