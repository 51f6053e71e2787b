package taskhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"runtime/debug"

	"github.com/taskhost/taskhost/internal/argschema"
	"github.com/taskhost/taskhost/internal/gojson"
	"github.com/taskhost/taskhost/task"
)

// function is a registered Go function.
type function struct {
	definition task.Definition
	call       func(ctx context.Context, args []byte) ([]byte, error)
}

// Function is a registered Go function, to enqueue with arguments of its own
// type.
type Function[In, Out any] struct {
	host *Host
	name string
}

// Register makes a Go function a task. In and Out are encoded as JSON. Arguments that
// do not fit into an In are refused when they are enqueued: as a guest's are, by a
// JSON Schema that is derived from the type (package guest-sdk has the rules, and the
// tag schema), but for nil slices and maps, which may be null or left out. It must
// be called before [Host.Start]. The function's context ends at the attempt's
// timeout, when the task is cancelled and when the host stops: it should then
// return. [Current] and [Log] tell it about its task. An error that it returns,
// or a panic, fails the attempt, which is tried again as the options say unless
// the error is [task.Permanent].
//
// It returns an error for a name or options that are not allowed, for an In that JSON
// cannot be read into, and for a name that is registered already.
func Register[In, Out any](h *Host, name string, fn func(ctx context.Context, in In) (Out, error), options task.Options) (*Function[In, Out], error) {
	if err := task.ValidateName(name); err != nil {
		return nil, fmt.Errorf("taskhost: register: %w", err)
	}
	options, err := h.config.Limits.Fit(options)
	if err != nil {
		return nil, fmt.Errorf("taskhost: register %s: %w", name, err)
	}
	if options.Executor == task.Wasm {
		return nil, fmt.Errorf("taskhost: register %s: a Go function runs on executor async or thread, not on wasm", name)
	}
	args, err := gojson.Schema(reflect.TypeFor[In](), gojson.NilAccepted)
	if err == nil && args != nil {
		_, err = argschema.Compile(args)
	}
	if err != nil {
		return nil, fmt.Errorf("taskhost: register %s: its argument: %w", name, err)
	}
	err = h.register(&function{
		definition: task.Definition{Name: name, Executor: options.Executor, Options: options, Args: args},
		call: func(ctx context.Context, args []byte) ([]byte, error) {
			var in In
			if len(args) > 0 {
				if err := json.Unmarshal(args, &in); err != nil {
					return nil, task.Permanent(fmt.Errorf("the arguments do not fit: %w", err))
				}
			}
			out, err := fn(ctx, in)
			if err != nil {
				return nil, err
			}
			result, err := json.Marshal(out)
			if err != nil {
				return nil, task.Permanent(fmt.Errorf("the result cannot be encoded as JSON: %w", err))
			}
			return result, nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("taskhost: register %s: %w", name, err)
	}
	return &Function[In, Out]{host: h, name: name}, nil
}

func (h *Host) register(f *function) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	name := f.definition.Name
	switch {
	case h.state == stopping:
		return task.ErrStopped
	case h.state == started:
		return errors.New("the host has been started: register before that")
	case h.functions[name] != nil:
		return errors.New("the name is registered already")
	}
	h.functions[name], h.declared = f, false
	return nil
}

// Enqueue stores a task of the function. See [Host.Enqueue].
func (f *Function[In, Out]) Enqueue(ctx context.Context, in In, options EnqueueOptions) (task.ID, error) {
	return f.host.Enqueue(ctx, f.name, in, options)
}

// Result returns what a task of the function returned. See [Host.Result].
func (f *Function[In, Out]) Result(ctx context.Context, id task.ID) (out Out, err error) {
	result, _, err := f.host.Result(ctx, id)
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(result, &out); err != nil {
		return out, fmt.Errorf("taskhost: the result of %s does not fit: %w", id, err)
	}
	return out, nil
}

// run runs one attempt on a goroutine of its own, which for executor thread has
// an OS thread to itself. The function may panic, or end its goroutine: neither
// must take the slot along.
func (f *function) run(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
	ended := make(chan task.Outcome, 1)
	go func() {
		outcome := task.Outcome{Failure: &task.Failure{
			Cause:   task.CauseTrap,
			Message: "the function ended its goroutine, as runtime.Goexit and FailNow of package testing do: return instead",
		}}
		defer func() {
			if p := recover(); p != nil {
				outcome.Failure = &task.Failure{
					Cause:   task.CauseTrap,
					Message: fmt.Sprintf("panic: %v", p),
					Trace:   string(debug.Stack()),
				}
			}
			ended <- outcome
		}()
		if f.definition.Executor == task.Thread {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
		}
		outcome = f.outcome(f.call(withTask(ctx, exec, log), exec.Args))
	}()
	return <-ended
}

// outcome says how a call ended that returned.
func (f *function) outcome(result []byte, err error) task.Outcome {
	most := f.definition.Options.ResultBytes
	switch {
	case err != nil:
		return task.Outcome{Failure: &task.Failure{Cause: task.CauseError, Message: err.Error(), Permanent: task.IsPermanent(err)}}
	case int64(len(result)) > most:
		return task.Outcome{Failure: &task.Failure{
			Cause:     task.CauseLimit,
			Message:   fmt.Sprintf("limit result: the function returned %d bytes, at most %d are kept: return a reference to large data instead of the data, or raise Options.ResultBytes (at most %d)", len(result), most, task.MaxResultBytes),
			Permanent: true,
		}}
	default:
		return task.Outcome{Result: result, ResultType: "application/json"}
	}
}
