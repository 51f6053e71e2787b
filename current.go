package taskhost

import (
	"context"
	"log/slog"
	"sync"

	"github.com/taskhost/taskhost/task"
)

// running is what a Go function can learn of its task.
type running struct {
	exec   *task.Execution
	logger *slog.Logger
}

type runningKey struct{}

func withTask(ctx context.Context, exec *task.Execution, log task.LogSink) context.Context {
	return context.WithValue(ctx, runningKey{}, &running{exec: exec, logger: newTaskLogger(log)})
}

// Current returns the task that a Go function runs for, as it was when the
// attempt started. ok is false outside of a task.
func Current(ctx context.Context) (t task.Task, ok bool) {
	r, ok := ctx.Value(runningKey{}).(*running)
	if !ok {
		return task.Task{}, false
	}
	return r.exec.Task, true
}

// Log returns a logger that writes to the log of the task that a Go function
// runs for. Outside of a task it discards.
func Log(ctx context.Context) *slog.Logger {
	if r, ok := ctx.Value(runningKey{}).(*running); ok {
		return r.logger
	}
	return slog.New(slog.DiscardHandler)
}

// taskLog writes records to a task's log, with their attributes as fields. The
// attributes are encoded by slog's own JSON handler, which writes them, and
// nothing else, to line.
type taskLog struct {
	slog.Handler

	line *taskLine
}

// taskLine carries what the JSON handler does not write from Handle to Write.
type taskLine struct {
	sink task.LogSink

	mu      sync.Mutex
	level   task.Level
	message string
}

func newTaskLogger(sink task.LogSink) *slog.Logger {
	line := &taskLine{sink: sink}
	return slog.New(taskLog{
		Handler: slog.NewJSONHandler(line, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: attributesOnly}),
		line:    line,
	})
}

func attributesOnly(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
		return slog.Attr{}
	}
	return a
}

func (h taskLog) Handle(ctx context.Context, record slog.Record) error {
	h.line.mu.Lock()
	defer h.line.mu.Unlock()
	h.line.level, h.line.message = slogLevel(record.Level), record.Message
	return h.Handler.Handle(ctx, record)
}

func (h taskLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return taskLog{h.Handler.WithAttrs(attrs), h.line}
}

func (h taskLog) WithGroup(name string) slog.Handler {
	return taskLog{h.Handler.WithGroup(name), h.line}
}

// Write takes one record's attributes. It is called under Handle.
func (l *taskLine) Write(p []byte) (int, error) {
	fields := append([]byte(nil), p...)
	if len(fields) > 0 && fields[len(fields)-1] == '\n' {
		fields = fields[:len(fields)-1]
	}
	if string(fields) == "{}" {
		fields = nil
	}
	l.sink.Log(l.level, l.message, fields)
	return len(p), nil
}

func slogLevel(level slog.Level) task.Level {
	switch {
	case level >= slog.LevelError:
		return task.Error
	case level >= slog.LevelWarn:
		return task.Warn
	case level >= slog.LevelInfo:
		return task.Info
	default:
		return task.Debug
	}
}
