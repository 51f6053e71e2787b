package httpapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/taskhost/taskhost/task"
)

// clearTime bounds how long one request deletes.
const clearTime = 30 * time.Second

// errClearTime ends a request that has deleted for long enough, and errStopping one
// whose server stops.
var (
	errClearTime = errors.New("the time of the request is up")
	errStopping  = errors.New("the server stops")
)

func (a *api) registerHistory(routes huma.API) {
	huma.Register(routes, huma.Operation{
		OperationID: "clear-history",
		Method:      http.MethodDelete,
		Path:        "/v1/history",
		Summary:     "Delete tasks that have ended",
		Description: "Deletes the tasks that have ended and that all parameters choose, with their logs, attempts and results. " +
			"Without any, those are all that have ended; what waits or runs is never deleted. " +
			"It works for 30 s at most: where complete is false, there may be more, and the request can be repeated. " +
			"To end the request ends the deleting.",
		Tags: []string{"history"},
	}, a.handleHistoryClear)
}

type historyInput struct {
	Status    []string `query:"status,explode" enum:"success,failed,interrupted,cancelled" doc:"How the tasks ended. May be repeated; without it, however they ended."`
	OlderThan string   `query:"older_than" example:"7d" doc:"How long ago they ended at least, as 7d, 12h or 90m."`
	Name      string   `query:"name" doc:"The name of their definition."`
	DryRun    bool     `query:"dry_run" doc:"Only count them."`
}

type historyOutput struct {
	Body struct {
		Tasks    int64                 `json:"tasks" doc:"How many tasks were deleted, or with dry_run would be."`
		ByStatus map[task.Status]int64 `json:"by_status" doc:"The same for each status that was chosen."`
		DryRun   bool                  `json:"dry_run"`
		Complete bool                  `json:"complete" doc:"Whether nothing is left that was chosen: false where time was too short."`
	}
}

// handleHistoryClear answers DELETE /v1/history.
func (a *api) handleHistoryClear(ctx context.Context, in *historyInput) (*historyOutput, error) {
	filter := task.HistoryFilter{Name: in.Name}
	for _, status := range in.Status {
		filter.Statuses = append(filter.Statuses, task.Status(status))
	}
	if in.OlderThan != "" {
		var err error
		if filter.OlderThan, err = task.ParseAge(in.OlderThan); err != nil {
			return nil, a.problem(ctx, &task.InvalidError{Field: "older_than", Problem: "must be a duration such as 7d, 12h or 90m"})
		}
	}
	working, cancel := context.WithTimeoutCause(ctx, clearTime, errClearTime)
	defer cancel()
	working, stop := context.WithCancelCause(working)
	defer stop(nil)
	go func() {
		select {
		case <-a.Stopping:
			stop(errStopping)
		case <-working.Done():
		}
	}()
	count, err := a.History.ClearHistory(working, filter, in.DryRun)
	cause := context.Cause(working)
	cut := err != nil && (errors.Is(cause, errClearTime) || errors.Is(cause, errStopping))
	if err != nil && (!cut || in.DryRun || count == nil) {
		return nil, a.problem(ctx, err)
	}
	out := new(historyOutput)
	out.Body.Tasks, out.Body.ByStatus = count.Tasks, count.ByStatus
	out.Body.DryRun, out.Body.Complete = in.DryRun, err == nil
	return out, nil
}
