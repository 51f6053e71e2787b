// Package guestslog lets a task log with log/slog. It is a package of its own
// because log/slog adds most of a megabyte to a guest that has no other codec.
package guestslog

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"time"

	guest "github.com/taskhost/taskhost/guest-sdk"
)

// New returns a logger whose lines are those of the execution that ctx belongs
// to. Attributes and groups become fields as [slog.JSONHandler] writes them. A
// level between two of slog's counts as the lower one; every level is passed
// on. The logger may be used from several goroutines, until the handler has
// returned.
func New(ctx guest.Context) *slog.Logger {
	text := &bytes.Buffer{}
	return slog.New(&handler{
		ctx:    ctx,
		shared: &shared{text: text},
		json:   slog.NewJSONHandler(text, &slog.HandlerOptions{Level: lowest}),
	})
}

// lowest is below every level that somebody would use.
const lowest = slog.Level(-1 << 16)

// prefix is what slog.JSONHandler writes for a record without time, level and
// message, up to its first attribute. The guest's host takes level and message
// on their own.
const prefix = `{"level":"INFO","msg":""`

// handler has a slog.JSONHandler encode the attributes of each record, and
// logs them with the record's own level and message.
type handler struct {
	ctx    guest.Context
	shared *shared
	json   slog.Handler
}

// shared is what the handlers of one logger write to in turn.
type shared struct {
	mu   sync.Mutex
	text *bytes.Buffer
}

func (h *handler) Enabled(context.Context, slog.Level) bool { return true }

func (h *handler) Handle(ctx context.Context, record slog.Record) error {
	level, message := levelOf(record.Level), record.Message
	record.Time, record.Level, record.Message, record.PC = time.Time{}, 0, "", 0
	h.shared.mu.Lock()
	defer h.shared.mu.Unlock()
	h.shared.text.Reset()
	if err := h.json.Handle(ctx, record); err != nil {
		return err
	}
	h.ctx.Log(level, message, fields(h.shared.text.Bytes()))
	return nil
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{h.ctx, h.shared, h.json.WithAttrs(attrs)}
}

func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.ctx, h.shared, h.json.WithGroup(name)}
}

// fields returns the object that is left of a line without its prefix, nil for
// an empty one. It reuses the line's memory.
func fields(line []byte) []byte {
	rest := bytes.TrimSuffix(bytes.TrimPrefix(line, []byte(prefix)), []byte("\n"))
	if len(rest) == 0 || rest[0] != ',' {
		return nil
	}
	rest[0] = '{'
	return rest
}

func levelOf(level slog.Level) guest.Level {
	switch {
	case level < slog.LevelInfo:
		return guest.LevelDebug
	case level < slog.LevelWarn:
		return guest.LevelInfo
	case level < slog.LevelError:
		return guest.LevelWarn
	}
	return guest.LevelError
}

var _ slog.Handler = (*handler)(nil)
