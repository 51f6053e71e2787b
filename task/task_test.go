package task_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

func fullTask(t *testing.T) *task.Task {
	t.Helper()
	id, err := task.ParseID(sampleID)
	require.NoError(t, err)
	created := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	at := func(seconds int) *time.Time {
		at := created.Add(time.Duration(seconds) * time.Second)
		return &at
	}
	other := task.ID{15: 1}
	return &task.Task{
		ID: id, Name: "thumbs.resize", Status: task.Failed, Executor: task.Wasm,
		Module:   &task.ModuleRef{Name: "thumbs", Version: 3, Digest: "abc"},
		Priority: 7, Tags: map[string]string{"k": "v"}, Source: task.Manual,
		CreatedAt: created, RunAt: *at(1), NextAttemptAt: at(2), StartedAt: at(3), EndedAt: at(5),
		Attempt: 3, MaxAttempts: 4, Timeout: 1500 * time.Millisecond, RequeueOnInterrupt: true, Crashes: 1,
		Error: "it <failed>", Cause: task.CauseTrap, Trace: "here",
		ResultType: "image/png", ResultBytes: 10, ArgsBytes: 20,
		QueueWait: 250 * time.Millisecond, RunTime: 1234567 * time.Microsecond,
		Node: "node-1", IdempotencyKey: "key", RetriedFrom: &other, ResolvedBy: &other,
	}
}

func TestTaskJSONIsExactly(t *testing.T) {
	text, err := json.Marshal(fullTask(t))
	require.NoError(t, err)
	require.Equal(t, `{"task_id":"01890a5d-ac96-774b-bcce-b302099a8057","name":"thumbs.resize","status":"failed","executor":"wasm",`+
		`"module":{"name":"thumbs","version":3,"digest":"abc"},"priority":7,"tags":{"k":"v"},"source":"manual",`+
		`"created_at":"2026-01-02T03:04:05.000006Z","run_at":"2026-01-02T03:04:06.000006Z","next_attempt_at":"2026-01-02T03:04:07.000006Z",`+
		`"start_time":"2026-01-02T03:04:08.000006Z","end_time":"2026-01-02T03:04:10.000006Z",`+
		`"attempt":3,"max_attempts":4,"requeue_on_interrupt":true,"crashes":1,`+
		`"error":"it \u003cfailed\u003e","cause":"trap","stacktrace":"here",`+
		`"result_type":"image/png","result_bytes":10,"args_bytes":20,"node":"node-1","idempotency_key":"key",`+
		`"retried_from":"00000000-0000-0000-0000-000000000001","resolved_by":"00000000-0000-0000-0000-000000000001",`+
		`"timeout":1.5,"queue_wait":0.25,"run_time":1.234567,"total_time":4,"duration":2,"retries_used":2}`, string(text))
}

func TestTaskJSONOfAWaitingTaskIsExactly(t *testing.T) {
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	text, err := json.Marshal(&task.Task{
		Name: "greet", Status: task.Pending, Executor: task.Async, Priority: 5, Source: task.Manual,
		CreatedAt: created, RunAt: created, NextAttemptAt: &created, MaxAttempts: 1, Timeout: time.Minute,
	})
	require.NoError(t, err)
	require.Equal(t, `{"task_id":"00000000-0000-0000-0000-000000000000","name":"greet","status":"pending","executor":"async",`+
		`"priority":5,"tags":{},"source":"manual",`+
		`"created_at":"2026-01-02T03:04:05Z","run_at":"2026-01-02T03:04:05Z","next_attempt_at":"2026-01-02T03:04:05Z",`+
		`"start_time":null,"end_time":null,"attempt":0,"max_attempts":1,"requeue_on_interrupt":false,"crashes":0,`+
		`"result_bytes":0,"args_bytes":0,"timeout":60,"queue_wait":0,"run_time":0,"total_time":null,"duration":null,"retries_used":0}`, string(text))
}

func TestTaskJSONRoundTrip(t *testing.T) {
	before := fullTask(t)
	text, err := json.Marshal(before)
	require.NoError(t, err)
	after := &task.Task{Name: "stale", Error: "stale"}
	require.NoError(t, json.Unmarshal(text, after))
	require.Equal(t, before, after)
}

// TestTaskJSONKeepsTimeouts: seconds in JSON are a float, and a timeout must
// not lose a nanosecond on the way.
func TestTaskJSONKeepsTimeouts(t *testing.T) {
	for ms := time.Duration(1); ms <= 5000; ms++ {
		before := task.Task{Timeout: ms * time.Millisecond}
		text, err := json.Marshal(&before)
		require.NoError(t, err)
		var after task.Task
		require.NoError(t, json.Unmarshal(text, &after))
		require.Equal(t, before.Timeout, after.Timeout)
	}
}

// TestTaskJSONIsTheSameByValue: a caller that has a Task and not a pointer to
// one (taskhost.Current gives one) must not get another form of it.
func TestTaskJSONIsTheSameByValue(t *testing.T) {
	pointer := fullTask(t)
	want, err := json.Marshal(pointer)
	require.NoError(t, err)
	got, err := json.Marshal(*pointer)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

func TestTaskJSONMalformed(t *testing.T) {
	kept := &task.Task{Name: "kept"}
	for _, text := range []string{`[]`, `{"task_id":"no"}`, `{"timeout":"1s"}`, `{"created_at":"yesterday"}`} {
		require.Error(t, json.Unmarshal([]byte(text), kept), text)
		require.Equal(t, &task.Task{Name: "kept"}, kept)
	}
}

func TestTaskDuration(t *testing.T) {
	at := time.Unix(100, 0)
	later := at.Add(time.Second)
	require.Zero(t, (&task.Task{}).Duration())
	require.Zero(t, (&task.Task{StartedAt: &at}).Duration(), "it has not ended")
	require.Zero(t, (&task.Task{EndedAt: &at}).Duration(), "it never started")
	require.Equal(t, time.Second, (&task.Task{StartedAt: &at, EndedAt: &later}).Duration())
}

func TestTaskTotal(t *testing.T) {
	at := time.Unix(100, 0)
	later, earlier := at.Add(time.Second), at.Add(-time.Second)
	require.Zero(t, (&task.Task{RunAt: at}).Total(), "it has not ended")
	require.Equal(t, time.Second, (&task.Task{RunAt: at, EndedAt: &later}).Total())
	require.Zero(t, (&task.Task{RunAt: at, EndedAt: &earlier}).Total(), "it ended before it was due")
}

func TestTaskRetriesUsed(t *testing.T) {
	for attempt, want := range []int{0, 0, 1, 2} {
		require.Equal(t, want, (&task.Task{Attempt: attempt}).RetriesUsed(), "attempt %d", attempt)
	}
}

func TestLogEntryJSON(t *testing.T) {
	entry := task.LogEntry{Seq: 1<<24 | 3, Attempt: 1, Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Level: task.Warn, Message: "m", Fields: json.RawMessage(`{"a":1}`)}
	text, err := json.Marshal(entry)
	require.NoError(t, err)
	require.Equal(t, `{"seq":16777219,"attempt":1,"time":"2026-01-02T03:04:05Z","level":"warn","message":"m","fields":{"a":1}}`, string(text))
	entry.Fields = nil
	text, err = json.Marshal(entry)
	require.NoError(t, err)
	require.NotContains(t, string(text), "fields")
}
