package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/taskhost/taskhost/task"
)

const (
	// maxWait bounds how long a request may wait for the end of a task. The
	// server's WriteTimeout must be longer.
	maxWait = 5 * time.Minute
	// maxWaiting bounds the requests that wait at once: each holds a connection.
	maxWaiting = 1000
)

// enqueued is the body of the answer to an enqueue: the id, and where the request
// waited, what became of the task.
type enqueued struct {
	ID task.ID `json:"task_id" format:"uuid"`
	// Duplicate says that the id is an earlier task's.
	Duplicate bool `json:"duplicate,omitempty" doc:"Set where nothing was stored, because an earlier task has the idempotency key, or is the one that unique allows."`

	Status task.Status `json:"status,omitempty" doc:"The task's status. Set, as all that follows, where wait was asked for."`
	// Result is json.RawMessage, or text.
	Result any        `json:"result,omitempty" doc:"What the task returned, where it succeeded: JSON as it is, text as a string, null for nothing."`
	Base64 []byte     `json:"result_base64,omitempty" doc:"What the task returned, in place of result, where that is neither JSON nor text."`
	Type   string     `json:"result_type,omitempty" doc:"The content type of what the task returned."`
	Error  string     `json:"error,omitempty" doc:"Why the task ended without success."`
	Task   *task.Task `json:"task,omitempty" doc:"The task."`
}

// describeEnqueued documents the answers to an enqueue: huma knows but one.
func describeEnqueued(operation *huma.Operation) {
	one := operation.Responses["201"]
	one.Description = "The task is stored. The request did not ask to wait."
	for status, text := range map[string]string{
		"200": "Without wait: the task was there already, and duplicate is set. With wait: it has ended, well or not, within that time; status says how, result or error what came of it.",
		"202": "The task is stored, and has not ended within the time to wait. It goes on: ask for it at Location.",
	} {
		operation.Responses[status] = &huma.Response{Description: text, Headers: one.Headers, Content: one.Content}
	}
}

func parseWait(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	wait, err := time.ParseDuration(text)
	if err != nil || wait <= 0 || wait > maxWait {
		return 0, &task.InvalidError{Field: "wait", Problem: fmt.Sprintf("must be a duration such as 10s, of more than 0 and at most %dm", int(maxWait.Minutes()))}
	}
	return wait, nil
}

// placeToWait takes one of the places of requests that wait. It is taken before
// anything is done, so that a request that gets none has done nothing.
func (a *api) placeToWait() (leave func(), err error) {
	select {
	case a.waiting <- struct{}{}:
		return func() { <-a.waiting }, nil
	default:
		return nil, problemf(http.StatusServiceUnavailable, "too_many_waiting",
			"%d requests wait for tasks already, which is the most: nothing was done; try again, or ask without wait", maxWaiting)
	}
}

// await returns when a task has ended, when the time is up, or when the server
// stops. Which of them it was is for the task to say, which is read next.
func (a *api) await(ctx context.Context, id task.ID, wait time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	go func() {
		select {
		case <-a.Stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := a.Tasks.Await(ctx, id)
	if err != nil && ctx.Err() == nil && !errors.Is(err, task.ErrNotFound) && !errors.Is(err, task.ErrStopped) {
		a.Logger.WarnContext(ctx, "waiting for a task failed", slog.String("task_id", id.String()), slog.Any("error", err))
	}
}

// awaitAsked is for operations that look at a task: it waits where that was asked
// for.
func (a *api) awaitAsked(ctx context.Context, id task.ID, text string) error {
	wait, err := parseWait(text)
	if err != nil || wait == 0 {
		return err
	}
	leave, err := a.placeToWait()
	if err != nil {
		return err
	}
	defer leave()
	a.await(ctx, id, wait)
	return nil
}

// outcome says what became of a task that was enqueued by this very request. It is
// never an error: that would read as if nothing had been stored.
func (a *api) outcome(ctx context.Context, id task.ID) (status int, out enqueued) {
	out.ID = id
	t, err := a.Tasks.Task(ctx, id)
	if err != nil {
		_ = a.problem(ctx, err) // which logs it, where that is due
		return http.StatusAccepted, out
	}
	out.Task, out.Status = t, t.Status
	switch {
	case !t.Status.Terminal():
		return http.StatusAccepted, out
	case t.Status != task.Success:
		out.Error = t.Error
		return http.StatusOK, out
	}
	result, contentType, err := a.Tasks.Result(ctx, id)
	if err != nil {
		_ = a.problem(ctx, err)
		return http.StatusAccepted, out
	}
	out.setResult(result, contentType)
	return http.StatusOK, out
}

// setResult puts a result into the JSON of an answer. Bytes that are not what
// their content type says must not make the answer unreadable.
func (e *enqueued) setResult(result []byte, contentType string) {
	e.Type = contentType
	media, parameters, err := mime.ParseMediaType(contentType)
	isText := utf8.Valid(result)
	switch {
	case len(result) == 0:
		e.Result = json.RawMessage("null")
	case err == nil && isText && (media == "application/json" || strings.HasSuffix(media, "+json")) && json.Valid(result):
		e.Result = json.RawMessage(result)
	case err == nil && isText && strings.HasPrefix(media, "text/") && isUTF8(parameters["charset"]):
		e.Result = string(result)
	default:
		e.Base64 = result
	}
}

func isUTF8(charset string) bool {
	switch strings.ToLower(charset) {
	case "", "utf-8", "us-ascii":
		return true
	default:
		return false
	}
}
