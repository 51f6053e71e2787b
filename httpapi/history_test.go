package httpapi_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

type historyAnswer struct {
	Tasks    int64            `json:"tasks"`
	ByStatus map[string]int64 `json:"by_status"`
	DryRun   bool             `json:"dry_run"`
	Complete bool             `json:"complete"`
}

func TestClearHistory(t *testing.T) {
	for query, want := range map[string]struct {
		filter task.HistoryFilter
		dry    bool
	}{
		"": {},
		"?status=failed&status=success&older_than=7d&name=a.b": {filter: task.HistoryFilter{
			Statuses: []task.Status{task.Failed, task.Success}, OlderThan: 7 * 24 * time.Hour, Name: "a.b",
		}},
		"?dry_run=true&older_than=90m": {task.HistoryFilter{OlderThan: 90 * time.Minute}, true},
	} {
		s := serve(t, &fake{clear: func(_ context.Context, filter task.HistoryFilter, dry bool) (*task.HistoryCount, error) {
			require.Equal(t, want.filter, filter)
			require.Equal(t, want.dry, dry)
			return &task.HistoryCount{Tasks: 3, ByStatus: map[task.Status]int64{task.Failed: 3}}, nil
		}})
		got := s.send(t, "DELETE", "/v1/history"+query, "")
		require.Equal(t, 200, got.status, "%s", got.body)
		var out historyAnswer
		got.into(t, &out)
		require.Equal(t, historyAnswer{3, map[string]int64{"failed": 3}, want.dry, true}, out)
	}
}

func TestClearHistoryIsRefused(t *testing.T) {
	s := serve(t, &fake{})
	for _, query := range []string{"status=running", "older_than=soon", "older_than=-1h", "dry_run=maybe"} {
		problem := requireProblem(t, s.send(t, "DELETE", "/v1/history?"+query, ""), 422, "invalid")
		name, _, _ := strings.Cut(query, "=")
		require.Contains(t, problem.Error(), name)
	}
	s = serve(t, &fake{clear: func(context.Context, task.HistoryFilter, bool) (*task.HistoryCount, error) {
		return nil, task.ErrUnavailable
	}})
	requireProblem(t, s.send(t, "DELETE", "/v1/history", ""), 503, "unavailable")
}

// What a request that was cut short has deleted is told, and that there may be more.
func TestClearHistoryWhenTheServerStops(t *testing.T) {
	f := &fake{stopping: make(chan struct{})}
	f.clear = func(ctx context.Context, _ task.HistoryFilter, _ bool) (*task.HistoryCount, error) {
		close(f.stopping)
		<-ctx.Done()
		return &task.HistoryCount{Tasks: 5, ByStatus: map[task.Status]int64{task.Success: 5}}, errors.Join(errors.New("cut"), context.Cause(ctx))
	}
	got := serve(t, f).send(t, "DELETE", "/v1/history", "")
	require.Equal(t, 200, got.status, "%s", got.body)
	var out historyAnswer
	got.into(t, &out)
	require.Equal(t, historyAnswer{Tasks: 5, ByStatus: map[string]int64{"success": 5}}, out)
}
