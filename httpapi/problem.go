package httpapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/task"
)

// Problem is the body of every error: a problem document (RFC 9457) with a code
// for programs to go by.
type Problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	// Code is stable; the other texts may change.
	Code   string `json:"code"`
	Detail string `json:"detail"`
	// Errors are the places in the request that are wrong, where there are
	// several.
	Errors []task.ArgumentProblem `json:"errors,omitempty"`
	// TaskID is the task that is in the way of what was asked for.
	TaskID *task.ID `json:"task_id,omitempty" format:"uuid"`
	// Near are names that look like one that is not known.
	Near []string `json:"near,omitempty"`
}

// Error returns the detail, and the places that it does not name itself.
func (p *Problem) Error() string {
	if len(p.Errors) == 0 || p.Code == codeArguments {
		return p.Detail
	}
	places := make([]string, len(p.Errors))
	for i, e := range p.Errors {
		places[i] = strings.TrimPrefix(e.Path+": ", ": ") + e.Problem
	}
	return p.Detail + ": " + strings.Join(places, "; ")
}

// codeArguments is the code of a *task.ArgumentError, whose text names the places.
const codeArguments = "invalid_arguments"

// GetStatus makes a Problem an error that huma answers with.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders asks a client to wait a little where it is to try again.
func (p *Problem) GetHeaders() http.Header {
	if p.Status != http.StatusServiceUnavailable && p.Status != http.StatusInsufficientStorage {
		return nil
	}
	return http.Header{"Retry-After": {"1"}}
}

// ContentType is that of problem documents.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

func problemf(status int, code, format string, args ...any) *Problem {
	return &Problem{Status: status, Title: http.StatusText(status), Code: code, Detail: fmt.Sprintf(format, args...)}
}

func internalProblem() *Problem {
	return problemf(http.StatusInternalServerError, "internal", "something went wrong inside; the server's log says what")
}

func writeProblem(w http.ResponseWriter, p *Problem) {
	maps.Copy(w.Header(), p.GetHeaders())
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client is gone, or it is not
}

// problem says what a client is told of an error.
func (a *api) problem(ctx context.Context, err error) *Problem {
	var (
		known    *Problem
		argument *task.ArgumentError
		unknown  *task.UnknownNameError
		invalid  *task.InvalidError
		conflict *task.ConflictError
		key      *task.KeyConflictError
		failure  *task.Failure
		sealed   *task.SealedError
		rejected *modules.RejectedError
	)
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &argument):
		p := problemf(http.StatusUnprocessableEntity, codeArguments, "%s", argument)
		p.Errors = argument.Problems
		return p
	case errors.As(err, &unknown):
		p := problemf(http.StatusNotFound, "unknown_task", "%s", unknown)
		p.Near = unknown.Near
		return p
	case errors.As(err, &invalid) && invalid.TooLarge:
		return problemf(http.StatusRequestEntityTooLarge, "too_large", "%s", invalid)
	case errors.As(err, &invalid):
		return problemf(http.StatusUnprocessableEntity, "invalid", "%s", invalid)
	case errors.As(err, &key):
		return problemf(http.StatusUnprocessableEntity, "idempotency_key_reused", "%s", key)
	case errors.As(err, &conflict):
		return conflictProblem(conflict)
	case errors.As(err, &rejected):
		return problemf(http.StatusUnprocessableEntity, "module_rejected", "%s", rejected)
	case errors.As(err, &sealed) && sealed.Damaged:
		a.Logger.ErrorContext(ctx, "what is stored of a task was changed", slog.Any("error", sealed))
		return problemf(http.StatusConflict, task.CodeDamaged, "%s", sealed)
	case errors.As(err, &sealed):
		return problemf(http.StatusConflict, task.CodeKeyMissing, "%s", sealed)
	case errors.As(err, &failure):
		return problemf(http.StatusConflict, "task_failed", "%s", failure)
	case errors.Is(err, task.ErrNotFinished):
		return problemf(http.StatusConflict, "not_finished", "%s", err)
	case errors.Is(err, task.ErrNotFound):
		return problemf(http.StatusNotFound, "not_found", "%s", err)
	case errors.Is(err, task.ErrEventsGone):
		return problemf(http.StatusGone, codeEventsGone, "%s", err)
	case ctx.Err() != nil: // a database that is cut off says that it cannot be used
		return problemf(http.StatusServiceUnavailable, "unavailable", "the request ended before it was answered")
	case errors.Is(err, task.ErrFull):
		a.Logger.WarnContext(ctx, "the database's disk is full", slog.Any("error", err))
		return problemf(http.StatusInsufficientStorage, "storage_full", "the disk of the database is full, and nothing was stored: make room on it and try again")
	case errors.Is(err, task.ErrUnavailable):
		a.Logger.WarnContext(ctx, "the database cannot be used", slog.Any("error", err))
		return problemf(http.StatusServiceUnavailable, "unavailable", "the database cannot be used at the moment: try again")
	case errors.Is(err, task.ErrStopped):
		return problemf(http.StatusServiceUnavailable, "unavailable", "the server is stopping: try again")
	default:
		a.Logger.ErrorContext(ctx, "a request failed", slog.Any("error", err))
		return internalProblem()
	}
}

func conflictProblem(conflict *task.ConflictError) *Problem {
	p := problemf(http.StatusConflict, cmp.Or(conflict.Code, "conflict"), "%s", conflict)
	if !conflict.Task.IsZero() {
		p.TaskID = &conflict.Task
	}
	return p
}

// codes are those of errors that huma finds before a handler is called.
var codes = map[int]string{
	http.StatusBadRequest:            "bad_request",
	http.StatusNotFound:              "not_found",
	http.StatusNotAcceptable:         "not_acceptable",
	http.StatusRequestTimeout:        "body_timeout",
	http.StatusRequestEntityTooLarge: "too_large",
	http.StatusUnsupportedMediaType:  "unsupported_media_type",
	http.StatusUnprocessableEntity:   "invalid",
}

// asProblem turns huma's own errors into problems of ours.
func (a *api) asProblem(ctx huma.Context, _ string, value any) (any, error) {
	model, ok := value.(*huma.ErrorModel)
	if !ok {
		return value, nil
	}
	code, ok := codes[model.Status]
	if !ok {
		a.Logger.ErrorContext(ctx.Context(), "a request failed", slog.Int("status", model.Status), slog.String("error", model.Detail))
		return internalProblem(), nil
	}
	p := problemf(model.Status, code, "%s", model.Detail)
	if model.Status == http.StatusRequestTimeout {
		p.Detail = "the body of the request did not arrive in full, or not in time"
	}
	for _, e := range model.Errors {
		message := e.Message
		if strings.HasPrefix(message, "json: cannot unmarshal") { // it goes on with a type of ours
			message = "holds a number beyond ±1.8e308, or a value of another type than is wanted"
		}
		p.Errors = append(p.Errors, task.ArgumentProblem{Path: e.Location, Problem: message})
	}
	return p, nil
}
