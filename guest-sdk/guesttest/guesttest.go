// Package guesttest runs the handlers that package guest has registered, under
// plain go test and without a WebAssembly host. A test of a guest's own package
// needs nothing but [Run]:
//
//	func TestHello(t *testing.T) {
//		result := guesttest.Run("greet.hello", "Ada", guesttest.Task{})
//		var greeting string
//		if err := result.Decode(&greeting); err != nil || greeting != "hello, Ada" {
//			t.Fatal(greeting, err)
//		}
//	}
//
// The handler is reached by the same way as in the sandbox, and gets the same
// answers; in the place of the host there is a fake in the same process. Three
// things are not as in the sandbox: package variables keep what a test writes
// to them, nothing is limited (time, memory, the size of results and logs), and
// arguments are not held against their schema, which the real host does when a
// task is enqueued.
package guesttest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/taskhost/taskhost/abi"
	_ "github.com/taskhost/taskhost/guest-sdk" // what is run
	"github.com/taskhost/taskhost/guest-sdk/internal/fakehost"
)

// Task is the task that a handler finds itself in. The zero value is the first
// attempt of a task without tags.
type Task struct {
	// ID is the task's id. Defaults to a fixed UUID.
	ID string
	// Attempt counts from 0, as [guest.Context.Attempt] does.
	Attempt int
	// MaxAttempts defaults to what the definition's retries come to.
	MaxAttempts int
	// Tags defaults to none.
	Tags map[string]string
	// Deadline defaults to the definition's timeout from now, or a minute.
	Deadline time.Time
	// InputType is the content type of the input. Defaults to
	// "application/json".
	InputType string
}

// defaultID is the id of a task that names none.
const defaultID = "01890a5d-ac96-774b-bcce-b302099a8057"

// defaultTimeout is the host's, for definitions that name none.
const defaultTimeout = time.Minute

// Kind is what a failure means for further attempts.
type Kind string

// The kinds of failure. A success has none.
const (
	Retryable Kind = "retryable"
	Permanent Kind = "permanent"
)

// Result is what came of one execution.
type Result struct {
	// Output is the result, nil where the handler gave none.
	Output []byte
	// OutputType is the content type of Output, empty where there is none.
	OutputType string
	// Failed says that the handler returned an error or panicked. Kind and
	// Message then say how, and Trace is the stack of a panic.
	Failed  bool
	Kind    Kind
	Message string
	Trace   string
	// Logs are the lines that were logged, in order.
	Logs []Line
}

// Line is one log line.
type Line struct {
	// Level is debug, info, warn or error.
	Level string
	// Message is the line's text.
	Message string
	// Fields are as encoding/json reads them: numbers are float64. Nil where
	// there are none.
	Fields map[string]any
}

// Decode reads the JSON of a success into v. It reports the failure where there
// was one.
func (r Result) Decode(v any) error {
	if r.Failed {
		return fmt.Errorf("guesttest: the task failed (%s): %s", r.Kind, r.Message)
	}
	if r.Output == nil {
		return errors.New("guesttest: the task has no result")
	}
	return json.Unmarshal(r.Output, v)
}

// Run runs the definition called name once, and returns what came of it. Input
// that is a []byte is handed over as it is, nil for none; everything else is
// encoded as JSON first. Run may be called from several goroutines.
//
// It panics where no definition has the name and where the input has no JSON,
// since both are faults of the test.
func Run(name string, input any, task Task) Result {
	index, definition := find(name)
	outcome := fakehost.Run(index, values(name, input, task), numbers(definition, task))
	result := Result{
		Output:     outcome.Output,
		OutputType: outcome.OutputType,
		Failed:     outcome.Status != abi.RunDone,
		Logs:       lines(outcome.Lines),
	}
	if failure := outcome.Failure; failure != nil {
		result.Kind = Retryable
		if failure.Kind == abi.Permanent {
			result.Kind = Permanent
		}
		result.Message, result.Trace = failure.Message, failure.Trace
	}
	return result
}

// Manifest returns what the registered definitions declare, as the host reads
// it when the module is uploaded. It panics where that is not valid, as with an
// Options.Args that is not JSON.
func Manifest() abi.Manifest {
	text := fakehost.Describe()
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	var manifest abi.Manifest
	if err := decoder.Decode(&manifest); err != nil {
		panic(fmt.Errorf("guesttest: the manifest is not valid: %w\n%s", err, text))
	}
	return manifest
}

func find(name string) (uint32, abi.Definition) {
	manifest := Manifest()
	var known []string
	for i, definition := range manifest.Definitions {
		if definition.Name == name {
			return uint32(i), definition
		}
		known = append(known, definition.Name)
	}
	panic(fmt.Sprintf("guesttest: no definition is called %q, there are: %s", name, strings.Join(known, ", ")))
}
