package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

func TestListTasks(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	list := &task.List{Tasks: []task.Task{{ID: parsedID(t), Name: "a", Tags: map[string]string{}}}, Next: "more"}
	var filter task.Filter
	var page task.Page
	s := serve(t, &fake{tasks: func(f task.Filter, p task.Page) (*task.List, error) {
		filter, page = f, p
		return list, nil
	}})
	for query, want := range map[string]struct {
		filter task.Filter
		page   task.Page
	}{
		"": {task.Filter{}, task.Page{Sort: task.ByCreated, Limit: 50}},
		"status=failed,running&source=manual,task&name=a&module=m&unresolved=true": {
			task.Filter{Statuses: []task.Status{task.Failed, task.Running}, Sources: []task.Source{task.Manual, task.Child}, Name: "a", Module: "m", Unresolved: true},
			task.Page{Sort: task.ByCreated, Limit: 50},
		},
		"tag=a%3Db%2Cc&tag=d%3D&tag=e%3Df%3Dg&id_prefix=0189": {
			task.Filter{Tags: map[string]string{"a": "b,c", "d": "", "e": "f=g"}, IDPrefix: "0189"},
			task.Page{Sort: task.ByCreated, Limit: 50},
		},
		"sort=duration&order=asc&limit=200&cursor=x": {task.Filter{}, task.Page{Sort: task.ByDuration, Ascending: true, Limit: 200, Cursor: "x"}},
		"created_after=2026-01-02T04:04:05%2B01:00&created_before=2026-01-02T03:04:06Z": {
			task.Filter{CreatedAfter: at, CreatedBefore: at.Add(time.Second)}, task.Page{Sort: task.ByCreated, Limit: 50},
		},
	} {
		got := s.send(t, "GET", "/v1/tasks?"+query, "")
		require.Equal(t, 200, got.status, "%s: %s", query, got.body)
		text, err := json.Marshal(list)
		require.NoError(t, err)
		require.JSONEq(t, string(text), string(got.body))
		if len(want.filter.Tags) == 0 {
			want.filter.Tags = map[string]string{}
		}
		filter.CreatedAfter, filter.CreatedBefore = filter.CreatedAfter.UTC(), filter.CreatedBefore.UTC()
		require.Equal(t, want.filter, filter, query)
		require.Equal(t, want.page, page, query)
	}
	for _, query := range []string{"status=x", "source=x", "limit=0", "limit=201", "sort=name", "order=up", "tag=a", "tag=a%3Db&tag=a%3Dc", "created_after=yesterday", "unresolved=x"} {
		got := s.send(t, "GET", "/v1/tasks?"+query, "")
		requireProblem(t, got, 422, "invalid")
	}
}

func TestCancelTask(t *testing.T) {
	var cancelled []task.ID
	s := serve(t, &fake{
		cancel: func(id task.ID) error {
			cancelled = append(cancelled, id)
			return nil
		},
		task: func(id task.ID) (*task.Task, error) { return &task.Task{ID: id, Status: task.Cancelled}, nil },
	})
	for range 2 {
		got := s.send(t, "POST", "/v1/tasks/"+sampleID+"/cancel", "")
		require.Equal(t, 200, got.status)
		var read task.Task
		require.NoError(t, json.Unmarshal(got.body, &read))
		require.Equal(t, task.Cancelled, read.Status)
	}
	require.Equal(t, []task.ID{parsedID(t), parsedID(t)}, cancelled)
}

func TestRetryTask(t *testing.T) {
	next := task.ID{15: 7}
	var forced []bool
	s := serve(t, &fake{retry: func(id task.ID, force bool) (task.ID, error) {
		require.Equal(t, parsedID(t), id)
		forced = append(forced, force)
		return next, nil
	}})
	for _, query := range []string{"", "?force=true"} {
		got := s.send(t, "POST", "/v1/tasks/"+sampleID+"/retry"+query, "")
		require.Equal(t, 201, got.status)
		require.Equal(t, "/v1/tasks/"+next.String(), got.header.Get("Location"))
		require.JSONEq(t, `{"task_id":"`+next.String()+`","retried_from":"`+sampleID+`"}`, string(got.body))
	}
	require.Equal(t, []bool{false, true}, forced)
}

func TestIDsOfControlThatAreNone(t *testing.T) {
	s := serve(t, &fake{})
	for _, path := range []string{"/cancel", "/retry"} {
		requireProblem(t, s.send(t, "POST", "/v1/tasks/x"+path, ""), 422, "invalid")
	}
}

func TestBulk(t *testing.T) {
	bulk := &task.Bulk{Matched: 5, Done: 2, Skipped: map[string]int{"not_found": 3}, Results: []task.Retry{{From: parsedID(t), To: task.ID{15: 7}}}, More: true, DryRun: true}
	type call struct {
		name       string
		ids        []task.ID
		filter     *task.Filter
		force, dry bool
	}
	var got call
	s := serve(t, &fake{bulk: func(name string, ids []task.ID, filter *task.Filter, force, dry bool) (*task.Bulk, error) {
		got = call{name, ids, filter, force, dry}
		return bulk, nil
	}})
	id := parsedID(t)
	for _, test := range []struct {
		path, body string
		want       call
	}{
		{"bulk-cancel", `{"ids":["` + sampleID + `"]}`, call{name: "cancel", ids: []task.ID{id}}},
		{"bulk-cancel", `{"ids":[],"dry_run":true}`, call{name: "cancel", ids: []task.ID{}, dry: true}},
		{"bulk-cancel", `{"filter":{}}`, call{name: "cancel", filter: &task.Filter{}}},
		{"bulk-retry", `{"ids":["` + sampleID + `"],"force":true}`, call{name: "retry", ids: []task.ID{id}, force: true}},
		{"bulk-retry", `{"filter":{"name":"a","status":["failed"],"tags":{"k":"v"},"created_after":"2026-01-02T03:04:05Z"},"dry_run":true}`, call{
			name: "retry", dry: true,
			filter: &task.Filter{Name: "a", Statuses: []task.Status{task.Failed}, Tags: map[string]string{"k": "v"}, CreatedAfter: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		}},
	} {
		answer := s.send(t, "POST", "/v1/tasks/"+test.path, test.body)
		require.Equal(t, 200, answer.status, "%s: %s", test.body, answer.body)
		var read task.Bulk
		answer.into(t, &read)
		require.Equal(t, bulk, &read)
		require.Equal(t, test.want, got, test.body)
	}
	for _, body := range []string{`{}`, `{"dry_run":true}`, `{"ids":["` + sampleID + `"],"filter":{}}`, `{"ids":["x"]}`, `{"filter":{"x":1}}`, `{"ids":[` + strings.Repeat(`"`+sampleID+`",`, 10_000) + `"` + sampleID + `"]}`} {
		for _, path := range []string{"bulk-cancel", "bulk-retry"} {
			requireProblem(t, s.send(t, "POST", "/v1/tasks/"+path, body), 422, "invalid")
		}
	}
}

func TestRetryFailed(t *testing.T) {
	var filter task.Filter
	var dryRun bool
	s := serve(t, &fake{bulk: func(name string, _ []task.ID, f *task.Filter, force, dry bool) (*task.Bulk, error) {
		require.Equal(t, "retry", name)
		require.False(t, force)
		filter, dryRun = *f, dry
		return &task.Bulk{Skipped: map[string]int{}}, nil
	}})
	for since, ago := range map[string]time.Duration{"": 6 * time.Hour, "6h": 6 * time.Hour, "90m": 90 * time.Minute, "7d": 7 * 24 * time.Hour, "1h30m": 90 * time.Minute} {
		require.Equal(t, 200, s.send(t, "POST", "/v1/tasks/retry-failed?name=a&dry_run=true&since="+since, "").status, since)
		require.WithinDuration(t, time.Now().Add(-ago), filter.CreatedAfter, time.Minute, since)
		require.Equal(t, "a", filter.Name)
		require.True(t, dryRun)
	}
	require.Equal(t, 200, s.send(t, "POST", "/v1/tasks/retry-failed?since=all", "").status)
	require.Equal(t, task.Filter{}, filter)
	for _, since := range []string{"x", "0h", "-1h", "0d", "-1d", "99999999999h", "99999999999999999999d", "1000000d", "d", "1w"} {
		requireProblem(t, s.send(t, "POST", "/v1/tasks/retry-failed?since="+url.QueryEscape(since), ""), 422, "invalid")
	}
}

func TestDrainNode(t *testing.T) {
	var calls []string
	s := serve(t, &fake{drain: func(node string, on bool) error {
		calls = append(calls, fmt.Sprint(node, on))
		return nil
	}})
	for _, path := range []string{"drain", "undrain"} {
		got := s.send(t, "POST", "/v1/nodes/host-1-0a/"+path, "")
		require.Equal(t, 204, got.status, "%s", got.body)
		require.Empty(t, got.body)
	}
	require.Equal(t, []string{"host-1-0atrue", "host-1-0afalse"}, calls)
}
