package guesttest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/abi"
	guest "github.com/taskhost/taskhost/guest-sdk"
	"github.com/taskhost/taskhost/guest-sdk/guesttest"
)

type sumArgs struct {
	Terms []int `json:"terms"`
	Times *int  `json:"times"`
}

var errBroken = errors.New("broken")

func init() {
	guest.Handle("test.sum", sum, guest.Options{Retries: 4, Timeout: 10 * time.Second})
	guest.HandleRaw("test.upper", upper, guest.Options{Description: "Shouts."})
	guest.HandleRaw("test.nothing", func(guest.Context, []byte) ([]byte, error) { return nil, nil }, guest.Options{})
	guest.HandleRaw("test.empty", func(guest.Context, []byte) ([]byte, error) { return []byte{}, nil }, guest.Options{})
	guest.Handle("test.fail", fail, guest.Options{})
	guest.Handle("test.panic", panics, guest.Options{})
	guest.Handle("test.context", report, guest.Options{Retries: 1})
	guest.Handle("test.log", logs, guest.Options{})
	guest.Handle("test.badresult", func(guest.Context, any) (func(), error) { return nil, nil }, guest.Options{})
}

func sum(_ guest.Context, in sumArgs) (int, error) {
	total := 0
	for _, term := range in.Terms {
		total += term
	}
	if in.Times != nil {
		total *= *in.Times
	}
	return total, nil
}

func upper(ctx guest.Context, in []byte) ([]byte, error) {
	ctx.SetOutputType("text/plain")
	return []byte(strings.ToUpper(string(in))), nil
}

func fail(_ guest.Context, how string) (int, error) {
	switch how {
	case "permanent":
		return 0, guest.Permanent(errBroken)
	case "wrapped":
		return 0, fmt.Errorf("step 2: %w", guest.Permanent(errBroken))
	case "none":
		return 1, guest.Permanent(nil)
	}
	return 0, errBroken
}

func panics(_ guest.Context, with string) (int, error) {
	switch with {
	case "index":
		list := []int{}
		return list[len(with)], nil
	case "error":
		panic(guest.Permanent(errBroken))
	case "struct":
		panic(sumArgs{Terms: []int{1}})
	case "twice":
		panic(badText{})
	}
	panic(with)
}

// badText is a value that cannot even be described.
type badText struct{}

func (badText) Error() string { panic("again") }

type seen struct {
	Name, TaskID, InputType string
	Attempt, MaxAttempts    int
	Deadline                time.Time
	Tags                    map[string]string
}

func report(ctx guest.Context, _ any) (seen, error) {
	return seen{ctx.Name(), ctx.TaskID(), ctx.InputType(), ctx.Attempt(), ctx.MaxAttempts(), ctx.Deadline(), ctx.Tags()}, nil
}

func logs(ctx guest.Context, n int) (int, error) {
	ctx.Debug("begin")
	ctx.Info("counted", "n", n, "by", "hand")
	ctx.Warn("odd", "why", errBroken)
	ctx.Error("end", "took", 1500*time.Millisecond)
	ctx.Log(guest.LevelInfo, "raw", []byte(`{"a":[1]}`))
	return n, nil
}

func TestTyped(t *testing.T) {
	three := 3
	for name, test := range map[string]struct {
		input any
		want  string
	}{
		"value":   {sumArgs{Terms: []int{1, 2}}, "3"},
		"text":    {[]byte(`{"terms":[4,5],"times":null}`), "9"},
		"pointer": {sumArgs{[]int{1, 2}, &three}, "9"},
		"unknown": {[]byte(`{"terms":[1],"else":true}`), "1"},
		"null":    {nil, "0"},
		"nothing": {[]byte{}, "0"},
	} {
		t.Run(name, func(t *testing.T) {
			result := guesttest.Run("test.sum", test.input, guesttest.Task{})
			require.False(t, result.Failed, result.Message)
			require.Equal(t, test.want, string(result.Output))
			require.Equal(t, "application/json", result.OutputType)
			require.Empty(t, result.Kind)
		})
	}
}

func TestArgumentsThatCannotBeDecoded(t *testing.T) {
	result := guesttest.Run("test.sum", []byte(`{"terms":["1"]}`), guesttest.Task{})
	require.True(t, result.Failed)
	require.Equal(t, guesttest.Permanent, result.Kind)
	require.Equal(t, "the arguments cannot be decoded: json: cannot unmarshal string into Go struct field sumArgs.terms of type int", result.Message)
	require.Nil(t, result.Output)

	result = guesttest.Run("test.sum", []byte("a;b"), guesttest.Task{InputType: "text/csv"})
	require.Equal(t, guesttest.Permanent, result.Kind)
	require.Contains(t, result.Message, "the arguments are text/csv and cannot be decoded as JSON: ")
}

func TestResultThatCannotBeEncoded(t *testing.T) {
	result := guesttest.Run("test.badresult", nil, guesttest.Task{})
	require.Equal(t, guesttest.Permanent, result.Kind)
	require.Equal(t, "the result cannot be encoded: json: unsupported type: func()", result.Message)
}

func TestRaw(t *testing.T) {
	result := guesttest.Run("test.upper", []byte("hi"), guesttest.Task{})
	require.Equal(t, guesttest.Result{Output: []byte("HI"), OutputType: "text/plain"}, result)

	result = guesttest.Run("test.upper", []byte(nil), guesttest.Task{})
	require.Equal(t, guesttest.Result{Output: []byte{}, OutputType: "text/plain"}, result)

	require.Equal(t, guesttest.Result{}, guesttest.Run("test.nothing", nil, guesttest.Task{}))
	require.Equal(t, guesttest.Result{Output: []byte{}, OutputType: "application/json"}, guesttest.Run("test.empty", nil, guesttest.Task{}))
}

func TestErrors(t *testing.T) {
	for how, want := range map[string]guesttest.Result{
		"retryable": {Failed: true, Kind: guesttest.Retryable, Message: "broken"},
		"permanent": {Failed: true, Kind: guesttest.Permanent, Message: "broken"},
		"wrapped":   {Failed: true, Kind: guesttest.Permanent, Message: "step 2: broken"},
		"none":      {Output: []byte("1"), OutputType: "application/json"},
	} {
		require.Equal(t, want, guesttest.Run("test.fail", how, guesttest.Task{}), how)
	}
}

func TestPermanentIsSeenThrough(t *testing.T) {
	err := fmt.Errorf("outer: %w", guest.Permanent(&json.SyntaxError{Offset: 7}))
	require.True(t, guest.IsPermanent(err))
	var syntax *json.SyntaxError
	require.ErrorAs(t, err, &syntax)
	require.Equal(t, int64(7), syntax.Offset)
	require.ErrorIs(t, guest.Permanent(errBroken), errBroken)

	require.NoError(t, guest.Permanent(nil))
	require.False(t, guest.IsPermanent(nil))
	require.False(t, guest.IsPermanent(errBroken))
}

func TestPanics(t *testing.T) {
	for with, message := range map[string]string{
		"a reason": "panic: a reason",
		"index":    "panic: runtime error: index out of range [5] with length 0",
		"error":    "panic: broken",
		"struct":   `panic: {"terms":[1],"times":null}`,
		"twice":    "panic: (a value whose own text panics)",
	} {
		t.Run(with, func(t *testing.T) {
			result := guesttest.Run("test.panic", with, guesttest.Task{})
			require.True(t, result.Failed)
			require.Equal(t, guesttest.Retryable, result.Kind)
			require.Equal(t, message, result.Message)
			require.Contains(t, result.Trace, "guesttest_test.go:")
			require.Contains(t, result.Trace, "panics(")
			require.NotContains(t, result.Trace, "panicTrace", "the trace begins where the panic was")
		})
	}
}

func TestContext(t *testing.T) {
	var got seen
	deadline := time.UnixMilli(1_800_000_000_123)
	task := guesttest.Task{
		ID: "id", Attempt: 2, MaxAttempts: 9, Deadline: deadline, InputType: "application/x+json",
		Tags: map[string]string{"team": "a b", "empty": "", "é": "=\n"},
	}
	require.NoError(t, guesttest.Run("test.context", nil, task).Decode(&got))
	require.True(t, deadline.Equal(got.Deadline))
	got.Deadline = time.Time{}
	require.Equal(t, seen{"test.context", "id", "application/x+json", 2, 9, time.Time{}, task.Tags}, got)
}

func TestContextDefaults(t *testing.T) {
	var got seen
	require.NoError(t, guesttest.Run("test.context", nil, guesttest.Task{}).Decode(&got))
	require.Len(t, got.TaskID, 36)
	require.Equal(t, "application/json", got.InputType)
	require.Equal(t, 0, got.Attempt)
	require.Equal(t, 2, got.MaxAttempts, "one retry")
	require.Nil(t, got.Tags)
	require.WithinDuration(t, time.Now().Add(time.Minute), got.Deadline, 30*time.Second)
}

func TestLogs(t *testing.T) {
	require.Equal(t, []guesttest.Line{
		{Level: "debug", Message: "begin"},
		{Level: "info", Message: "counted", Fields: map[string]any{"n": 7.0, "by": "hand"}},
		{Level: "warn", Message: "odd", Fields: map[string]any{"why": "broken"}},
		{Level: "error", Message: "end", Fields: map[string]any{"took": "1.5s"}},
		{Level: "info", Message: "raw", Fields: map[string]any{"a": []any{1.0}}},
	}, guesttest.Run("test.log", 7, guesttest.Task{}).Logs)
}

func TestRunsDoNotMeet(t *testing.T) {
	const runs = 50
	var logged, shouted [runs]guesttest.Result
	var group sync.WaitGroup
	for n := range runs {
		group.Go(func() {
			logged[n] = guesttest.Run("test.log", n, guesttest.Task{})
			shouted[n] = guesttest.Run("test.upper", []byte("x"), guesttest.Task{})
		})
	}
	group.Wait()
	for n := range runs {
		require.Equal(t, strconv.Itoa(n), string(logged[n].Output))
		require.Len(t, logged[n].Logs, 5)
		require.Equal(t, float64(n), logged[n].Logs[1].Fields["n"])
		require.Equal(t, "application/json", logged[n].OutputType, "not the type that another run has set")
		require.Equal(t, "text/plain", shouted[n].OutputType)
	}
}

func TestMisuse(t *testing.T) {
	require.PanicsWithValue(t,
		`guesttest: no definition is called "nope", there are: test.sum, test.upper, test.nothing, test.empty, test.fail, test.panic, test.context, test.log, test.badresult`,
		func() { guesttest.Run("nope", nil, guesttest.Task{}) })
	require.Panics(t, func() { guesttest.Run("test.sum", func() {}, guesttest.Task{}) })
}

func TestDecode(t *testing.T) {
	var n int
	require.EqualError(t, guesttest.Run("test.fail", "", guesttest.Task{}).Decode(&n), "guesttest: the task failed (retryable): broken")
	require.EqualError(t, guesttest.Run("test.nothing", nil, guesttest.Task{}).Decode(&n), "guesttest: the task has no result")
	require.Error(t, guesttest.Run("test.upper", []byte("x"), guesttest.Task{}).Decode(&n))
}

func TestManifest(t *testing.T) {
	manifest := guesttest.Manifest()
	require.Equal(t, "go/1", manifest.SDK)
	require.Len(t, manifest.Definitions, 9)
	require.Equal(t, abi.Options{Retries: 4, TimeoutMS: 10_000}, manifest.Definitions[0].Options)
	require.Equal(t, abi.Definition{Name: "test.upper", Description: "Shouts."}, manifest.Definitions[1])
}
