package tests_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// taskView is a task as the interface shows it.
type taskView struct {
	ID          string            `json:"task_id"`
	Name        string            `json:"name"`
	Status      string            `json:"status"`
	Executor    string            `json:"executor"`
	Priority    int               `json:"priority"`
	Tags        map[string]string `json:"tags"`
	Source      string            `json:"source"`
	Created     time.Time         `json:"created_at"`
	RunAt       time.Time         `json:"run_at"`
	Next        *time.Time        `json:"next_attempt_at"`
	Started     *time.Time        `json:"start_time"`
	Ended       *time.Time        `json:"end_time"`
	Attempt     int               `json:"attempt"`
	MaxAttempts int               `json:"max_attempts"`
	RetriesUsed int               `json:"retries_used"`
	Timeout     float64           `json:"timeout"`
	Duration    *float64          `json:"duration"`
	Crashes     int               `json:"crashes"`
	Error       string            `json:"error"`
	Cause       string            `json:"cause"`
	Trace       string            `json:"stacktrace"`
	ResultType  string            `json:"result_type"`
	ResultBytes int               `json:"result_bytes"`
	ArgsBytes   int               `json:"args_bytes"`
	Key         string            `json:"idempotency_key"`
	Node        string            `json:"node"`
	Waiting     string            `json:"waiting_reason"`
	RetriedFrom string            `json:"retried_from"`
	ResolvedBy  string            `json:"resolved_by"`
	Module      struct {
		Name    string `json:"name"`
		Version int    `json:"version"`
	} `json:"module"`
}

func (v taskView) terminal() bool {
	switch v.Status {
	case "success", "failed", "interrupted", "cancelled":
		return true
	}
	return false
}

// logLine is a line of a task's log.
type logLine struct {
	Seq     int64           `json:"seq"`
	Attempt int             `json:"attempt"`
	Time    time.Time       `json:"time"`
	Level   string          `json:"level"`
	Message string          `json:"message"`
	Fields  json.RawMessage `json:"fields"`
}

// logs reads a log in pages of the size.
func (c *client) logs(t *testing.T, id string, page int) []logLine {
	t.Helper()
	var lines []logLine
	for after := int64(0); ; {
		var out struct {
			Logs []logLine `json:"logs"`
			Next int64     `json:"next"`
		}
		c.read(t, "/v1/tasks/"+id+"/logs?after="+itoa(after)+"&limit="+itoa(int64(page)), &out)
		require.LessOrEqual(t, len(out.Logs), page)
		if len(out.Logs) == 0 {
			require.Equal(t, after, out.Next)
			return lines
		}
		require.Equal(t, out.Logs[len(out.Logs)-1].Seq, out.Next)
		lines, after = append(lines, out.Logs...), out.Next
	}
}

// result reads what a task returned, as bytes.
func (c *client) result(t *testing.T, id string) (bytes []byte, contentType string) {
	t.Helper()
	a := c.request(t, "GET", "/v1/tasks/"+id+"/result", nil)
	require.Equal(t, 200, a.status, "%s", a.body)
	return a.body, a.header.Get("Content-Type")
}

// await looks until something is so. Unlike require.Eventually it looks on the
// test's own goroutine, where a look may fail the test.
func await(t *testing.T, most time.Duration, what string, so func() bool) {
	t.Helper()
	deadline := time.NewTimer(most)
	defer deadline.Stop()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !so() {
		select {
		case <-ticker.C:
		case <-deadline.C:
			require.FailNow(t, "waited "+most.String()+" for "+what)
		}
	}
}
