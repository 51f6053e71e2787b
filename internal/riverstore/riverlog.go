package riverstore

import (
	"context"
	"log/slog"
)

// quietRiver returns a logger for River that passes warnings and errors. What
// River says at lower levels is about tickets, and would read as if it were
// about tasks.
func quietRiver(logger *slog.Logger) *slog.Logger {
	return slog.New(atLeastWarn{logger.Handler()}).With(slog.String("component", "river"))
}

type atLeastWarn struct{ slog.Handler }

func (h atLeastWarn) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.Handler.Enabled(ctx, level)
}

func (h atLeastWarn) WithAttrs(attrs []slog.Attr) slog.Handler {
	return atLeastWarn{h.Handler.WithAttrs(attrs)}
}

func (h atLeastWarn) WithGroup(name string) slog.Handler {
	return atLeastWarn{h.Handler.WithGroup(name)}
}
