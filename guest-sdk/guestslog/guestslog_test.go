package guestslog_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	guest "github.com/taskhost/taskhost/guest-sdk"
	"github.com/taskhost/taskhost/guest-sdk/guestslog"
	"github.com/taskhost/taskhost/guest-sdk/guesttest"
)

func init() {
	guest.HandleRaw("slog.lines", lines, guest.Options{})
	guest.HandleRaw("slog.many", many, guest.Options{})
}

func lines(ctx guest.Context, _ []byte) ([]byte, error) {
	log := guestslog.New(ctx)
	log.Debug("plain")
	log.Info("attributes", slog.Int("n", 1), slog.Any("err", errors.New("no")), slog.Group("g", slog.Bool("a", true)))
	log.With(slog.Int("shop", 3)).WithGroup("in").Warn("nested", slog.Duration("took", time.Second))
	log.Error("", slog.String("level", "mine"), slog.String("msg", "too"), slog.String("time", "as well"))
	log.WithGroup("empty").Error("end\n")
	log.Log(context.Background(), slog.LevelInfo+1, "between")
	log.Log(context.Background(), slog.LevelDebug-100, "low")
	return nil, nil
}

func TestLines(t *testing.T) {
	require.Equal(t, []guesttest.Line{
		{Level: "debug", Message: "plain"},
		{Level: "info", Message: "attributes", Fields: map[string]any{"n": 1.0, "err": "no", "g": map[string]any{"a": true}}},
		{Level: "warn", Message: "nested", Fields: map[string]any{"shop": 3.0, "in": map[string]any{"took": 1e9}}},
		{Level: "error", Message: "", Fields: map[string]any{"level": "mine", "msg": "too", "time": "as well"}},
		{Level: "error", Message: "end\n"},
		{Level: "info", Message: "between"},
		{Level: "debug", Message: "low"},
	}, guesttest.Run("slog.lines", nil, guesttest.Task{}).Logs)
}

func many(ctx guest.Context, _ []byte) ([]byte, error) {
	log := guestslog.New(ctx)
	var group sync.WaitGroup
	for n := range 50 {
		group.Go(func() { log.With(slog.Int("n", n)).Info("line", slog.Int("again", n)) })
	}
	group.Wait()
	return nil, nil
}

func TestLoggerIsSharedByGoroutines(t *testing.T) {
	logged := guesttest.Run("slog.many", nil, guesttest.Task{}).Logs
	require.Len(t, logged, 50)
	for _, line := range logged {
		require.Equal(t, line.Fields["n"], line.Fields["again"])
	}
}
