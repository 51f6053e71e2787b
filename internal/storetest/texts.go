package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

var textProperties = []property{
	{name: "errors and traces", hold: holdErrorTexts},
	{name: "panics and failed preparations", hold: holdHostTexts},
	{name: "log lines", hold: holdLogTexts},
	{name: "fields of log lines", hold: holdLogFields},
	{name: "requests that a database does not take", hold: holdRequestTexts},
}

// dirty are texts as strangers send them, and what is to be made of them: NUL and
// what is no UTF-8 become U+FFFD, all else stays.
var dirty = map[string]string{
	"plain":                        "plain",
	"":                             "",
	"ünïcode 😀 \u2028 \u200b":      "ünïcode 😀 \u2028 \u200b",
	"quotes ' \" ` \\ $1 ? %s":     "quotes ' \" ` \\ $1 ? %s",
	"lines\r\n\ttabs \x01\x1b[31m": "lines\r\n\ttabs \x01\x1b[31m",
	"a\x00b":                       "a\uFFFDb",
	"\x00":                         "\uFFFD",
	"a\xffb\xc3":                   "a\uFFFDb\uFFFD",
	"\xed\xa0\x80 surrogate":       "\uFFFD surrogate",
	"\uFFFD":                       "\uFFFD",
}

func holdErrorTexts(w *world) {
	store := w.serve(2, func(_ context.Context, exec *task.Execution, _ task.LogSink) task.Outcome {
		text := string(exec.Args)
		return task.Outcome{Failure: &task.Failure{Message: text, Trace: text + text}}
	}, guest("broken"))
	dirty := map[string]string{strings.Repeat("long ", 20_000): ""} // what is cut is looked at below
	for from, want := range dirtyTexts() {
		dirty[from] = want
	}
	for from, want := range dirty {
		id := w.enqueue(store, task.Request{Name: "broken", Args: []byte(from), ArgsType: "text/plain"})
		got := w.await(store, id)
		require.Equal(w, task.Failed, got.Status)
		require.Equal(w, task.CauseError, got.Cause)
		if len(from) > 1000 {
			for text, most := range map[string]int{got.Error: 8 << 10, got.Trace: 32 << 10} {
				assert.Contains(w, text[most-50:], "(cut)")
				assert.LessOrEqual(w, len(text), most)
			}
			continue
		}
		assert.Equal(w, want, got.Error, "of %q", from)
		if from != "" {
			assert.Equal(w, dirtyTwice(from, want), got.Trace, "of %q", from)
		}
		_, _, err := store.Result(w.Context(), id)
		var failure *task.Failure
		require.ErrorAs(w, err, &failure)
		assert.Equal(w, task.Failure{Cause: got.Cause, Message: got.Error, Trace: got.Trace}, *failure)
		attempts, err := store.Attempts(w.Context(), id)
		require.NoError(w, err)
		require.Len(w, attempts, 1)
		assert.Equal(w, [2]string{got.Error, got.Trace}, [2]string{attempts[0].Error, attempts[0].Trace})
	}
}

// dirtyTexts is dirty, for who changes it.
func dirtyTexts() map[string]string {
	out := make(map[string]string)
	for from, want := range dirty {
		out[from] = want
	}
	return out
}

// dirtyTwice is what becomes of a text that is there twice: neighbours that are no
// UTF-8 become one mark.
func dirtyTwice(from, want string) string {
	if strings.ToValidUTF8(from+from, "x") != strings.ToValidUTF8(from, "x")+strings.ToValidUTF8(from, "x") {
		return strings.TrimSuffix(want, "\uFFFD") + want
	}
	return want + want
}

// preparing fails to prepare.
type preparing struct{ handler }

func (p preparing) Prepare(_ context.Context, exec *task.Execution) error {
	return errors.New("cannot load \x00\xff of " + exec.Task.Name)
}

func holdHostTexts(w *world) {
	store := w.open()
	w.push(store, "m", guest("panics"))
	w.start(store, only(task.Wasm, 1), handler(func(context.Context, *task.Execution, task.LogSink) task.Outcome {
		panic("boom \x00\xfe!")
	}))
	got := w.await(store, w.named(store, "panics"))
	require.Equal(w, task.Failed, got.Status)
	require.Equal(w, task.CauseHost, got.Cause)
	require.Equal(w, "panic: boom \uFFFD\uFFFD!", got.Error)
	require.Contains(w, got.Trace, "holdHostTexts")

	w.stopNow(store)
	w.start(store, only(task.Wasm, 1), preparing{done})
	got = w.await(store, w.named(store, "panics"))
	require.Equal(w, task.CauseHost, got.Cause)
	require.Equal(w, "cannot load \uFFFD\uFFFD of panics", got.Error)
}

func holdLogTexts(w *world) {
	texts, want := []string{}, []string{}
	for from, to := range dirty {
		texts, want = append(texts, from), append(want, to)
	}
	store := w.serve(1, func(_ context.Context, _ *task.Execution, log task.LogSink) task.Outcome {
		for _, text := range texts {
			log.Log(task.Warn, text, nil)
		}
		return task.Outcome{}
	}, guest("logs"))
	id := w.named(store, "logs")
	w.succeeds(store, id)
	require.Equal(w, want, messages(w.logs(store, id)))
}

func holdLogFields(w *world) {
	exact := []string{
		`{"a":1}`,
		`{ "b" : 1,"a":2, "b":3 }`,
		`{"nul":"a\u0000b","lone":"\ud800","e":1e400,"long":0.1000000000000000055511151231257827}`,
		`{"é":"😀<&>"}`,
		`{}`,
	}
	broken := []string{
		"{\"raw\":\"a\x00b\"}",
		"{\"raw\":\"a\xffb\"}",
		`{"unfinished`,
		"\x00",
		"no JSON",
	}
	store := w.serve(1, func(_ context.Context, _ *task.Execution, log task.LogSink) task.Outcome {
		for _, fields := range append(exact, broken...) {
			log.Log(task.Debug, "line", json.RawMessage(fields))
		}
		log.Log(task.Error, "last", nil)
		return task.Outcome{Result: []byte("kept")}
	}, guest("logs"))
	id := w.named(store, "logs")
	w.succeeds(store, id)
	logs := w.logs(store, id)
	require.Len(w, logs, len(exact)+len(broken)+1)
	for i, entry := range logs {
		switch {
		case i < len(exact):
			assert.Equal(w, exact[i], string(entry.Fields))
		case i < len(logs)-1:
			// What is made of it is free, as long as it can be shown.
			_, err := json.Marshal(entry)
			require.NoError(w, err, "of fields %q", broken[i-len(exact)])
		default:
			assert.Empty(w, entry.Fields)
			assert.Equal(w, "last", entry.Message)
		}
	}
}

// A text that not every database takes is kept exactly, or refused in a way that
// a caller can act on; it is not changed, and it is no failure of the database.
func holdRequestTexts(w *world) {
	store := w.open()
	w.push(store, "m", guest("odd"))
	for _, text := range []string{"nul\x00", "invalid\xff", "surrogate\xed\xa0\x80"} {
		for _, test := range []struct {
			field   string
			request task.Request
		}{
			{"idempotency_key", task.Request{EnqueueOptions: task.EnqueueOptions{IdempotencyKey: text}}},
			{"args_type", task.Request{Args: []byte("x"), ArgsType: text}},
			{"tags", task.Request{EnqueueOptions: task.EnqueueOptions{Tags: map[string]string{"k": text}}}},
			{"tags", task.Request{EnqueueOptions: task.EnqueueOptions{Tags: map[string]string{text: "v"}}}},
		} {
			field, request := test.field, test.request
			request.Name = "odd"
			before := w.tasks()
			id, err := store.Enqueue(w.Context(), request)
			if err != nil {
				var invalid *task.InvalidError
				if assert.ErrorAs(w, err, &invalid, "%s %q", field, text) {
					assert.Equal(w, field, invalid.Field)
				}
				assert.Equal(w, before, w.tasks(), "%s %q was refused and stored", field, text)
				continue
			}
			got := w.task(store, id)
			have := fmt.Sprintf("%q %q", got.IdempotencyKey, got.Tags)
			assert.Equal(w, fmt.Sprintf("%q %q", request.IdempotencyKey, request.Tags), have, "%s %q was changed", field, text)
		}
	}
}
