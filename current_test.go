package taskhost

import (
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

type lines chan string

func (l lines) Log(_ task.Level, message string, _ json.RawMessage) { l <- message }

// talkative logs while it is logged.
type talkative struct{ logger *slog.Logger }

func (v talkative) LogValue() slog.Value {
	v.logger.Info("from LogValue")
	return slog.StringValue("v")
}

func (v talkative) MarshalJSON() ([]byte, error) {
	v.logger.Info("from MarshalJSON")
	return []byte(`"v"`), nil
}

// TestLogInsideOfALog: a value may log when it is asked what it is. slog's own
// handlers bear that, and a function that hangs can never be stopped.
func TestLogInsideOfALog(t *testing.T) {
	sink := make(lines, 10)
	logger := newTaskLogger(sink)
	done := make(chan struct{})
	go func() {
		defer close(done)
		logger.Info("outer", "v", talkative{logger})
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		require.FailNow(t, "the logger waits for itself")
	}
	require.Equal(t, "from LogValue", <-sink)
	require.Equal(t, "outer", <-sink)
}
