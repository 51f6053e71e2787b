package guest

import (
	"strings"
	"time"

	"github.com/taskhost/taskhost/abi"
)

// Context is one execution as its handler sees it: what is being run, and where
// to log. It is made by the SDK, is passed by value, and must not be used after
// the handler has returned. Its methods may be called from several goroutines,
// but for SetOutputType.
//
// The methods ask the host each time they are called, and the host counts
// calls: keep an answer in a variable rather than asking in a loop.
type Context struct {
	run *execution
}

// execution is what there is of a run beside its input. A new one is made for
// each, so nothing of it reaches the next run of the same instance.
type execution struct {
	host       host
	definition *definition
	outputType string
}

// Name returns the name of the definition that is being run.
func (c Context) Name() string { return c.run.definition.Name }

// TaskID returns the id of the task, a UUID in its text form of 36 characters.
// It is the same in every attempt.
func (c Context) TaskID() string { return string(c.value(abi.ValueTaskID)) }

// Attempt returns which attempt this is, counted from 0: 0 is the first, 1 the
// first retry.
func (c Context) Attempt() int { return int(c.number(abi.NumberAttempt, 0)) }

// MaxAttempts returns how many attempts the task has in all, at least 1.
func (c Context) MaxAttempts() int { return int(c.number(abi.NumberMaxAttempts, 1)) }

// Deadline returns when the attempt will be stopped, to the millisecond, or the
// zero time where the host does not say.
func (c Context) Deadline() time.Time {
	if ms := c.number(abi.NumberDeadline, abi.Absent); ms != abi.Absent {
		return time.UnixMilli(ms)
	}
	return time.Time{}
}

// Tags returns the task's tags in a map of the caller's own, nil where it has
// none.
func (c Context) Tags() map[string]string { return decodeTags(string(c.value(abi.ValueTags))) }

// InputType returns the content type of the input, "application/json" unless
// whoever enqueued the task said otherwise.
func (c Context) InputType() string {
	if t := c.value(abi.ValueInputType); len(t) > 0 {
		return string(t)
	}
	return abi.ContentJSON
}

// SetOutputType sets the content type of what a raw handler returns, such as
// "text/csv; charset=utf-8". Defaults to "application/json". It has no effect
// in a handler registered with [Handle], whose results are always JSON.
func (c Context) SetOutputType(contentType string) { c.run.outputType = contentType }

// value pulls a value, nil where it is empty or the host does not know it.
func (c Context) value(key uint32) []byte {
	size := c.run.host.ValueLen(key)
	if size <= 0 {
		return nil
	}
	room := make([]byte, size)
	n := c.run.host.ValueRead(key, room)
	return room[:max(n, 0)]
}

func (c Context) number(key uint32, otherwise int64) int64 {
	if n := c.run.host.Number(key); n != abi.Absent {
		return n
	}
	return otherwise
}

// decodeTags reads key, NUL, value, NUL, and so on. The last NUL may be left
// out.
func decodeTags(text string) map[string]string {
	if text == "" {
		return nil
	}
	tags := make(map[string]string, (strings.Count(text, "\x00")+1)/2)
	for text != "" {
		var key, value string
		key, text, _ = strings.Cut(text, "\x00")
		value, text, _ = strings.Cut(text, "\x00")
		tags[key] = value
	}
	return tags
}
