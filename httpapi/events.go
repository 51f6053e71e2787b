package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/taskhost/taskhost/task"
)

const (
	// maxFollowing bounds the requests that follow events at once: while anything
	// happens, each reads it for itself.
	maxFollowing = 100
	// eventsPage bounds the events that are read at once.
	eventsPage = 500
	// eventsRetry is the pause before a database that cannot be used is asked again.
	eventsRetry = time.Second
	// codeEventsGone is the code of a task.ErrEventsGone.
	codeEventsGone = "events_gone"
)

func (a *api) registerEvents(routes huma.API) {
	huma.Register(routes, huma.Operation{
		OperationID: "follow-events",
		Method:      http.MethodGet,
		Path:        "/v1/events",
		Summary:     "Follow what happens to tasks",
		Description: "Answers with a stream of server-sent events, one named task for each change of a task's state on any node: it was enqueued, was started, has ended, or waits for another attempt. " +
			"Each change is announced once, and those of a task come in order. They hold nothing of arguments, results, errors or logs. " +
			"The stream begins now, or behind the id that the header Last-Event-ID or after names, and goes on until the server stops. " +
			"Where events behind that id were deleted, the answer is a problem with status 410 and the code events_gone, or an event named gone with the same: list the tasks, and follow from now on.",
		Tags:        []string{"tasks"},
		Middlewares: huma.Middlewares{a.followEvents},
	}, func(context.Context, *eventsInput) (*eventsOutput, error) { return nil, internalProblem() }) // followEvents has answered
	answer := routes.OpenAPI().Paths["/v1/events"].Get.Responses["200"]
	answer.Description = "A stream. The data of each event has this form."
	answer.Content = map[string]*huma.MediaType{"text/event-stream": {
		Schema: answer.Content["application/json"].Schema,
		Example: "id: 17\nevent: task\ndata: {\"seq\":17,\"time\":\"2026-01-02T03:04:05.678Z\",\"task_id\":\"01890a5d-ac96-774b-bcce-b302099a8057\"," +
			"\"name\":\"thumbs.resize\",\"status\":\"running\",\"attempt\":1,\"node\":\"n1\",\"source\":\"manual\"}\n\n",
	}}
}

type eventsInput struct {
	After       string   `query:"after" doc:"The id of the last event that was seen. Without it, the stream begins now."`
	LastEventID string   `header:"Last-Event-ID" doc:"The same, as an EventSource sends it when it connects again. It counts before after."`
	Name        string   `query:"name" doc:"Only events of tasks of this definition."`
	Status      []string `query:"status" enum:"pending,running,success,failed,interrupted,cancelled" doc:"Only changes to one of these states, separated by commas."`
}

type eventsOutput struct {
	Body task.Event
}

// followEvents answers in place of the operation.
func (a *api) followEvents(ctx huma.Context, _ func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	if p := a.streamEvents(w, r); p != nil {
		writeProblem(w, p)
	}
}

// streamEvents sends events until the client has gone or the server stops. It returns a
// problem where nothing was sent.
func (a *api) streamEvents(w http.ResponseWriter, r *http.Request) *Problem {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	go func() {
		select {
		case <-a.Stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	filter, err := eventFilter(r)
	if err != nil {
		return a.problem(ctx, err)
	}
	select {
	case a.following <- struct{}{}:
		defer func() { <-a.following }()
	default:
		return problemf(http.StatusServiceUnavailable, "too_many_following",
			"%d requests follow events already, which is the most: try again, or share one stream", maxFollowing)
	}
	after := r.Header.Get("Last-Event-ID")
	if after == "" {
		after = r.URL.Query().Get("after")
	}
	// The first look is before the answer begins: it may be that there is no such place.
	events, next, err := a.Events.ReadEvents(ctx, task.EventCursor(after), eventsPage)
	if err != nil {
		return a.problem(ctx, err)
	}
	f := &eventFollower{stream: openStream(w), api: a, filter: filter}
	f.run(ctx, events, next)
	return nil
}

// eventFilter is which events are asked for.
func eventFilter(r *http.Request) (*task.Filter, error) {
	query := r.URL.Query()
	filter := &task.Filter{Name: query.Get("name")}
	for _, list := range query["status"] {
		for status := range strings.SplitSeq(list, ",") {
			filter.Statuses = append(filter.Statuses, task.Status(status))
		}
	}
	return filter, filter.Validate()
}

// eventFollower sends events to one client.
type eventFollower struct {
	*stream

	api    *api
	filter *task.Filter
}

// run sends events, and those that come. Where there are none it begins with the place,
// so that a client which is cut off at once can go on from there.
func (f *eventFollower) run(ctx context.Context, events []task.Event, next task.EventCursor) {
	for failing := false; ctx.Err() == nil; {
		if f.send(events) != nil {
			return // the client has gone
		}
		if time.Since(f.sent) >= streamKeepAlive && f.place(next) != nil {
			return
		}
		more, after, err := f.wait(ctx, next)
		if err == nil {
			events, next, failing = more, after, false
			continue
		}
		events = nil
		if errors.Is(err, task.ErrStopped) || errors.Is(err, task.ErrEventsGone) {
			f.gone(ctx, err)
			return
		}
		if !failing {
			f.api.Logger.WarnContext(ctx, "events could not be read; trying again", slog.Any("error", err))
		}
		failing = true
		select {
		case <-time.After(eventsRetry):
		case <-ctx.Done():
		}
	}
}

// place says how far the client is where it has had no event for long: proxies give up on
// what is silent, and what it does not want to hear of counts too.
func (f *eventFollower) place(next task.EventCursor) error {
	return f.write(fmt.Sprintf(": following\nid: %s\n\n", next))
}

// wait waits for events, until it is time to say that there are none.
func (f *eventFollower) wait(ctx context.Context, after task.EventCursor) ([]task.Event, task.EventCursor, error) {
	ctx, cancel := context.WithDeadline(ctx, f.sent.Add(streamKeepAlive))
	defer cancel()
	return f.api.Events.NextEvents(ctx, after, eventsPage)
}

// send sends those of the events that are asked for.
func (f *eventFollower) send(events []task.Event) error {
	var b strings.Builder
	for i := range events {
		e := &events[i]
		if f.filter.Name != "" && f.filter.Name != e.Name || len(f.filter.Statuses) > 0 && !slices.Contains(f.filter.Statuses, e.Status) {
			continue
		}
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "id: %s\nevent: task\ndata: %s\n\n", e.Cursor, text)
	}
	if b.Len() == 0 {
		return nil
	}
	return f.write(b.String())
}

// gone tells a client that was too slow that it has missed events. One whose server stops
// need not be told: it comes back.
func (f *eventFollower) gone(ctx context.Context, err error) {
	if !errors.Is(err, task.ErrEventsGone) {
		return
	}
	text, err := json.Marshal(f.api.problem(ctx, err))
	if err == nil {
		_ = f.write(fmt.Sprintf("event: gone\ndata: %s\n\n", text)) // the client is gone, or it is not
	}
}
