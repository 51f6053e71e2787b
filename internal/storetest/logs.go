package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

var logProperties = []property{
	{name: "lines come back as they were logged", hold: holdLines},
	{name: "lines can be read while the attempt runs", hold: holdLiveLines},
	{name: "lines of all attempts are in order, in pages", hold: holdLinePages},
	{name: "ten thousand lines", hold: holdManyLines},
	{name: "too many lines are cut", hold: holdCutLines},
	{name: "what was stored outlives its node", hold: holdLinesOutlive, fleet: true},
}

func holdLines(w *world) {
	store := w.serve(1, func(_ context.Context, _ *task.Execution, log task.LogSink) task.Outcome {
		log.Log(task.Debug, "first", nil)
		log.Log(task.Info, "second", json.RawMessage(`{"b":1,"a":[null]}`))
		log.Log(task.Warn, "", json.RawMessage(`{}`))
		log.Log(task.Error, strings.Repeat("é", riverstore.MaxLogLine), nil)
		return fails("and the lines are kept")
	}, guest("a"))
	id := w.named(store, "a")
	w.await(store, id)
	logs := w.logs(store, id)
	require.Len(w, logs, 4)
	require.Equal(w, []task.Level{task.Debug, task.Info, task.Warn, task.Error}, []task.Level{logs[0].Level, logs[1].Level, logs[2].Level, logs[3].Level})
	require.Equal(w, []string{"first", "second", ""}, messages(logs[:3]))
	require.Equal(w, []string{"", `{"b":1,"a":[null]}`, `{}`, ""}, []string{string(logs[0].Fields), string(logs[1].Fields), string(logs[2].Fields), string(logs[3].Fields)})
	require.LessOrEqual(w, len(logs[3].Message), riverstore.MaxLogLine)
	require.True(w, strings.HasSuffix(logs[3].Message, "é… (cut)"))
	for i, entry := range logs {
		require.Equal(w, 1, entry.Attempt)
		w.exact(entry.Time, "the time of a line")
		if i > 0 {
			require.Greater(w, entry.Seq, logs[i-1].Seq)
			require.False(w, entry.Time.Before(logs[i-1].Time))
		}
	}
}

func holdLiveLines(w *world) {
	lines, leave := make(chan string), make(chan struct{})
	store := w.serve(1, func(ctx context.Context, _ *task.Execution, log task.LogSink) task.Outcome {
		for {
			select {
			case line := <-lines:
				log.Log(task.Info, line, nil)
			case <-leave:
				return task.Outcome{}
			case <-ctx.Done():
				return fails("stopped")
			}
		}
	}, guest("a"))
	reader := w.open() // another process
	id := w.named(store, "a")
	var want []string
	for i := range 5 {
		line := fmt.Sprintf("line %d", i)
		send(w, lines, line)
		want = append(want, line)
		w.eventually(func() bool { return len(w.logs(reader, id)) == len(want) }, "for line %d to be readable", i)
		require.Equal(w, want, messages(w.logs(reader, id)))
		require.Equal(w, task.Running, w.task(reader, id).Status)
	}
	send(w, lines, "last")
	close(leave)
	w.succeeds(store, id)
	require.Equal(w, append(want, "last"), messages(w.logs(store, id)), "what was logged is there once the task has ended")
}

func holdLinePages(w *world) {
	const lines = 23
	store := w.serve(1, func(_ context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
		for i := range lines {
			log.Log(task.Info, fmt.Sprintf("%d/%d", exec.Task.Attempt, i), nil)
		}
		return fails("again")
	}, guest("a", task.Options{Retries: 2}))
	id := w.named(store, "a")
	w.await(store, id)
	all := w.logs(store, id)
	require.Len(w, all, 3*lines)
	for i, entry := range all {
		require.Equal(w, fmt.Sprintf("%d/%d", 1+i/lines, i%lines), entry.Message)
		require.Equal(w, 1+i/lines, entry.Attempt)
	}
	var paged []task.LogEntry
	for after := int64(0); ; {
		page, err := store.Logs(w.Context(), id, after, 10)
		require.NoError(w, err)
		require.LessOrEqual(w, len(page), 10)
		if len(page) == 0 {
			break
		}
		paged = append(paged, page...)
		after = page[len(page)-1].Seq
	}
	require.Equal(w, all, paged)
}

func holdManyLines(w *world) {
	const lines = 10_000
	store := w.serve(1, func(_ context.Context, _ *task.Execution, log task.LogSink) task.Outcome {
		for i := range lines {
			log.Log(task.Info, fmt.Sprint(i), nil)
		}
		return task.Outcome{}
	}, guest("a"))
	id := w.named(store, "a")
	w.succeeds(store, id)
	logs := w.logs(store, id)
	require.Len(w, logs, lines)
	for i, entry := range logs {
		require.Equal(w, fmt.Sprint(i), entry.Message)
	}
}

func holdCutLines(w *world) {
	long := strings.Repeat("x", riverstore.MaxLogLine-100)
	store := w.serve(1, func(_ context.Context, _ *task.Execution, log task.LogSink) task.Outcome {
		for range 200 {
			log.Log(task.Info, long, nil)
		}
		log.Log(task.Error, "lost", nil)
		return task.Outcome{Result: []byte("kept")}
	}, guest("a"))
	id := w.named(store, "a")
	w.succeeds(store, id)
	logs := w.logs(store, id)
	kept := riverstore.MaxLogBytes / (len(long) + riverstore.LogLineCost)
	require.Len(w, logs, kept+1)
	for _, entry := range logs[:kept] {
		require.Equal(w, long, entry.Message)
	}
	require.Contains(w, logs[kept].Message, "truncated")
	require.Equal(w, task.Warn, logs[kept].Level)
}

// A node that dies takes the lines with it that were not stored, which are those of the
// last moment. The next attempt has the number of the one that was cut off, and its lines
// stand apart all the same.
func holdLinesOutlive(w *world) {
	survivor := w.open()
	w.push(survivor, "m", guest("a", task.Options{RequeueOnInterrupt: true}))
	lost, cable := w.OpenOver(w.T)
	w.opened = append(w.opened, lost)
	w.Cleanup(cable.Mend)
	leave := w.latch()
	entered := make(chan task.LogSink, 1)
	w.start(lost, only(task.Wasm, 1), handler(func(_ context.Context, _ *task.Execution, log task.LogSink) task.Outcome {
		log.Log(task.Info, "stored", json.RawMessage(`{"n":1}`))
		entered <- log
		<-leave.opened
		return task.Outcome{}
	}))
	id := w.named(survivor, "a")
	log := receive(w, entered, "the attempt")
	w.eventually(func() bool { return len(w.logs(survivor, id)) == 1 }, "for the line to be stored")
	cable.Cut()
	log.Log(task.Info, "lost", nil)
	w.start(survivor, only(task.Wasm, 1), handler(func(_ context.Context, _ *task.Execution, log task.LogSink) task.Outcome {
		log.Log(task.Warn, "again", nil)
		return task.Outcome{}
	}))
	w.succeeds(survivor, id)
	leave.open()
	cable.Mend()
	require.NoError(w, lost.Stop(w.Context()))
	logs := w.logs(survivor, id)
	require.Equal(w, []string{"stored", "again"}, messages(logs))
	require.Equal(w, []int{1, 1}, []int{logs[0].Attempt, logs[1].Attempt})
	require.False(w, logs[0].SameAttempt(logs[1]))
	require.True(w, logs[1].SameAttempt(logs[1]))
}
