package guest

import "github.com/taskhost/taskhost/abi"

// Level says how grave a log line is.
type Level uint32

// The levels of log lines.
const (
	LevelDebug Level = abi.LevelDebug
	LevelInfo  Level = abi.LevelInfo
	LevelWarn  Level = abi.LevelWarn
	LevelError Level = abi.LevelError
)

// Debug logs a line that helps in finding a fault. Fields are keys and values
// by turns, as with log/slog:
//
//	ctx.Debug("fetched", "rows", len(rows), "source", name)
//
// Values are written as JSON would have them: errors as their text, anything
// with MarshalJSON, MarshalText or String by that, in this order, and structs
// as objects of their exported fields. A key that is no string, or has no
// value, is logged under "!BADKEY". The host keeps 8 KiB of a line and 1 MiB of
// an attempt.
func (c Context) Debug(message string, fields ...any) {
	c.Log(LevelDebug, message, appendFields(nil, fields))
}

// Info logs a line that tells what the task does. See [Context.Debug] for
// fields.
func (c Context) Info(message string, fields ...any) {
	c.Log(LevelInfo, message, appendFields(nil, fields))
}

// Warn logs a line about something that the task could deal with. See
// [Context.Debug] for fields.
func (c Context) Warn(message string, fields ...any) {
	c.Log(LevelWarn, message, appendFields(nil, fields))
}

// Error logs a line about something that went wrong. It does not fail the task:
// returning an error does. See [Context.Debug] for fields.
func (c Context) Error(message string, fields ...any) {
	c.Log(LevelError, message, appendFields(nil, fields))
}

// Log logs a line whose fields are JSON already: an object, or nothing. It is
// what the other methods and package guestslog stand on.
func (c Context) Log(level Level, message string, fields []byte) {
	c.run.host.Log(uint32(level), message, fields)
}

// appendFields appends keys and values as an object, and nothing for none.
func appendFields(b []byte, fields []any) []byte {
	for begun := false; len(fields) > 0; begun = true {
		if begun {
			b = append(b, ',')
		} else {
			b = append(b, '{')
		}
		key, ok := fields[0].(string)
		if !ok || len(fields) == 1 {
			key = "!BADKEY"
		} else {
			fields = fields[1:]
		}
		b = append(appendString(b, key), ':')
		b = appendAny(b, fields[0])
		fields = fields[1:]
	}
	if len(b) == 0 {
		return b
	}
	return append(b, '}')
}
