package storetest

import (
	"bytes"
	"context"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

var bytesProperties = []property{
	{name: "arguments and results are kept exactly", hold: holdBytes},
	{name: "a result can be larger than arguments", hold: holdLargeResult},
	{name: "types of results need not be texts", hold: holdResultTypes},
	{name: "tags", hold: holdTags},
	{name: "what a task is made of comes back", hold: holdFields},
	{name: "usage", hold: holdUsage},
}

// everyByte holds each value that a byte can have.
func everyByte() []byte {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	return all
}

// noise is bytes that no compression makes smaller, the same in every run.
func noise(size int) []byte {
	out := make([]byte, size)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(out) // it never fails
	return out
}

func holdBytes(w *world) {
	const octets = "application/octet-stream"
	cases := map[string]task.Request{
		"none":                  {},
		"none, of a type":       {ArgsType: octets},
		"every byte":            {Args: everyByte(), ArgsType: octets},
		"one NUL":               {Args: []byte{0}, ArgsType: "text/plain"},
		"invalid UTF-8":         {Args: []byte("a\xff\xfe\xc3("), ArgsType: "text/plain; charset=utf-8"},
		"a backslash and x":     {Args: []byte(`\x00\\000`), ArgsType: octets}, // as Postgres writes bytes
		"a mebibyte":            {Args: noise(task.DefaultArgsBytes), ArgsType: octets},
		"a mebibyte of JSON":    {Args: []byte(`"` + strings.Repeat("x", task.DefaultArgsBytes-2) + `"`)},
		"white space":           {Args: []byte(" {\n\t\"a\" : [ 1 ,2 ] }\r\n")},
		"order and repeats":     {Args: []byte(`{"b":1,"a":2,"b":3}`)},
		"numbers":               {Args: []byte(`{"e":1e400,"f":0.1000000000000000055511151231257827,"i":123456789012345678901234567890,"z":-0,"t":1.50}`)},
		"an escaped NUL":        {Args: []byte(`{"text":"a\u0000b"}`)},
		"unpaired surrogates":   {Args: []byte(`{"a":"\ud800","b":"\udc00 \ud83d"}`)},
		"escapes and not":       {Args: []byte(`"\u00e9é\ud83d\ude00😀\u2028 <&>\/"`)},
		"null":                  {Args: []byte(`null`)},
		"a type with a message": {Args: []byte("x"), ArgsType: `multipart/form-data; boundary="----é 'x' \"y\""`},
		"a long type":           {Args: []byte("x"), ArgsType: strings.Repeat("t", task.MaxTagBytes)},
	}
	store := w.serve(4, echo, guest("echo"))
	for name, request := range cases {
		request.Name = "echo"
		id := w.enqueue(store, request)
		wantType := request.ArgsType
		if wantType == "" {
			wantType = "application/json"
		}
		got := w.succeeds(store, id)
		result, resultType, err := store.Result(w.Context(), id)
		require.NoError(w, err, name)
		assert.True(w, bytes.Equal(request.Args, result), "%s: %.60q has become %.60q", name, request.Args, result)
		assert.Equal(w, wantType, resultType, name)
		assert.Equal(w, wantType, got.ResultType, name)
		assert.EqualValues(w, len(request.Args), got.ArgsBytes, name)
		assert.EqualValues(w, len(request.Args), got.ResultBytes, name)
	}
}

func holdLargeResult(w *world) {
	large := noise(5 << 20)
	store := w.serve(1, func(context.Context, *task.Execution, task.LogSink) task.Outcome {
		return task.Outcome{Result: large, ResultType: "image/png"}
	}, guest("large"))
	id := w.named(store, "large")
	got := w.succeeds(store, id)
	require.EqualValues(w, len(large), got.ResultBytes)
	result, _, err := store.Result(w.Context(), id)
	require.NoError(w, err)
	require.True(w, bytes.Equal(large, result))
}

// A type comes from a stranger. One that no column takes must not cost the end
// of the attempt.
func holdResultTypes(w *world) {
	types := map[string]string{
		"":                      "",
		"text/plain":            "text/plain",
		"téxt/😀; a='b' \"c\"":   "téxt/😀; a='b' \"c\"",
		"nul\x00":               "nul�",
		"\xff\xfeinvalid":       "�invalid",
		strings.Repeat("l", 99): strings.Repeat("l", 99),
	}
	store := w.serve(1, func(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		return task.Outcome{Result: []byte("r"), ResultType: string(exec.Args)}
	}, guest("typed"))
	for from, want := range types {
		id := w.enqueue(store, task.Request{Name: "typed", Args: []byte(from), ArgsType: "text/plain"})
		require.Equal(w, want, w.succeeds(store, id).ResultType)
		result, resultType, err := store.Result(w.Context(), id)
		require.NoError(w, err)
		require.Equal(w, want, resultType)
		require.Equal(w, "r", string(result))
	}
}

func holdTags(w *world) {
	store := w.open()
	w.push(store, "m", guest("tagged"))
	many := make(map[string]string)
	for i := range task.MaxTags {
		many[strings.Repeat("k", i+1)] = strings.Repeat("v", task.MaxTagBytes)
	}
	for name, tags := range map[string]map[string]string{
		"empty value": {"key": ""},
		"unicode":     {"ключ 🗝": "значение\u2028", "é": "e\u0301", "e\u0301": "é"},
		"JSON":        {`"}`: `\u0000`, "a.b": "<&>", " ": "\n\t\x01"},
		"numbers":     {"1": "1", "01": "1.0", "true": "null"},
		"many":        many,
	} {
		id := w.enqueue(store, task.Request{Name: "tagged", EnqueueOptions: task.EnqueueOptions{Tags: tags}})
		require.Equal(w, tags, w.task(store, id).Tags, name)
	}
	require.Empty(w, w.task(store, w.named(store, "tagged")).Tags)
}

func holdFields(w *world) {
	store := w.open()
	options := task.Options{
		Retries: 4, Delay: 1500 * time.Microsecond, Backoff: 2.5, MaxDelay: 77 * time.Second, Priority: 8,
		Timeout: 12345 * time.Millisecond, RequeueOnInterrupt: true, Memory: 3 << 20,
	}
	version := w.push(store, "m", guest("first"), guest("second", options))
	seen := make(chan task.Execution, 2)
	w.start(store, only(task.Wasm, 1), handler(func(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		seen <- *exec
		return task.Outcome{}
	}))
	id := w.enqueue(store, task.Request{Name: "second", Source: task.Scheduled, EnqueueOptions: task.EnqueueOptions{Tags: map[string]string{"a": "b"}}})
	exec := receive(w, seen, "the attempt")
	require.Equal(w, 1, exec.Index)
	require.Equal(w, options.Memory, exec.Limits.Memory)
	require.Equal(w, int64(1), exec.Lease)
	module := &task.ModuleRef{Name: "m", Version: 1, Digest: version.Digest}
	got := *w.succeeds(store, id)
	for _, one := range []task.Task{exec.Task, got} {
		require.Equal(w, id, one.ID)
		require.Equal(w, "second", one.Name)
		require.Equal(w, task.Wasm, one.Executor)
		require.Equal(w, module, one.Module)
		require.Equal(w, 8, one.Priority)
		require.Equal(w, map[string]string{"a": "b"}, one.Tags)
		require.Equal(w, task.Scheduled, one.Source)
		require.Equal(w, 1, one.Attempt)
		require.Equal(w, 5, one.MaxAttempts)
		require.Equal(w, options.Timeout, one.Timeout)
		require.True(w, one.RequeueOnInterrupt)
		require.Equal(w, "node-1", one.Node)
		require.Empty(w, one.IdempotencyKey)
		require.Nil(w, one.RetriedFrom)
		require.Nil(w, one.ResolvedBy)
		require.Nil(w, one.NextAttemptAt)
	}
	require.Equal(w, task.Running, exec.Task.Status)

	own := w.enqueue(store, task.Request{Name: "second", EnqueueOptions: task.EnqueueOptions{Priority: 1, Timeout: time.Hour}})
	exec = receive(w, seen, "the attempt")
	require.Equal(w, own, exec.Task.ID)
	require.Equal(w, 1, exec.Task.Priority)
	require.Equal(w, time.Hour, exec.Task.Timeout)
	require.Equal(w, task.Manual, exec.Task.Source)
	w.succeeds(store, own)
}

func holdUsage(w *world) {
	const most = 1<<63 - 1
	store := w.serve(1, func(context.Context, *task.Execution, task.LogSink) task.Outcome {
		return task.Outcome{Usage: task.Usage{Sandbox: 1500 * time.Microsecond, PeakMemory: 1 << 40, Fuel: most, CPU: time.Hour}}
	}, guest("used"))
	id := w.named(store, "used")
	w.succeeds(store, id)
	require.EqualValues(w, most, w.number("SELECT fuel FROM attempt WHERE task_id = $1", w.ID(id)))
	require.EqualValues(w, 1<<40, w.number("SELECT peak_memory FROM attempt WHERE task_id = $1", w.ID(id)))
}
