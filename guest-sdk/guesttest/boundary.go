package guesttest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/guest-sdk/internal/fakehost"
)

// values are what the host answers value_len and value_read with.
func values(name string, input any, task Task) map[uint32][]byte {
	return map[uint32][]byte{
		abi.ValueInput:     inputBytes(input),
		abi.ValueInputType: []byte(or(task.InputType, abi.ContentJSON)),
		abi.ValueTaskID:    []byte(or(task.ID, defaultID)),
		abi.ValueTaskName:  []byte(name),
		abi.ValueTags:      tagBytes(task.Tags),
	}
}

// numbers are what the host answers number with.
func numbers(definition abi.Definition, task Task) map[uint32]int64 {
	timeout := or(time.Duration(definition.Options.TimeoutMS)*time.Millisecond, defaultTimeout)
	deadline := task.Deadline
	if deadline.IsZero() {
		deadline = time.Now().Add(timeout)
	}
	return map[uint32]int64{
		abi.NumberAttempt:     int64(task.Attempt),
		abi.NumberMaxAttempts: int64(or(task.MaxAttempts, definition.Options.Retries+1)),
		abi.NumberDeadline:    deadline.UnixMilli(),
	}
}

// or returns value, or otherwise where that is zero.
func or[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

func inputBytes(input any) []byte {
	if bytes, ok := input.([]byte); ok {
		return bytes
	}
	text, err := json.Marshal(input)
	if err != nil {
		panic(fmt.Errorf("guesttest: the input has no JSON: %w", err))
	}
	return text
}

// tagBytes writes key, NUL, value, NUL, and so on, sorted by key.
func tagBytes(tags map[string]string) []byte {
	var text []byte
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		text = append(append(text, key...), 0)
		text = append(append(text, tags[key]...), 0)
	}
	return text
}

var levels = map[uint32]string{
	abi.LevelDebug: "debug",
	abi.LevelInfo:  "info",
	abi.LevelWarn:  "warn",
	abi.LevelError: "error",
}

func lines(pushed []fakehost.Line) []Line {
	var all []Line
	for _, line := range pushed {
		all = append(all, Line{levels[line.Level], line.Message, fieldMap(line)})
	}
	return all
}

// fieldMap decodes the fields of a line. The SDK only writes objects, so what
// is none was passed to guest.Context.Log.
func fieldMap(line fakehost.Line) map[string]any {
	if len(line.Fields) == 0 {
		return nil
	}
	var fields map[string]any
	if err := json.Unmarshal(line.Fields, &fields); err != nil {
		panic(fmt.Errorf("guesttest: the fields of log line %q are no JSON object: %w\n%s", line.Message, err, line.Fields))
	}
	return fields
}
