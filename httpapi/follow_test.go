package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

// running is a task that logs and ends when a test has it do so.
type running struct {
	mu     sync.Mutex
	lines  []task.LogEntry
	status task.Status
	ended  chan struct{}
}

func newRunning() *running { return &running{status: task.Running, ended: make(chan struct{})} }

func (r *running) log(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for range n {
		seq := int64(len(r.lines) + 1)
		r.lines = append(r.lines, task.LogEntry{Seq: seq, Attempt: 1, Level: task.Info, Message: fmt.Sprintf("line %d\n\"", seq)})
	}
}

func (r *running) end(status task.Status) {
	r.mu.Lock()
	r.status = status
	r.mu.Unlock()
	close(r.ended)
}

func (r *running) fake() *fake {
	return &fake{
		stopping: make(chan struct{}),
		logs: func(_ task.ID, after int64, limit int) ([]task.LogEntry, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			rest := r.lines[min(int(after), len(r.lines)):]
			return slices.Clone(rest[:min(limit, len(rest))]), nil
		},
		task: func(id task.ID) (*task.Task, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			return &task.Task{ID: id, Status: r.status}, nil
		},
		await: func(ctx context.Context, _ task.ID) error {
			select {
			case <-r.ended:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	}
}

// stream is an open answer of events.
type stream struct {
	*testing.T

	lines  *bufio.Scanner
	cancel context.CancelFunc
}

type event struct{ id, name, data string }

func (s *served) stream(t *testing.T, query string, headers ...string) *stream {
	t.Helper()
	return s.streamOf(t, "/v1/tasks/"+sampleID+"/logs"+query, headers...)
}

func (s *served) streamOf(t *testing.T, path string, headers ...string) *stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, "GET", s.URL+path, nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		request.Header.Set(name, value)
	}
	response, err := s.Client().Do(request)
	require.NoError(t, err)
	t.Cleanup(func() { response.Body.Close() })
	require.Equal(t, 200, response.StatusCode)
	require.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
	require.Equal(t, "no-store", response.Header.Get("Cache-Control"))
	return &stream{t, bufio.NewScanner(response.Body), cancel}
}

// next reads an event, or reports that the stream has ended.
func (s *stream) next() (e event, ok bool) {
	s.Helper()
	for s.lines.Scan() {
		field, value, _ := strings.Cut(s.lines.Text(), ": ")
		switch field {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			e.data = value
		case "":
			if e.name != "" {
				return e, true
			}
		default:
			require.Fail(s, "not a field", s.lines.Text())
		}
	}
	return e, false
}

func (s *stream) log(seq int) {
	s.Helper()
	e, ok := s.next()
	require.True(s, ok)
	require.Equal(s, "log", e.name)
	require.Equal(s, fmt.Sprint(seq), e.id)
	var entry task.LogEntry
	require.NoError(s, json.Unmarshal([]byte(e.data), &entry))
	require.EqualValues(s, seq, entry.Seq)
	require.Equal(s, fmt.Sprintf("line %d\n\"", seq), entry.Message)
}

func TestFollowLogs(t *testing.T) {
	r := newRunning()
	r.log(2)
	s := serve(t, r.fake()).stream(t, "?follow")
	s.log(1)
	s.log(2)
	r.log(1)
	s.log(3)
	r.log(2500) // more than one page
	for seq := 4; seq <= 2503; seq++ {
		s.log(seq)
	}
	r.log(1)
	r.end(task.Failed)
	s.log(2504)
	e, ok := s.next()
	require.True(t, ok)
	require.Equal(t, event{"", "end", `{"status":"failed"}`}, e)
	_, ok = s.next()
	require.False(t, ok)
	require.NoError(t, s.lines.Err())
}

func TestFollowLogsFromALine(t *testing.T) {
	r := newRunning()
	r.log(5)
	r.end(task.Success)
	server := serve(t, r.fake())
	for _, request := range [][]string{
		{"?follow=true&after=3"},
		{"?follow=1", "Last-Event-ID: 3"},
		{"?follow=true&after=1", "Last-Event-ID: 3"},
		{"?after=3", "Accept: text/event-stream"},
	} {
		s := server.stream(t, request[0], request[1:]...)
		s.log(4)
		s.log(5)
		e, ok := s.next()
		require.True(t, ok)
		require.Equal(t, "end", e.name)
	}
}

func TestFollowLogsEndsWithoutAnEndWhenTheServerStops(t *testing.T) {
	r := newRunning()
	r.log(1)
	f := r.fake()
	s := serve(t, f).stream(t, "?follow")
	s.log(1)
	close(f.stopping)
	_, ok := s.next()
	require.False(t, ok)
	require.NoError(t, s.lines.Err())
}

func TestFollowLogsRefuses(t *testing.T) {
	f := newRunning().fake()
	s := serve(t, f)
	requireProblem(t, s.send(t, "GET", "/v1/tasks/"+sampleID+"/logs?follow&after=x", ""), 422, "invalid")
	requireProblem(t, s.send(t, "GET", "/v1/tasks/nonsense/logs?follow", ""), 422, "invalid")
	requireProblem(t, s.send(t, "GET", "/v1/tasks/"+sampleID+"/logs?follow=maybe", ""), 422, "invalid")
	f.logs = func(task.ID, int64, int) ([]task.LogEntry, error) { return nil, task.ErrNotFound }
	requireProblem(t, s.send(t, "GET", "/v1/tasks/"+sampleID+"/logs?follow", ""), 404, "not_found")
	got := s.send(t, "GET", "/v1/tasks/"+sampleID+"/logs?follow=false", "")
	requireProblem(t, got, 404, "not_found")
}
