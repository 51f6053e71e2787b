package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/httpapi"
	"github.com/taskhost/taskhost/task"
)

// feed is a list of events that a test adds to. Its cursors are their numbers.
type feed struct {
	mu     sync.Mutex
	events []task.Event
	gone   int // how many were deleted
	news   chan struct{}
	fails  []error // what the next looks return
}

func newFeed(n int) *feed {
	f := &feed{news: make(chan struct{})}
	f.add(n)
	return f
}

// add adds events whose tasks and states take turns.
func (f *feed) add(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range n {
		seq := len(f.events) + 1
		f.events = append(f.events, task.Event{
			Seq: int64(seq), TaskID: task.ID{1}, Name: fmt.Sprint("task", seq%3), Status: []task.Status{task.Pending, task.Running}[seq%2],
			Source: task.Manual, Cursor: task.EventCursor(strconv.Itoa(seq)),
		})
	}
	close(f.news)
	f.news = make(chan struct{})
}

func (f *feed) read(after task.EventCursor, limit int) ([]task.Event, task.EventCursor, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if after == "" {
		return nil, task.EventCursor(strconv.Itoa(len(f.events))), nil
	}
	seen, err := strconv.Atoi(string(after))
	if err != nil {
		return nil, after, &task.InvalidError{Field: "after", Problem: "is wrong"}
	}
	if seen < f.gone {
		return nil, after, task.ErrEventsGone
	}
	rest := f.events[seen:]
	rest = slices.Clone(rest[:min(limit, len(rest))])
	return rest, task.EventCursor(strconv.Itoa(seen + len(rest))), nil
}

func (f *feed) next(ctx context.Context, after task.EventCursor, limit int) ([]task.Event, task.EventCursor, error) {
	for {
		f.mu.Lock()
		news := f.news
		if len(f.fails) > 0 {
			err := f.fails[0]
			f.fails = f.fails[1:]
			f.mu.Unlock()
			return nil, after, err
		}
		f.mu.Unlock()
		events, next, err := f.read(after, limit)
		if err != nil || len(events) > 0 {
			return events, next, err
		}
		select {
		case <-news:
		case <-ctx.Done():
			return nil, next, nil
		}
	}
}

func (f *feed) fake() *fake {
	return &fake{readEvents: f.read, nextEvents: f.next, stopping: make(chan struct{})}
}

// seqs reads events, and returns their numbers.
func (s *stream) seqs(n int) (seqs []int64) {
	s.Helper()
	for range n {
		e, ok := s.next()
		require.True(s, ok)
		require.Equal(s, "task", e.name)
		var event task.Event
		require.NoError(s, json.Unmarshal([]byte(e.data), &event))
		require.Equal(s, fmt.Sprint(event.Seq), e.id)
		seqs = append(seqs, event.Seq)
	}
	return seqs
}

func TestFollowEvents(t *testing.T) {
	f := newFeed(3)
	s := serve(t, f.fake()).streamOf(t, "/v1/events")
	f.add(2)
	require.Equal(t, []int64{4, 5}, s.seqs(2), "it begins now")
	f.add(1300) // more than one page
	seqs := s.seqs(1300)
	require.True(t, slices.IsSorted(seqs))
	require.EqualValues(t, 1305, seqs[1299])
}

func TestFollowEventsGoesOnFromAnEvent(t *testing.T) {
	server := serve(t, newFeed(5).fake())
	for _, request := range [][]string{
		{"?after=3"},
		{"", "Last-Event-ID: 3"},
		{"?after=1", "Last-Event-ID: 3"},
	} {
		require.Equal(t, []int64{4, 5}, server.streamOf(t, "/v1/events"+request[0], request[1:]...).seqs(2))
	}
}

func TestFollowEventsOfSomeTasks(t *testing.T) {
	server := serve(t, newFeed(12).fake())
	require.Equal(t, []int64{3, 6, 9, 12}, server.streamOf(t, "/v1/events?after=0&name=task0").seqs(4))
	require.Equal(t, []int64{1, 3}, server.streamOf(t, "/v1/events?after=0&status=running").seqs(2))
	require.Equal(t, []int64{1, 2}, server.streamOf(t, "/v1/events?after=0&status=running,pending").seqs(2))
	require.Equal(t, []int64{6, 12}, server.streamOf(t, "/v1/events?after=0&status=pending&name=task0").seqs(2))
}

// A client that is cut off before its first event knows where to go on.
func TestFollowEventsSaysWhereItBegins(t *testing.T) {
	s := serve(t, newFeed(7).fake()).streamOf(t, "/v1/events?name=nobody")
	var lines []string
	for s.lines.Scan() && s.lines.Text() != "" {
		lines = append(lines, s.lines.Text())
	}
	require.Equal(t, []string{": following", "id: 7"}, lines)
}

func TestFollowEventsEndsWithTheServer(t *testing.T) {
	f := newFeed(1)
	fake := f.fake()
	s := serve(t, fake).streamOf(t, "/v1/events?after=0")
	s.seqs(1)
	close(fake.stopping)
	_, ok := s.next()
	require.False(t, ok)
	require.NoError(t, s.lines.Err())
}

func TestFollowEventsOutlivesTheDatabase(t *testing.T) {
	f := newFeed(1)
	f.fails = []error{fmt.Errorf("read events: %w", task.ErrUnavailable)}
	server := serve(t, f.fake())
	s := server.streamOf(t, "/v1/events?after=0")
	f.add(1)
	require.Equal(t, []int64{1, 2}, s.seqs(2))
	require.Equal(t, 1, strings.Count(server.log.String(), "events could not be read"))
}

func TestFollowEventsTellsWhoIsTooSlow(t *testing.T) {
	f := newFeed(9)
	f.gone = 5
	server := serve(t, f.fake())
	requireProblem(t, server.send(t, "GET", "/v1/events?after=4", ""), 410, "events_gone")
	f.fails = []error{task.ErrEventsGone}
	s := server.streamOf(t, "/v1/events?after=8")
	s.seqs(1)
	e, ok := s.next()
	require.True(t, ok)
	require.Equal(t, "gone", e.name)
	var problem httpapi.Problem
	require.NoError(t, json.Unmarshal([]byte(e.data), &problem))
	require.Equal(t, "events_gone", problem.Code)
	require.Contains(t, problem.Detail, "list the tasks")
	_, ok = s.next()
	require.False(t, ok)
}

func TestFollowEventsRefuses(t *testing.T) {
	f := newFeed(1)
	fake := f.fake()
	server := serve(t, fake)
	requireProblem(t, server.send(t, "GET", "/v1/events?after=x", ""), 422, "invalid")
	requireProblem(t, server.send(t, "GET", "/v1/events?status=done", ""), 422, "invalid")
	fake.readEvents = func(task.EventCursor, int) ([]task.Event, task.EventCursor, error) {
		return nil, "", errors.New("broken")
	}
	requireProblem(t, server.send(t, "GET", "/v1/events", ""), 500, "internal")
	requireProblem(t, server.sendFrom(t, "GET", "/v1/events", strings.NewReader("")), 401, "unauthorized")
}

func TestFollowEventsIsForSoMany(t *testing.T) {
	server := serve(t, newFeed(1).fake())
	streams := make([]*stream, 100)
	for i := range streams {
		streams[i] = server.streamOf(t, "/v1/events?after=0")
		streams[i].seqs(1)
	}
	requireProblem(t, server.send(t, "GET", "/v1/events?after=0", ""), 503, "too_many_following")
}
