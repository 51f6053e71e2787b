package guest

import (
	"encoding/json"
	"reflect"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/internal/gojson"
)

// Handle registers fn as the definition called name, with JSON on both sides:
// the task's arguments are decoded into an In, and the Out that fn returns is
// encoded as its result. Call it from init. What is said of names, errors and
// panics at [HandleRaw] holds here too.
//
// Arguments that cannot be decoded, and a result that cannot be encoded, fail
// the task for good: another attempt would meet the same. A task without
// arguments gives fn the zero In.
//
// When it is called, a zero In and a zero Out are encoded and decoded once, with
// whatever methods they have for that, so that executions need not begin cold.
//
// # Schema
//
// Unless [Options.Args] has one, the JSON Schema of the arguments is derived
// from In, and the host refuses arguments that do not satisfy it when they are
// enqueued. It follows encoding/json, but is strict where that is lenient:
//
//   - A struct is an object of its fields, by their names in JSON, and of no
//     others. A field is required unless it is a pointer or has omitempty or
//     omitzero. Embedded structs count as their fields.
//   - A pointer may be null. Slices and maps may not: an empty one is [] or {}.
//     A struct in which nothing is required may be null as the whole of the
//     arguments, so that the task can be enqueued without any.
//   - Integers of a given size have their bounds. []byte is a string in
//     base64, time.Time a string in RFC 3339.
//   - any and json.RawMessage accept everything, and so do types with an
//     UnmarshalJSON of their own; a type with UnmarshalText accepts strings.
//   - The tag schema adds to a field: `schema:"minimum=16,maximum=1024"`. It
//     knows minimum, maximum, minLength, maxLength, minItems, maxItems and
//     enum=a|b|c.
//
// Handle panics where In has a part that JSON cannot carry, such as a channel,
// and where a schema tag says something else than the above.
func Handle[In, Out any](name string, fn func(ctx Context, in In) (Out, error), options Options) {
	if fn == nil {
		misuse("Handle", name, "the function is nil")
	}
	args := abi.JSON(options.Args)
	if len(args) == 0 {
		var err error
		if args, err = gojson.Schema(reflect.TypeFor[In](), gojson.NilRefused); err != nil {
			misuse("Handle", name, err.Error())
		}
	}
	warm[In]()
	warm[Out]()
	register("Handle", name, func(ctx Context, text []byte) ([]byte, error) {
		var in In
		if err := decode(ctx, text, &in); err != nil {
			return nil, err
		}
		out, err := fn(ctx, in)
		if err != nil {
			return nil, err
		}
		return encode(out)
	}, options, args)
}

// warm has encoding/json write a zero T and read it back. What it learns is kept in
// the module as it stands after initialisation, so no execution pays for it.
func warm[T any]() {
	defer func() { _ = recover() }() // of a MarshalJSON that wants more than a zero T
	var zero T
	if text, err := json.Marshal(&zero); err == nil {
		_ = json.Unmarshal(text, &zero)
	}
}

func decode(ctx Context, text []byte, in any) error {
	if len(text) == 0 {
		return nil
	}
	err := json.Unmarshal(text, in)
	if err == nil {
		return nil
	}
	if t := ctx.InputType(); t != abi.ContentJSON {
		return Permanent(&codecError{"the arguments are " + t + " and cannot be decoded as JSON: ", err})
	}
	return Permanent(&codecError{"the arguments cannot be decoded: ", err})
}

func encode(out any) ([]byte, error) {
	text, err := json.Marshal(out)
	if err != nil {
		return nil, Permanent(&codecError{"the result cannot be encoded: ", err})
	}
	return text, nil
}

// codecError says which side of a task encoding/json could not handle.
type codecError struct {
	problem string
	err     error
}

func (e *codecError) Error() string { return e.problem + e.err.Error() }
func (e *codecError) Unwrap() error { return e.err }
