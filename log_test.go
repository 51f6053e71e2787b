package taskhost_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost"
	"github.com/taskhost/taskhost/task"
)

// logging is a function that logs as each of its tasks says.
type logging struct {
	host *taskhost.Host
	do   map[string]func(ctx context.Context)
}

func newLogging(t *testing.T, do map[string]func(ctx context.Context)) logging {
	t.Helper()
	l := logging{newHost(t, taskhost.Config{}), do}
	register(t, l.host, "logs", func(ctx context.Context, name string) (int, error) { do[name](ctx); return 1, nil }, task.Options{})
	start(t, l.host)
	return l
}

// of runs one of them and returns what it logged.
func (l logging) of(t *testing.T, name string) []task.LogEntry {
	t.Helper()
	id := enqueue(t, l.host, "logs", name)
	got := await(t, l.host, id)
	require.Equal(t, task.Success, got.Status, got.Error)
	entries, err := l.host.Logs(t.Context(), id, 0, 1000)
	require.NoError(t, err)
	return entries
}

// logged runs a function and returns what it logged.
func logged(t *testing.T, log func(ctx context.Context)) []task.LogEntry {
	t.Helper()
	return newLogging(t, map[string]func(context.Context){"": log}).of(t, "")
}

func TestLogLevels(t *testing.T) {
	entries := logged(t, func(ctx context.Context) {
		for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelInfo + 2, slog.LevelWarn, slog.LevelError, slog.LevelError + 4} {
			taskhost.Log(ctx).Log(ctx, level, "m")
		}
		taskhost.Log(ctx).Log(ctx, slog.LevelDebug-1, "below debug is dropped")
	})
	var levels []task.Level
	for i, entry := range entries {
		levels = append(levels, entry.Level)
		require.Equal(t, "m", entry.Message)
		require.Empty(t, entry.Fields)
		require.Equal(t, 1, entry.Attempt)
		require.WithinDuration(t, time.Now(), entry.Time, time.Minute)
		if i > 0 {
			require.Greater(t, entry.Seq, entries[i-1].Seq)
		}
	}
	require.Equal(t, []task.Level{task.Debug, task.Info, task.Info, task.Warn, task.Error, task.Error}, levels)
}

func TestLogFields(t *testing.T) {
	tests := map[string]struct {
		log  func(*slog.Logger)
		want string // empty: no fields
	}{
		"none":                {func(l *slog.Logger) { l.Info("m") }, ""},
		"attributes":          {func(l *slog.Logger) { l.Info("m", "n", 1, "t", "<ü>", slog.Bool("b", true)) }, `{"n":1,"t":"<ü>","b":true}`},
		"an error":            {func(l *slog.Logger) { l.Error("m", "error", errors.New("no luck")) }, `{"error":"no luck"}`},
		"a duration":          {func(l *slog.Logger) { l.Info("m", "d", time.Second) }, `{"d":1000000000}`},
		"a value":             {func(l *slog.Logger) { l.Info("m", "v", map[string]any{"a": []int{1}}) }, `{"v":{"a":[1]}}`},
		"what has no JSON":    {func(l *slog.Logger) { l.Info("m", "v", make(chan int)) }, `{"v":"!ERROR:json: unsupported type: chan int"}`},
		"with":                {func(l *slog.Logger) { l.With("a", 1).With("b", 2).Info("m", "c", 3) }, `{"a":1,"b":2,"c":3}`},
		"a group":             {func(l *slog.Logger) { l.Info("m", slog.Group("g", "a", 1)) }, `{"g":{"a":1}}`},
		"an empty group":      {func(l *slog.Logger) { l.Info("m", slog.Group("g")) }, ""},
		"with a group":        {func(l *slog.Logger) { l.WithGroup("g").Info("m", "a", 1) }, `{"g":{"a":1}}`},
		"with an empty group": {func(l *slog.Logger) { l.WithGroup("g").Info("m") }, ""},
		"groups in groups":    {func(l *slog.Logger) { l.With("a", 1).WithGroup("g").With("b", 2).WithGroup("h").Info("m", "c", 3) }, `{"a":1,"g":{"b":2,"h":{"c":3}}}`},
		"a name in a group":   {func(l *slog.Logger) { l.WithGroup("g").Info("m", "level", 1, "msg", 2, "time", 3) }, `{"g":{"level":1,"msg":2,"time":3}}`},
		"line ends":           {func(l *slog.Logger) { l.Info("m", "t", "a\nb") }, `{"t":"a\nb"}`},
	}
	do := make(map[string]func(context.Context))
	for name, test := range tests {
		do[name] = func(ctx context.Context) { test.log(taskhost.Log(ctx)) }
	}
	l := newLogging(t, do)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			entries := l.of(t, name)
			require.Len(t, entries, 1)
			require.Equal(t, "m", entries[0].Message)
			require.Equal(t, test.want, string(entries[0].Fields))
		})
	}
}

// TestLogFieldsOfAnyName: slog's own keys are names like any other to who logs
// them.
func TestLogFieldsOfAnyName(t *testing.T) {
	entries := logged(t, func(ctx context.Context) {
		taskhost.Log(ctx).Info("fan speed", "level", 3, "msg", "sent", "time", 12)
		taskhost.Log(ctx).With("level", "high").Info("fan speed")
	})
	require.Len(t, entries, 2)
	require.Equal(t, `{"level":3,"msg":"sent","time":12}`, string(entries[0].Fields))
	require.Equal(t, `{"level":"high"}`, string(entries[1].Fields))
}

func TestLogOfManyGoroutines(t *testing.T) {
	const writers, each = 8, 100
	entries := logged(t, func(ctx context.Context) {
		done := make(chan struct{})
		for w := range writers {
			go func() {
				defer func() { done <- struct{}{} }()
				l := taskhost.Log(ctx).With("w", w)
				for range each {
					l.Info("from writer", "level", slog.IntValue(w))
				}
			}()
		}
		for range writers {
			<-done
		}
	})
	require.Len(t, entries, writers*each)
	counts := make(map[int]int)
	for _, entry := range entries {
		var fields struct{ W int }
		require.NoError(t, json.Unmarshal(entry.Fields, &fields))
		counts[fields.W]++
	}
	for w := range writers {
		require.Equal(t, each, counts[w])
	}
}

func TestLogIsReadInPages(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	register(t, h, "logs", func(ctx context.Context, n int) (int, error) {
		for i := range n {
			taskhost.Log(ctx).Info("m", "i", i)
		}
		return n, nil
	}, task.Options{})
	start(t, h)
	id := enqueue(t, h, "logs", 10)
	await(t, h, id)
	all, err := h.Logs(t.Context(), id, 0, 100)
	require.NoError(t, err)
	require.Len(t, all, 10)
	var paged []task.LogEntry
	for after := int64(0); ; {
		page, err := h.Logs(t.Context(), id, after, 3)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page), 3)
		if len(page) == 0 {
			break
		}
		paged = append(paged, page...)
		after = page[len(page)-1].Seq
	}
	require.Equal(t, all, paged)
	_, err = h.Logs(t.Context(), task.ID{1}, 0, 1)
	require.ErrorIs(t, err, task.ErrNotFound)
}

// TestLogOfARunningTask: lines appear while it runs.
func TestLogOfARunningTask(t *testing.T) {
	h := newHost(t, taskhost.Config{LogFlushInterval: time.Millisecond})
	release := make(chan struct{})
	register(t, h, "logs", func(ctx context.Context, _ int) (int, error) {
		taskhost.Log(ctx).Info("first")
		<-release
		taskhost.Log(ctx).Info("last")
		return 1, nil
	}, task.Options{})
	start(t, h)
	id := enqueue(t, h, "logs", 1)
	require.Eventually(t, func() bool {
		entries, err := h.Logs(context.WithoutCancel(t.Context()), id, 0, 10)
		return err == nil && len(entries) == 1
	}, waitAtMost, tick)
	require.Equal(t, task.Running, get(t, h, id).Status)
	entries, err := h.Logs(t.Context(), id, 0, 10)
	require.NoError(t, err)
	require.Equal(t, "first", entries[0].Message)
	close(release)
	await(t, h, id)
	entries, err = h.Logs(t.Context(), id, entries[0].Seq, 10)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Equal(t, "last", entries[0].Message)
}

type innerKey struct{}

func TestCurrent(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	seen := make(chan task.Task, 2)
	f := register(t, h, "seen", func(ctx context.Context, _ int) (int, error) {
		current, ok := taskhost.Current(context.WithValue(ctx, innerKey{}, 1))
		require.True(t, ok)
		seen <- current
		if current.Attempt == 1 {
			return 0, errBroken
		}
		return 1, nil
	}, task.Options{Retries: 1})
	start(t, h)
	id, err := f.Enqueue(t.Context(), 1, taskhost.EnqueueOptions{Tags: map[string]string{"k": "v"}})
	require.NoError(t, err)
	await(t, h, id)
	for attempt := 1; attempt <= 2; attempt++ {
		current := receive(t, seen)
		require.Equal(t, id, current.ID)
		require.Equal(t, "seen", current.Name)
		require.Equal(t, task.Running, current.Status)
		require.Equal(t, attempt, current.Attempt)
		require.Equal(t, 2, current.MaxAttempts)
		require.Equal(t, map[string]string{"k": "v"}, current.Tags)
		require.NotEmpty(t, current.Node)
		require.NotNil(t, current.StartedAt)
	}
}

func TestOutsideOfATask(t *testing.T) {
	current, ok := taskhost.Current(t.Context())
	require.False(t, ok)
	require.Zero(t, current)
	require.False(t, taskhost.Log(t.Context()).Enabled(t.Context(), slog.LevelError))
	taskhost.Log(t.Context()).Error("into nothing")
}

// TestTaskLogsAreNotTheHosts: "arguments, results and task logs are never
// written to it".
func TestTaskLogsAreNotTheHosts(t *testing.T) {
	var text bytes.Buffer
	h := newHost(t, taskhost.Config{Logger: slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	register(t, h, "private", func(ctx context.Context, in string) (string, error) {
		taskhost.Log(ctx).Error("SECRET-log", "k", "SECRET-field")
		return "SECRET-result", nil
	}, task.Options{})
	register(t, h, "broken", func(context.Context, string) (int, error) { panic("SECRET-panic") }, task.Options{})
	start(t, h)
	await(t, h, enqueue(t, h, "private", "SECRET-args"))
	await(t, h, enqueue(t, h, "broken", "SECRET-args"))
	stop(t, h)
	require.Contains(t, text.String(), "taskhost started")
	require.Contains(t, text.String(), "taskhost stopped")
	require.NotContains(t, text.String(), "SECRET")
}
