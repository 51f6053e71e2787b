package httpapi

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/taskhost/taskhost/task"
)

func (a *api) registerList(routes huma.API) {
	huma.Register(routes, huma.Operation{
		OperationID: "list-tasks",
		Method:      http.MethodGet,
		Path:        "/v1/tasks",
		Summary:     "List tasks",
		Description: "Answers with a page of the tasks for which all that is asked for holds, newest first unless asked otherwise. " +
			"Ask again with cursor set to the answer's next for the page that follows, until that is empty. Stack traces are left out.",
		Tags: []string{"tasks"},
	}, a.handleTaskList)
}

type listInput struct {
	Status        []string  `query:"status" enum:"pending,running,success,failed,interrupted,cancelled" doc:"Tasks in one of these states, separated by commas."`
	Name          string    `query:"name" doc:"Tasks of this definition."`
	Module        string    `query:"module" doc:"Tasks of this module."`
	Tag           []string  `query:"tag,explode" example:"customer=acme" doc:"Tasks with this tag, as KEY=VALUE. May be repeated: all have to be there."`
	Source        []string  `query:"source" enum:"manual,scheduled,retry,task" doc:"Tasks from one of these, separated by commas."`
	CreatedAfter  time.Time `query:"created_after" doc:"Tasks enqueued at this time or later."`
	CreatedBefore time.Time `query:"created_before" doc:"Tasks enqueued before this time."`
	IDPrefix      string    `query:"id_prefix" example:"01890a5d" doc:"Tasks whose id begins so."`
	Unresolved    bool      `query:"unresolved" doc:"Leave out tasks that were retried."`
	Sort          string    `query:"sort" enum:"created,duration,priority" default:"created" doc:"What the list is ordered by. A list by duration leaves out what has not started, or not ended."`
	Order         string    `query:"order" enum:"desc,asc" default:"desc" doc:"Whether the newest, longest or highest come first, or last."`
	Limit         int       `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"The most tasks to answer with."`
	Cursor        string    `query:"cursor" doc:"The next of the page before, with the same filter and order."`
}

type listOutput struct {
	Body *task.List
}

// handleTaskList answers GET /v1/tasks.
func (a *api) handleTaskList(ctx context.Context, in *listInput) (*listOutput, error) {
	filter := task.Filter{
		Name: in.Name, Module: in.Module, CreatedAfter: in.CreatedAfter, CreatedBefore: in.CreatedBefore,
		IDPrefix: in.IDPrefix, Unresolved: in.Unresolved, Tags: make(map[string]string, len(in.Tag)),
	}
	for _, status := range in.Status {
		filter.Statuses = append(filter.Statuses, task.Status(status))
	}
	for _, source := range in.Source {
		filter.Sources = append(filter.Sources, task.Source(source))
	}
	for _, tag := range in.Tag {
		key, value, ok := strings.Cut(tag, "=")
		if before, twice := filter.Tags[key]; !ok || twice && before != value {
			return nil, a.problem(ctx, &task.InvalidError{Field: "tag", Problem: "must be KEY=VALUE, with one value for each key"})
		}
		filter.Tags[key] = value
	}
	list, err := a.Tasks.Tasks(ctx, filter, task.Page{Sort: task.Sort(in.Sort), Ascending: in.Order == "asc", Limit: in.Limit, Cursor: in.Cursor})
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &listOutput{list}, nil
}
