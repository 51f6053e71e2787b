package taskhost

import (
	"bytes"
	"context"
	"log/slog"
	"time"

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

// taskLog writes records to a task's log, with their attributes as fields, which
// slog's own JSON handler encodes.
type taskLog struct {
	sink task.LogSink
	// with are the calls of With and WithGroup, to be repeated for each record: a
	// handler for each keeps records apart without a lock, which an attribute that
	// logs while it is encoded would wait for.
	with []func(slog.Handler) slog.Handler
}

func newTaskLogger(sink task.LogSink) *slog.Logger { return slog.New(taskLog{sink: sink}) }

// Enabled implements slog.Handler. A task's levels begin with debug.
func (h taskLog) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelDebug
}

// Handle implements slog.Handler.
func (h taskLog) Handle(ctx context.Context, record slog.Record) error {
	var fields bytes.Buffer
	own := 0 // how many attributes are to come that are the encoder's own
	encoder := slog.Handler(slog.NewJSONHandler(&fields, &slog.HandlerOptions{
		Level: record.Level,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if own > 0 {
				own--
				return slog.Attr{}
			}
			return a
		},
	}))
	for _, with := range h.with {
		encoder = with(encoder)
	}
	own = 2 // level and message; a record without a time has no third
	bare := record.Clone()
	bare.Time = time.Time{}
	if err := encoder.Handle(ctx, bare); err != nil {
		return err
	}
	text := bytes.TrimSpace(fields.Bytes())
	if string(text) == "{}" {
		text = nil
	}
	h.sink.Log(slogLevel(record.Level), record.Message, text)
	return nil
}

// WithAttrs implements slog.Handler.
func (h taskLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.and(func(encoder slog.Handler) slog.Handler { return encoder.WithAttrs(attrs) })
}

// WithGroup implements slog.Handler.
func (h taskLog) WithGroup(name string) slog.Handler {
	return h.and(func(encoder slog.Handler) slog.Handler { return encoder.WithGroup(name) })
}

func (h taskLog) and(with func(slog.Handler) slog.Handler) taskLog {
	return taskLog{h.sink, append(h.with[:len(h.with):len(h.with)], with)}
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
