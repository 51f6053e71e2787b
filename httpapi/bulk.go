package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/taskhost/taskhost/task"
)

// maxBulkBytes bounds the body of a call for many tasks: 10,000 ids, and some space.
const maxBulkBytes = 1 << 20

func (a *api) registerBulk(routes huma.API) {
	for _, operation := range []struct {
		id, path, summary, about string
		handle                   func(context.Context, *bulkInput) (*bulkOutput, error)
	}{
		{
			"bulk-cancel-tasks", "/v1/tasks/bulk-cancel", "Cancel many tasks",
			"Cancels the tasks named, or those that a filter chooses: where it names no status, those that wait and those that run.",
			a.handleBulkCancel,
		},
		{
			"bulk-retry-tasks", "/v1/tasks/bulk-retry", "Retry many tasks",
			"Retries the tasks named, or those that a filter chooses: where it names no status, those that failed or were interrupted.",
			a.handleBulkRetry,
		},
	} {
		huma.Register(routes, huma.Operation{
			OperationID: operation.id,
			Method:      http.MethodPost,
			Path:        operation.path,
			Summary:     operation.summary,
			Description: operation.about + " " + aboutBulk,
			Tags:        []string{"tasks"}, MaxBodyBytes: maxBulkBytes, BodyReadTimeout: bodyTimeout,
		}, operation.handle)
	}
	huma.Register(routes, huma.Operation{
		OperationID: "retry-failed-tasks",
		Method:      http.MethodPost,
		Path:        "/v1/tasks/retry-failed",
		Summary:     "Retry what failed in a window of time",
		Description: "Retries the tasks that failed or were interrupted, of those that were enqueued since. " + aboutBulk,
		Tags:        []string{"tasks"},
	}, a.handleRetryFailed)
}

const aboutBulk = "Says how many tasks were chosen, for how many something was done, and why not for the others. " +
	"One call takes on at most 10,000 tasks, some at a time: where more is true, call again. " +
	"What was retried before is left alone, so a call can be repeated. With dry_run nothing is done, and the answer is what would be."

type bulkInput struct {
	Body struct {
		IDs    []task.ID    `json:"ids,omitempty" maxItems:"10000" format:"uuid" doc:"The tasks. Excludes filter."`
		Filter *task.Filter `json:"filter,omitempty" doc:"Which tasks: those for which all of it holds. Excludes ids."`
		Force  bool         `json:"force,omitempty" doc:"Retry also what was retried before."`
		DryRun bool         `json:"dry_run,omitempty" doc:"Say what would be done, and do nothing."`
	}
}

// check has a call say what it means: nothing at all must not mean everything.
func (in *bulkInput) check() error {
	if (in.Body.IDs == nil) == (in.Body.Filter == nil) {
		return &task.InvalidError{Field: "ids", Problem: "or filter must be given, and not both"}
	}
	return nil
}

type bulkOutput struct {
	Body *task.Bulk
}

// handleBulkCancel answers POST /v1/tasks/bulk-cancel.
func (a *api) handleBulkCancel(ctx context.Context, in *bulkInput) (*bulkOutput, error) {
	err := in.check()
	var bulk *task.Bulk
	switch {
	case err != nil:
	case in.Body.Filter != nil:
		bulk, err = a.Tasks.CancelAll(ctx, *in.Body.Filter, in.Body.DryRun)
	default:
		bulk, err = a.Tasks.CancelIDs(ctx, in.Body.IDs, in.Body.DryRun)
	}
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &bulkOutput{bulk}, nil
}

// handleBulkRetry answers POST /v1/tasks/bulk-retry.
func (a *api) handleBulkRetry(ctx context.Context, in *bulkInput) (*bulkOutput, error) {
	err := in.check()
	var bulk *task.Bulk
	switch {
	case err != nil:
	case in.Body.Filter != nil:
		bulk, err = a.Tasks.RetryAll(ctx, *in.Body.Filter, in.Body.Force, in.Body.DryRun)
	default:
		bulk, err = a.Tasks.RetryIDs(ctx, in.Body.IDs, in.Body.Force, in.Body.DryRun)
	}
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &bulkOutput{bulk}, nil
}

type retryFailedInput struct {
	Since  string `query:"since" default:"6h" example:"7d" doc:"How long ago the oldest was enqueued, such as 30m, 6h or 7d, or all."`
	Name   string `query:"name" doc:"Tasks of this definition alone."`
	DryRun bool   `query:"dry_run" doc:"Say what would be done, and do nothing."`
}

// handleRetryFailed answers POST /v1/tasks/retry-failed.
func (a *api) handleRetryFailed(ctx context.Context, in *retryFailedInput) (*bulkOutput, error) {
	after, err := parseSince(in.Since, time.Now())
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	bulk, err := a.Tasks.RetryAll(ctx, task.Filter{Name: in.Name, CreatedAfter: after}, false, in.DryRun)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &bulkOutput{bulk}, nil
}

// maxSince keeps a window within what a time can hold.
const maxSince = 100 * 366 * 24 * time.Hour

// parseSince turns how long ago into when; all is no time.
func parseSince(text string, now time.Time) (time.Time, error) {
	if text == "all" {
		return time.Time{}, nil
	}
	ago, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		if n, err = strconv.Atoi(days); err == nil && n <= int(maxSince/(24*time.Hour)) {
			ago = time.Duration(n) * 24 * time.Hour
		}
	}
	if err != nil || ago <= 0 || ago > maxSince {
		return time.Time{}, &task.InvalidError{Field: "since", Problem: "must be how long ago, such as 30m, 6h or 7d, or all"}
	}
	return now.Add(-ago), nil
}
