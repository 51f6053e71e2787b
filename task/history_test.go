package task_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

func TestParseAge(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "90s": 90 * time.Second, "1h30m": 90 * time.Minute,
		"7d": 7 * 24 * time.Hour, "0d": 0, "1.5d": 36 * time.Hour, "1d12h": 36 * time.Hour, "106751d": 106751 * 24 * time.Hour,
	} {
		got, err := task.ParseAge(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "7", "d", "-1d", "-1h", "1d-1h", "7days", "1d7d", "NaNd", "Infd", "1e30d", "106752d", "106751d24h", "one"} {
		_, err := task.ParseAge(text)
		var invalid *task.InvalidError
		require.ErrorAs(t, err, &invalid, text)
	}
}

func TestRetention(t *testing.T) {
	require.Equal(t, task.Retention{Success: time.Hour, Failed: time.Hour, Interrupted: time.Hour, Cancelled: time.Hour}, task.KeepFor(time.Hour))
	some := task.Retention{Success: 1, Failed: 2, Interrupted: 3, Cancelled: 4}
	for i, status := range task.Terminals() {
		require.True(t, status.Terminal())
		require.EqualValues(t, i+1, some.Of(status))
	}
	require.Zero(t, some.Of(task.Pending), "what has not ended is not deleted")
	require.Zero(t, some.Of(task.Running))
	require.NoError(t, some.Validate())
	some.Interrupted = -1
	require.EqualError(t, some.Validate(), "interrupted must not be negative, is -1ns: 0 keeps tasks for ever")
}
