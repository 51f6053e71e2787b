package task_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

func fullAttempt() task.Attempt {
	started := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	ended := started.Add(1500 * time.Millisecond)
	return task.Attempt{
		Number: 2, Node: "node-1", Outcome: task.Failed, StartedAt: started, EndedAt: &ended, QueueWait: 123 * time.Microsecond,
		Error: "it failed", Cause: task.CauseTrap, Trace: "here",
		Usage: task.Usage{Sandbox: time.Second, PeakMemory: 65536, Fuel: 1 << 50, CPU: 900 * time.Millisecond, Pooled: true},
	}
}

func TestAttemptJSONIsExactly(t *testing.T) {
	text, err := json.Marshal(fullAttempt())
	require.NoError(t, err)
	require.Equal(t, `{"attempt":2,"node":"node-1","outcome":"failed",`+
		`"start_time":"2026-01-02T03:04:05.000006Z","end_time":"2026-01-02T03:04:06.500006Z",`+
		`"error":"it failed","cause":"trap","stacktrace":"here",`+
		`"queue_wait":0.000123,"run_time":1.5,"sandbox_time":1,"cpu_time":0.9,"fuel":1125899906842624,"peak_memory_bytes":65536,"pooled":true}`, string(text))
}

func TestAttemptJSONOfOneThatRunsIsExactly(t *testing.T) {
	text, err := json.Marshal(&task.Attempt{Number: 1, Node: "n", Outcome: task.Running, StartedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)})
	require.NoError(t, err)
	require.Equal(t, `{"attempt":1,"node":"n","outcome":"running","start_time":"2026-01-02T03:04:05Z","end_time":null,`+
		`"queue_wait":0,"run_time":null,"sandbox_time":0,"cpu_time":0,"fuel":0,"peak_memory_bytes":0,"pooled":false}`, string(text))
}

func TestAttemptJSONRoundTrip(t *testing.T) {
	before := fullAttempt()
	text, err := json.Marshal(before)
	require.NoError(t, err)
	after := task.Attempt{Error: "stale"}
	require.NoError(t, json.Unmarshal(text, &after))
	require.Equal(t, before, after)
	require.Error(t, json.Unmarshal([]byte(`{"queue_wait":"1s"}`), &after))
	require.Equal(t, before, after, "a failed read must not change it")
}

func TestAttemptRunTime(t *testing.T) {
	require.Equal(t, 1500*time.Millisecond, fullAttempt().RunTime())
	require.Zero(t, task.Attempt{StartedAt: time.Now()}.RunTime(), "it has not ended")
}
