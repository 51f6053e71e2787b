package httpapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/taskhost/taskhost/task"
)

const (
	// enqueueBytes is what the body of an enqueue may have beside the arguments.
	enqueueBytes = 64 << 10
	// batchTasks and batchBytes bound a batch.
	batchTasks = 10_000
	batchBytes = 32 << 20
)

func (a *api) registerEnqueue(routes huma.API) {
	huma.Register(routes, huma.Operation{
		OperationID: "enqueue-task",
		Method:      http.MethodPost,
		Path:        "/v1/tasks",
		Summary:     "Enqueue a task",
		Description: "Stores a task and answers with its id once it is durable. With wait, the answer comes when the task has ended, " +
			"or when that time is up, which does the task nothing. A task that fails is no error of the request. " +
			"Where an earlier task has the idempotency key, or is the one that unique allows, nothing is stored, and duplicate is set. " +
			"Whatever happens after the task was stored, the answer is its id and no error.",
		Tags:            []string{"tasks"},
		DefaultStatus:   http.StatusCreated,
		MaxBodyBytes:    a.MaxArgsBytes + enqueueBytes + 1,
		BodyReadTimeout: bodyTimeout,
	}, a.handleTaskEnqueue)
	describeEnqueued(routes.OpenAPI().Paths["/v1/tasks"].Post)
	huma.Register(routes, huma.Operation{
		OperationID: "enqueue-tasks",
		Method:      http.MethodPost,
		Path:        "/v1/tasks/batch",
		Summary:     "Enqueue many tasks",
		Description: fmt.Sprintf("Stores up to %d tasks, all of them or none, and answers with their ids in the same order. "+
			"Their number counts from 0 where one of them is wrong.", batchTasks),
		Tags:            []string{"tasks"},
		DefaultStatus:   http.StatusCreated,
		MaxBodyBytes:    batchBytes,
		BodyReadTimeout: bodyTimeout,
	}, a.handleTaskBatch)
}

// enqueueBody is what is asked for of one task.
type enqueueBody struct {
	Name         string            `json:"name" example:"thumbs.resize" doc:"The definition's name."`
	Args         json.RawMessage   `json:"args,omitempty" doc:"The arguments: any JSON that the definition's schema allows."`
	Priority     int               `json:"priority,omitempty" minimum:"1" maximum:"10" doc:"10 is the highest. Defaults to the definition's."`
	Tags         map[string]string `json:"tags,omitempty" doc:"Shown with the task. At most 32, of at most 256 bytes each."`
	Delay        string            `json:"delay,omitempty" example:"1m30s" doc:"Postpones the first attempt."`
	RunAt        time.Time         `json:"run_at,omitempty" doc:"The earliest time of the first attempt. Excludes delay."`
	Timeout      string            `json:"timeout,omitempty" example:"30s" doc:"Bounds each attempt. Defaults to the definition's."`
	ExpiresAfter string            `json:"expires_after,omitempty" example:"10m" doc:"Bounds the task as a whole, from when it is first due: past that it fails with the cause expired. Defaults to the definition's."`
	Unique       string            `json:"unique,omitempty" enum:"name,args,none" doc:"Answer with the earlier task while one of the same name, or of the same name and arguments, is pending or running. Defaults to the definition's."`
	Key          string            `json:"idempotency_key,omitempty" maxLength:"256" doc:"As the header Idempotency-Key, which a batch cannot have."`
	TTL          string            `json:"idempotency_ttl,omitempty" example:"24h" doc:"How long the idempotency key holds at least, where its task may be deleted sooner. Defaults to the definition's."`
	Version      int               `json:"version,omitempty" minimum:"1" doc:"The version of the module to run. Defaults to the live one."`
}

type enqueueInput struct {
	Wait           string `query:"wait" example:"10s" doc:"Answer when the task has ended, or after this time, of at most 5m. Without it, answer at once."`
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"256" doc:"Makes the call safe to repeat: while a task of the same name with this key is pending, running or has succeeded, its id is the answer and nothing is enqueued. The same key with other arguments is refused."`
	Body           enqueueBody
}

type enqueueOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     enqueued
}

// handleTaskEnqueue answers POST /v1/tasks.
func (a *api) handleTaskEnqueue(ctx context.Context, in *enqueueInput) (*enqueueOutput, error) {
	if in.IdempotencyKey != "" && in.Body.Key != "" && in.IdempotencyKey != in.Body.Key {
		return nil, a.problem(ctx, &task.InvalidError{Field: "idempotency_key", Problem: "is another one than the header Idempotency-Key: give one of them"})
	}
	in.Body.Key = cmp.Or(in.Body.Key, in.IdempotencyKey)
	request, err := in.Body.request()
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	wait, err := parseWait(in.Wait)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	if wait > 0 {
		leave, err := a.placeToWait()
		if err != nil {
			return nil, err
		}
		defer leave()
	}
	stored, err := a.Tasks.Submit(ctx, request)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &enqueueOutput{Status: http.StatusCreated, Location: "/v1/tasks/" + stored.ID.String(), Body: enqueued{ID: stored.ID}}
	switch {
	case wait > 0:
		a.await(ctx, stored.ID, wait)
		out.Status, out.Body = a.outcome(ctx, stored.ID)
	case stored.Duplicate:
		out.Status = http.StatusOK
	}
	out.Body.Duplicate = stored.Duplicate
	return out, nil
}

// request is what is asked for.
func (b *enqueueBody) request() (task.Request, error) {
	request := task.Request{
		Name: b.Name,
		Args: b.Args,
		EnqueueOptions: task.EnqueueOptions{
			IdempotencyKey: b.Key,
			Tags:           b.Tags,
			Priority:       b.Priority,
			RunAt:          b.RunAt,
			Unique:         task.Unique(b.Unique),
			Version:        b.Version,
		},
	}
	for _, d := range []struct {
		name, text string
		to         *time.Duration
	}{
		{"delay", b.Delay, &request.Delay},
		{"timeout", b.Timeout, &request.Timeout},
		{"expires_after", b.ExpiresAfter, &request.ExpiresAfter},
		{"idempotency_ttl", b.TTL, &request.IdempotencyTTL},
	} {
		if d.text == "" {
			continue
		}
		var err error
		if *d.to, err = time.ParseDuration(d.text); err != nil {
			return request, &task.InvalidError{Field: d.name, Problem: "must be a duration such as 90s or 1m30s"}
		}
	}
	return request, nil
}

type batchInput struct {
	Body struct {
		Tasks []enqueueBody `json:"tasks" minItems:"1" maxItems:"10000"`
	}
}

type batchOutput struct {
	Body struct {
		Tasks []batchEnqueued `json:"tasks"`
	}
}

type batchEnqueued struct {
	ID        task.ID `json:"task_id" format:"uuid"`
	Duplicate bool    `json:"duplicate,omitempty" doc:"Set where an earlier task has the idempotency key, or is the one that unique allows."`
}

// handleTaskBatch answers POST /v1/tasks/batch.
func (a *api) handleTaskBatch(ctx context.Context, in *batchInput) (*batchOutput, error) {
	requests := make([]task.Request, len(in.Body.Tasks))
	for i := range in.Body.Tasks {
		var err error
		if requests[i], err = in.Body.Tasks[i].request(); err != nil {
			return nil, a.batchProblem(ctx, fmt.Errorf("request %d: %w", i, err))
		}
	}
	stored, err := a.Tasks.SubmitMany(ctx, requests)
	if err != nil {
		return nil, a.batchProblem(ctx, err)
	}
	out := new(batchOutput)
	out.Body.Tasks = make([]batchEnqueued, len(stored))
	for i, one := range stored {
		out.Body.Tasks[i] = batchEnqueued{ID: one.ID, Duplicate: one.Duplicate}
	}
	return out, nil
}

// batchProblem says which of the requests is wrong, where it is one of them.
func (a *api) batchProblem(ctx context.Context, err error) *Problem {
	p := a.problem(ctx, err)
	var known *Problem
	if p.Status < http.StatusInternalServerError && !errors.As(err, &known) {
		p.Detail = err.Error()
	}
	return p
}
