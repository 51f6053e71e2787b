package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/taskhost/taskhost/task"
)

const (
	// followLeast and followMost are how often new lines are looked for: less often
	// while there are none.
	followLeast, followMost = 50 * time.Millisecond, 500 * time.Millisecond
	// followPage bounds the lines that are read at once.
	followPage = 1000
)

// followLogs answers requests for lines that ask to follow the log, in place of the
// operation that answers with a page.
func (a *api) followLogs(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	if !asksToFollow(r) {
		next(ctx)
		return
	}
	if p := a.streamLogs(w, r); p != nil {
		writeProblem(w, p)
	}
}

// asksToFollow knows ?follow and ?follow=true, and what an EventSource says.
func asksToFollow(r *http.Request) bool {
	if values, ok := r.URL.Query()["follow"]; ok {
		yes, err := strconv.ParseBool(values[0])
		return values[0] == "" || yes && err == nil
	}
	return strings.Contains(r.Header.Get("Accept"), "text/event-stream")
}

// describeFollow documents the other form of the answer: huma knows but one.
func describeFollow(operation *huma.Operation) {
	operation.Responses["200"].Content["text/event-stream"] = &huma.MediaType{
		Schema: &huma.Schema{Type: huma.TypeString},
		Example: "id: 16777216\nevent: log\ndata: {\"seq\":16777216,\"attempt\":1,\"time\":\"2026-01-02T03:04:05.678Z\",\"level\":\"info\",\"message\":\"hello\"}\n\n" +
			"event: end\ndata: {\"status\":\"success\"}\n\n",
	}
}

// streamLogs sends lines as events until the task has ended and all are sent, the
// client has gone, or the server stops. It returns a problem where nothing was sent.
func (a *api) streamLogs(w http.ResponseWriter, r *http.Request) *Problem {
	ctx := r.Context()
	id, err := task.ParseID(r.PathValue("id"))
	if err != nil {
		return a.problem(ctx, err)
	}
	after, err := followFrom(r)
	if err != nil {
		return a.problem(ctx, err)
	}
	leave, err := a.placeToWait()
	if err != nil {
		return a.problem(ctx, err)
	}
	defer leave()
	// The first look is before the answer begins: it may be that there is no such task.
	entries, err := a.Tasks.Logs(ctx, id, after, followPage)
	if err != nil {
		return a.problem(ctx, err)
	}
	f := &logFollower{stream: openStream(w), api: a, id: id, after: after}
	f.run(ctx, entries)
	return nil
}

// followFrom is the line after which to begin: that which an EventSource has seen last
// counts before what its address says.
func followFrom(r *http.Request) (int64, error) {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		text = r.URL.Query().Get("after")
	}
	if text == "" {
		return 0, nil
	}
	after, err := strconv.ParseInt(text, 10, 64)
	if err != nil || after < 0 {
		return 0, &task.InvalidError{Field: "after", Problem: "must be the seq of a line, or 0"}
	}
	return after, nil
}

// logFollower sends the lines of one task to one client.
type logFollower struct {
	*stream

	api   *api
	id    task.ID
	after int64
}

func (f *logFollower) run(ctx context.Context, entries []task.LogEntry) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	defer func() {
		cancel()
		<-ended
	}()
	go func() {
		defer close(ended)
		_ = f.api.Tasks.Await(ctx, f.id) // whatever ends it, the next look tells
	}()
	if f.flush() != nil { // the headers
		return
	}
	pause, last := followLeast, false
	for ctx.Err() == nil {
		if f.send(entries) != nil {
			return // the client has gone
		}
		switch {
		case len(entries) > 0:
			pause = followLeast
		case last:
			f.end(ctx)
			return
		}
		if len(entries) < followPage && !last {
			last = f.wait(ctx, ended, &pause)
		}
		var err error
		if entries, err = f.api.Tasks.Logs(ctx, f.id, f.after, followPage); err != nil {
			entries = nil // the next look may find the database again
		}
	}
}

// wait waits for the next look, and reports whether it is to be the last: the task has
// ended, or the server stops.
func (f *logFollower) wait(ctx context.Context, ended <-chan struct{}, pause *time.Duration) (last bool) {
	timer := time.NewTimer(*pause)
	defer timer.Stop()
	*pause = min(2**pause, followMost)
	select {
	case <-timer.C:
		if time.Since(f.sent) > streamKeepAlive {
			_ = f.write(": nothing new\n\n") // the next write fails too
		}
		return false
	case <-ended:
		return true
	case <-f.api.Stopping:
		return true
	case <-ctx.Done():
		return true
	}
}

// send sends lines, if there are any.
func (f *logFollower) send(entries []task.LogEntry) error {
	var b strings.Builder
	for i := range entries {
		text, err := json.Marshal(&entries[i])
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "id: %d\nevent: log\ndata: %s\n\n", entries[i].Seq, text)
		f.after = entries[i].Seq
	}
	if b.Len() == 0 {
		return nil
	}
	return f.write(b.String())
}

// end says how the task has ended. A stream that ends without that was broken off, and
// can be asked for again.
func (f *logFollower) end(ctx context.Context) {
	t, err := f.api.Tasks.Task(ctx, f.id)
	if err != nil || !t.Status.Terminal() {
		return
	}
	_ = f.write(fmt.Sprintf("event: end\ndata: {\"status\":%q}\n\n", t.Status)) // the client is gone, or it is not
}
