package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/taskhost/taskhost/task"
)

func (a *api) registerAttempts(routes huma.API) {
	huma.Register(routes, huma.Operation{
		OperationID: "list-task-attempts",
		Method:      http.MethodGet,
		Path:        "/v1/tasks/{id}/attempts",
		Summary:     "List a task's attempts",
		Description: "Answers with the attempts in order, with what each used: those that have ended, and the one that runs. " +
			"Figures are 0 until an attempt has ended, and where its node died.",
		Tags: []string{"tasks"},
	}, a.handleAttemptList)
}

type attemptsInput struct {
	ID string `path:"id" format:"uuid" doc:"The task's id."`
}

type attemptsOutput struct {
	Body struct {
		Attempts []task.Attempt `json:"attempts"`
	}
}

// handleAttemptList answers GET /v1/tasks/{id}/attempts.
func (a *api) handleAttemptList(ctx context.Context, in *attemptsInput) (*attemptsOutput, error) {
	id, err := task.ParseID(in.ID)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	attempts, err := a.Tasks.Attempts(ctx, id)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := new(attemptsOutput)
	out.Body.Attempts = attempts
	return out, nil
}
