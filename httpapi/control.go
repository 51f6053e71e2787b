package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/taskhost/taskhost/task"
)

func (a *api) registerControl(routes huma.API) {
	huma.Register(routes, huma.Operation{
		OperationID: "cancel-task",
		Method:      http.MethodPost,
		Path:        "/v1/tasks/{id}/cancel",
		Summary:     "Cancel a task",
		Description: "A task that waits ends as cancelled at once, and never runs. One that runs is being stopped when the answer comes, " +
			"and ends as cancelled whatever it returns: ask for it, with wait, to see the end. To cancel it again changes nothing. " +
			"What has ended otherwise is a conflict with the code already_finished.",
		Tags: []string{"tasks"},
	}, a.handleTaskCancel)
	huma.Register(routes, huma.Operation{
		OperationID: "retry-task",
		Method:      http.MethodPost,
		Path:        "/v1/tasks/{id}/retry",
		Summary:     "Retry a task",
		Description: "Enqueues a task again that has failed, was interrupted or cancelled, as a new one with everything of the old: " +
			"arguments, tags, priority, options and module version. Codes of conflicts: not_retryable, already_retried (task_id is the new task), " +
			"module_gone, key_taken (task_id is the task that has the idempotency key), unique_taken, key_missing and damaged.",
		Tags:          []string{"tasks"},
		DefaultStatus: http.StatusCreated,
	}, a.handleTaskRetry)
}

type cancelInput struct {
	ID string `path:"id" format:"uuid" doc:"The task's id."`
}

// handleTaskCancel answers POST /v1/tasks/{id}/cancel.
func (a *api) handleTaskCancel(ctx context.Context, in *cancelInput) (*taskOutput, error) {
	id, err := task.ParseID(in.ID)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	if err := a.Tasks.Cancel(ctx, id); err != nil {
		return nil, a.problem(ctx, err)
	}
	t, err := a.Tasks.Task(ctx, id)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &taskOutput{t}, nil
}

type retryInput struct {
	ID    string `path:"id" format:"uuid" doc:"The task's id."`
	Force bool   `query:"force" doc:"Retry also what was retried before, and without its idempotency key what another task has taken that of."`
}

type retryOutput struct {
	Location string `header:"Location"`
	Body     struct {
		ID   task.ID `json:"task_id" format:"uuid" doc:"The new task."`
		From task.ID `json:"retried_from" format:"uuid" doc:"The task that it repeats."`
	}
}

// handleTaskRetry answers POST /v1/tasks/{id}/retry.
func (a *api) handleTaskRetry(ctx context.Context, in *retryInput) (*retryOutput, error) {
	id, err := task.ParseID(in.ID)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	next, err := a.Tasks.Retry(ctx, id, in.Force)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &retryOutput{Location: "/v1/tasks/" + next.String()}
	out.Body.ID, out.Body.From = next, id
	return out, nil
}
