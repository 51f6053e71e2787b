package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/taskhost/taskhost/task"
)

const (
	// bodyTimeout bounds how long such a body may take to arrive.
	bodyTimeout = 15 * time.Second
	// maxLogPage bounds the lines of one answer.
	maxLogPage = 10_000
)

func (a *api) registerTasks(routes huma.API) {
	a.registerEnqueue(routes)
	huma.Register(routes, huma.Operation{
		OperationID: "get-task",
		Method:      http.MethodGet,
		Path:        "/v1/tasks/{id}",
		Summary:     "Get a task",
		Description: "With wait, the answer comes when the task has ended, or when that time is up: its status says which.",
		Tags:        []string{"tasks"},
	}, a.handleTaskGet)
	huma.Register(routes, huma.Operation{
		OperationID: "get-task-result",
		Method:      http.MethodGet,
		Path:        "/v1/tasks/{id}/result",
		Summary:     "Get a task's result",
		Description: "Answers with the bytes that the task returned, under their own content type. " +
			"Where the task has not ended, that is a conflict with the code not_finished; with wait, only once that time is up.",
		Tags: []string{"tasks"},
	}, a.handleTaskResult)
	huma.Register(routes, huma.Operation{
		OperationID: "get-task-logs",
		Method:      http.MethodGet,
		Path:        "/v1/tasks/{id}/logs",
		Summary:     "Get a task's log lines",
		Description: "Answers with lines in order, also while the task runs. Ask again with after set to the answer's next for what came since. " +
			"With follow the answer is a stream of server-sent events: log for each line, and end with the task's status once it has ended and all were sent. " +
			"A stream that ends without that was broken off: go on with the header Last-Event-ID, or after.",
		Tags:        []string{"tasks"},
		Middlewares: huma.Middlewares{a.followLogs},
	}, a.handleTaskLogs)
	describeFollow(routes.OpenAPI().Paths["/v1/tasks/{id}/logs"].Get)
	huma.Register(routes, huma.Operation{
		OperationID: "list-definitions",
		Method:      http.MethodGet,
		Path:        "/v1/definitions",
		Summary:     "List what can be enqueued",
		Tags:        []string{"tasks"},
	}, a.handleDefinitionList)
}

type taskInput struct {
	ID   string `path:"id" format:"uuid" doc:"The task's id."`
	Wait string `query:"wait" example:"10s" doc:"Answer when the task has ended, or after this time, of at most 5m. Without it, answer at once."`
}

type taskOutput struct {
	Body *task.Task
}

// handleTaskGet answers GET /v1/tasks/{id}.
func (a *api) handleTaskGet(ctx context.Context, in *taskInput) (*taskOutput, error) {
	id, err := task.ParseID(in.ID)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	if err := a.awaitAsked(ctx, id, in.Wait); err != nil {
		return nil, a.problem(ctx, err)
	}
	t, err := a.Tasks.Task(ctx, id)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &taskOutput{t}, nil
}

type resultOutput struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

// handleTaskResult answers GET /v1/tasks/{id}/result.
func (a *api) handleTaskResult(ctx context.Context, in *taskInput) (*resultOutput, error) {
	id, err := task.ParseID(in.ID)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	if err := a.awaitAsked(ctx, id, in.Wait); err != nil {
		return nil, a.problem(ctx, err)
	}
	result, contentType, err := a.Tasks.Result(ctx, id)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	return &resultOutput{contentType, result}, nil
}

type logsInput struct {
	ID    string `path:"id" format:"uuid" doc:"The task's id."`
	After int64  `query:"after" minimum:"0" doc:"The seq of the last line that was read, 0 for the first page."`
	Limit int    `query:"limit" minimum:"1" maximum:"10000" default:"1000" doc:"The most lines to answer with."`
	// Follow is for the document: see followLogs.
	Follow bool `query:"follow" doc:"Stream the lines as server-sent events until the task has ended. To accept text/event-stream asks for the same."`
}

type logsOutput struct {
	Body struct {
		Logs []task.LogEntry `json:"logs"`
		Next int64           `json:"next" doc:"What to ask for as after, for the lines that follow."`
	}
}

// handleTaskLogs answers GET /v1/tasks/{id}/logs.
func (a *api) handleTaskLogs(ctx context.Context, in *logsInput) (*logsOutput, error) {
	id, err := task.ParseID(in.ID)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	logs, err := a.Tasks.Logs(ctx, id, in.After, min(in.Limit, maxLogPage))
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := new(logsOutput)
	out.Body.Logs, out.Body.Next = logs, in.After
	if len(logs) > 0 {
		out.Body.Next = logs[len(logs)-1].Seq
	}
	return out, nil
}

type definitionsOutput struct {
	Body struct {
		Definitions []task.Definition `json:"definitions"`
	}
}

// handleDefinitionList answers GET /v1/definitions.
func (a *api) handleDefinitionList(ctx context.Context, _ *struct{}) (*definitionsOutput, error) {
	definitions, err := a.Tasks.Definitions(ctx)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := new(definitionsOutput)
	out.Body.Definitions = definitions
	return out, nil
}
