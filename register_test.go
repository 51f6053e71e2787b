package taskhost_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost"
	"github.com/taskhost/taskhost/task"
)

func TestRegisterRefuses(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	register(t, h, "taken", hello, task.Options{})
	for name, test := range map[string]struct {
		name    string
		options task.Options
		want    string
	}{
		"no name":            {"", task.Options{}, `taskhost: register: name "" must be words of a-z`},
		"a bad name":         {"Greet", task.Options{}, `taskhost: register: name "Greet" must be words of a-z`},
		"executor wasm":      {"greet", task.Options{Executor: task.Wasm}, "taskhost: register greet: a Go function runs on executor async or thread, not on wasm"},
		"executor unknown":   {"greet", task.Options{Executor: "process"}, "taskhost: register greet: executor must be wasm, async or thread"},
		"bad retries":        {"greet", task.Options{Retries: -1}, "taskhost: register greet: retries must be from 0 to 1000, is -1"},
		"bad priority":       {"greet", task.Options{Priority: 11}, "taskhost: register greet: priority must be from 1 (lowest) to 10 (highest), is 11"},
		"bad timeout":        {"greet", task.Options{Timeout: 2 * time.Hour}, "taskhost: register greet: timeout must be from 1ms to 1h0m0s, is 2h0m0s"},
		"bad backoff":        {"greet", task.Options{Backoff: math.NaN()}, "taskhost: register greet: backoff must be from 1 to 1000, is NaN"},
		"a name that is not": {"taken", task.Options{}, "taskhost: register taken: the name is registered already"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := taskhost.Register(h, test.name, hello, test.options)
			require.ErrorContains(t, err, test.want)
			require.Nil(t, f)
		})
	}
	start(t, h)
	definitions, err := h.Definitions(t.Context())
	require.NoError(t, err)
	require.Len(t, definitions, 1, "what was refused is not there")
}

func TestRegisterTooLate(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	start(t, h)
	_, err := taskhost.Register(h, "greet", hello, task.Options{})
	require.EqualError(t, err, "taskhost: register greet: the host has been started: register before that")
	stop(t, h)
	_, err = taskhost.Register(h, "greet", hello, task.Options{})
	require.ErrorIs(t, err, task.ErrStopped)
}

func TestRegisterDeclaresADefinition(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	options := task.Options{Retries: 2, Delay: time.Second, Priority: 9, Executor: task.Thread, RequeueOnInterrupt: true}
	register(t, h, "greet", hello, options)
	start(t, h)
	definitions, err := h.Definitions(t.Context())
	require.NoError(t, err)
	require.Equal(t, []task.Definition{{
		Name: "greet", Executor: task.Thread, Options: options.WithDefaults(),
		Args: json.RawMessage(`{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"string"}`),
	}}, definitions)

	got := await(t, h, enqueue(t, h, "greet", "you"))
	require.Equal(t, 3, got.MaxAttempts)
	require.Equal(t, 9, got.Priority)
	require.Equal(t, task.Thread, got.Executor)
	require.True(t, got.RequeueOnInterrupt)
	require.Equal(t, time.Minute, got.Timeout)
}

// TestEnqueueBeforeStart: New says that tasks can be enqueued, and run once
// Start is called.
func TestEnqueueBeforeStart(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	greet := register(t, h, "greet", hello, task.Options{})
	id, err := greet.Enqueue(t.Context(), "early bird", taskhost.EnqueueOptions{})
	require.NoError(t, err)
	require.Equal(t, task.Pending, get(t, h, id).Status)
	start(t, h)
	require.Equal(t, task.Success, await(t, h, id).Status)
}

type order struct {
	ID    int               `json:"id"`
	Lines []string          `json:"lines"`
	Extra map[string]*order `json:"extra,omitempty"`
}

func TestTypedRoundTrip(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	invoice := register(t, h, "invoice", func(_ context.Context, in order) (*order, error) {
		in.ID++
		return &order{ID: in.ID, Lines: append(in.Lines, "total"), Extra: map[string]*order{"in": &in}}, nil
	}, task.Options{})
	start(t, h)
	in := order{ID: 7, Lines: []string{"a <b> & ü"}}
	id, err := invoice.Enqueue(t.Context(), in, taskhost.EnqueueOptions{Tags: map[string]string{"k": "v"}, Priority: 1})
	require.NoError(t, err)
	got := await(t, h, id)
	require.Equal(t, map[string]string{"k": "v"}, got.Tags)
	require.Equal(t, 1, got.Priority)
	require.Equal(t, "application/json", got.ResultType)

	out, err := invoice.Result(t.Context(), id)
	require.NoError(t, err)
	in.ID++
	require.Equal(t, &order{ID: 8, Lines: []string{"a <b> & ü", "total"}, Extra: map[string]*order{"in": {ID: 8, Lines: in.Lines}}}, out)
}

func TestFunctionsWithoutArguments(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	type in struct {
		N int `json:"n,omitempty"`
	}
	count := register(t, h, "count", func(_ context.Context, in in) (int, error) { return in.N, nil }, task.Options{})
	register(t, h, "needs", func(_ context.Context, n int) (int, error) { return n, nil }, task.Options{})
	register(t, h, "nothing", func(context.Context, any) (any, error) { return nil, nil }, task.Options{})
	start(t, h)

	id := enqueue(t, h, "count", nil)
	require.Equal(t, task.Success, await(t, h, id).Status)
	n, err := count.Result(t.Context(), id)
	require.NoError(t, err)
	require.Zero(t, n, "none stands for the zero value")
	_, err = h.Enqueue(t.Context(), "needs", nil, taskhost.EnqueueOptions{})
	require.EqualError(t, err, "arguments of needs are not valid: there are none, which stands for {}: got object, want integer")

	id = enqueue(t, h, "nothing", nil)
	require.Equal(t, task.Success, await(t, h, id).Status)
	result, contentType, err := h.Result(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "null", string(result))
	require.Equal(t, "application/json", contentType)
}

func TestResultBeforeAndWithoutAnEnd(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	release := make(chan struct{})
	slow := register(t, h, "slow", func(context.Context, int) (int, error) { <-release; return 1, nil }, task.Options{})
	broken := register(t, h, "broken", func(context.Context, int) (int, error) { return 0, errors.New("no luck") }, task.Options{})
	start(t, h)

	id := enqueue(t, h, "slow", 1)
	_, err := slow.Result(t.Context(), id)
	require.ErrorIs(t, err, task.ErrNotFinished)
	close(release)
	await(t, h, id)
	n, err := slow.Result(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, 1, n)

	id = enqueue(t, h, "broken", 1)
	await(t, h, id)
	_, err = broken.Result(t.Context(), id)
	var failure *task.Failure
	require.ErrorAs(t, err, &failure)
	require.Equal(t, "no luck", failure.Message)

	_, err = broken.Result(t.Context(), task.ID{1})
	require.ErrorIs(t, err, task.ErrNotFound)
}

func TestResultOfAnotherType(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	register(t, h, "greet", hello, task.Options{})
	count := register(t, h, "count", func(context.Context, int) (int, error) { return 0, nil }, task.Options{})
	start(t, h)
	id := enqueue(t, h, "greet", "you")
	await(t, h, id)
	_, err := count.Result(t.Context(), id)
	require.ErrorContains(t, err, "taskhost: the result of "+id.String()+" does not fit: ")
}

func TestEnqueueRefuses(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	register(t, h, "greet", hello, task.Options{})
	start(t, h)

	_, err := h.Enqueue(t.Context(), "greeet", "you", taskhost.EnqueueOptions{})
	var unknown *task.UnknownNameError
	require.ErrorAs(t, err, &unknown)
	require.Equal(t, []string{"greet"}, unknown.Near)

	_, err = h.Enqueue(t.Context(), "greet", make(chan int), taskhost.EnqueueOptions{})
	var argument *task.ArgumentError
	require.ErrorAs(t, err, &argument)
	require.Contains(t, argument.Problems[0].Problem, "cannot be encoded as JSON: ")

	_, err = h.Enqueue(t.Context(), "greet", strings.Repeat("x", task.MaxArgsBytes), taskhost.EnqueueOptions{})
	var invalid *task.InvalidError
	require.ErrorAs(t, err, &invalid)
	require.True(t, invalid.TooLarge)

	_, err = h.EnqueueRequest(t.Context(), task.Request{Name: "greet", Args: []byte(`{`)})
	require.ErrorAs(t, err, &argument)

	_, err = h.EnqueueMany(t.Context(), []task.Request{{Name: "greet", Args: []byte(`"you"`)}, {Name: "greet", EnqueueOptions: taskhost.EnqueueOptions{Priority: -1}}})
	require.ErrorContains(t, err, "request 1: priority ")
}

// TestArgumentsAreCheckedAgainstTheType: what does not fit is refused, and nothing is
// stored.
func TestArgumentsAreCheckedAgainstTheType(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	type resize struct {
		Width int      `json:"width" schema:"minimum=16"`
		Tags  []string `json:"tags"`
		Extra map[string]int
	}
	f := register(t, h, "resize", func(_ context.Context, in resize) (int, error) { return in.Width, nil }, task.Options{})
	start(t, h)
	id, err := f.Enqueue(t.Context(), resize{Width: 16}, taskhost.EnqueueOptions{Priority: 1})
	require.NoError(t, err, "nil slices and maps are what Go writes as null")
	require.Equal(t, task.Success, await(t, h, id).Status)
	for args, place := range map[string]string{
		`{"width":15}`: "/width", `{"width":"16"}`: "/width", `{"width":16,"tags":[1]}`: "/tags/0", `{"width":16,"height":9}`: "", `{}`: "", `[]`: "",
	} {
		_, err := h.EnqueueMany(t.Context(), []task.Request{{Name: "resize", Args: []byte(`{"width":20}`)}, {Name: "resize", Args: []byte(args)}})
		var argument *task.ArgumentError
		require.ErrorAs(t, err, &argument, args)
		require.Equal(t, place, argument.Problems[0].Path, args)
	}

	_, err = taskhost.Register(newHost(t, taskhost.Config{}), "no", func(context.Context, chan int) (int, error) { return 0, nil }, task.Options{})
	require.EqualError(t, err, "taskhost: register no: its argument: JSON cannot be read into type chan int")
}

func TestEnqueueManyAndIdempotency(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	register(t, h, "greet", hello, task.Options{})
	start(t, h)
	once := task.Request{Name: "greet", Args: []byte(`"you"`), EnqueueOptions: taskhost.EnqueueOptions{IdempotencyKey: "key"}}
	ids, err := h.EnqueueMany(t.Context(), []task.Request{once, {Name: "greet", Args: []byte(`"you"`)}, once})
	require.NoError(t, err)
	require.Len(t, ids, 3)
	require.Equal(t, ids[0], ids[2])
	require.NotEqual(t, ids[0], ids[1])
	for _, id := range ids {
		require.Equal(t, task.Success, await(t, h, id).Status)
	}
	again, err := h.EnqueueRequest(t.Context(), once)
	require.NoError(t, err)
	require.Equal(t, ids[0], again)
}

// TestTasksOfTasks: what a Go function enqueues with its context names its task.
func TestTasksOfTasks(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	greet := register(t, h, "greet", hello, task.Options{})
	type children struct{ One, Two, Three, Detached, Scheduled task.ID }
	parent := register(t, h, "parent", func(ctx context.Context, _ any) (ids children, err error) {
		if ids.One, err = greet.Enqueue(ctx, "one", taskhost.EnqueueOptions{}); err != nil {
			return ids, err
		}
		many, err := h.EnqueueMany(ctx, []task.Request{{Name: "greet", Args: []byte(`"two"`)}, {Name: "greet", Args: []byte(`"three"`)}})
		if err != nil {
			return ids, err
		}
		ids.Two, ids.Three = many[0], many[1]
		if ids.Detached, err = greet.Enqueue(t.Context(), "detached", taskhost.EnqueueOptions{}); err != nil {
			return ids, err
		}
		ids.Scheduled, err = h.EnqueueRequest(ctx, task.Request{Name: "greet", Args: []byte(`"four"`), Source: task.Scheduled})
		return ids, err
	}, task.Options{})
	start(t, h)
	id := enqueue(t, h, "parent", nil)
	require.Equal(t, task.Success, await(t, h, id).Status)
	ids, err := parent.Result(t.Context(), id)
	require.NoError(t, err)
	for _, child := range []task.ID{ids.One, ids.Two, ids.Three} {
		got := await(t, h, child)
		require.Equal(t, task.Child, got.Source)
		require.Equal(t, &id, got.Parent)
	}
	require.Nil(t, await(t, h, ids.Detached).Parent)
	require.Equal(t, task.Manual, get(t, h, ids.Detached).Source)
	require.Equal(t, task.Scheduled, await(t, h, ids.Scheduled).Source)
	require.Nil(t, get(t, h, ids.Scheduled).Parent)
	require.Nil(t, get(t, h, id).Parent)
}

func TestSubmit(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	register(t, h, "greet", hello, task.Options{Unique: task.UniqueArgs})
	request := task.Request{Name: "greet", Args: []byte(`"you"`), EnqueueOptions: taskhost.EnqueueOptions{Delay: time.Hour}}
	first, err := h.Submit(t.Context(), request)
	require.NoError(t, err)
	require.False(t, first.Duplicate)
	again, err := h.Submit(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, task.Enqueued{ID: first.ID, Duplicate: true}, again)
	other := request
	other.Args = []byte(`"me"`)
	many, err := h.SubmitMany(t.Context(), []task.Request{other, request, other})
	require.NoError(t, err)
	require.Equal(t, []bool{false, true, true}, []bool{many[0].Duplicate, many[1].Duplicate, many[2].Duplicate})
	require.Equal(t, many[0].ID, many[2].ID)
}
