package modules

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/internal/argschema"
	"github.com/taskhost/taskhost/task"
)

const (
	// maxDefinitions bounds the definitions of a module.
	maxDefinitions = 1000
	// maxSchemaBytes bounds an argument schema.
	maxSchemaBytes = 64 << 10
	// maxDescriptionBytes bounds a description, and the name of the SDK.
	maxDescriptionBytes = 1000
)

// ReadManifest reads what a module declares, strictly: what is wrong is found
// at upload and not when a task runs. Definitions may ask for what the ceilings
// allow. It returns a *RejectedError.
func ReadManifest(text []byte, ceilings task.Ceilings) (sdk string, definitions []task.Definition, err error) {
	var manifest abi.Manifest
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&manifest); err != nil {
		return "", nil, rejected("its manifest cannot be read: %s", jsonProblem(err))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return "", nil, rejected("its manifest is followed by something else")
	}
	switch {
	case len(manifest.Definitions) == 0:
		return "", nil, rejected("it declares no definitions: register a handler before the module is initialised, in Go from func init")
	case len(manifest.Definitions) > maxDefinitions:
		return "", nil, rejected("it declares %d definitions, at most %d are allowed", len(manifest.Definitions), maxDefinitions)
	case len(manifest.SDK) > maxDescriptionBytes:
		return "", nil, rejected("the name of its SDK is longer than %d bytes", maxDescriptionBytes)
	}
	seen := make(map[string]bool)
	for i := range manifest.Definitions {
		def, err := readDefinition(i, &manifest.Definitions[i], ceilings)
		if err != nil {
			return "", nil, rejected("definition %d: %v", i, err)
		}
		if seen[def.Name] {
			return "", nil, rejected("it declares %s twice", def.Name)
		}
		seen[def.Name] = true
		definitions = append(definitions, def)
	}
	return manifest.SDK, definitions, nil
}

// jsonProblem says what is wrong without naming types of ours.
func jsonProblem(err error) string {
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		where := wrongType.Field
		if where == "" {
			where = "it"
		}
		return fmt.Sprintf("%s is of the wrong type, %s", where, wrongType.Value)
	}
	return err.Error()
}

func readDefinition(index int, in *abi.Definition, ceilings task.Ceilings) (task.Definition, error) {
	out := task.Definition{
		Name:        in.Name,
		Description: in.Description,
		Executor:    task.Wasm,
		Index:       index,
		Options: task.Options{
			Retries:            in.Options.Retries,
			Delay:              milliseconds(in.Options.DelayMS),
			Backoff:            in.Options.Backoff,
			MaxDelay:           milliseconds(in.Options.MaxDelayMS),
			Jitter:             in.Options.Jitter,
			Priority:           in.Options.Priority,
			Timeout:            milliseconds(in.Options.TimeoutMS),
			ExpiresAfter:       milliseconds(in.Options.ExpiresAfterMS),
			Unique:             task.Unique(in.Options.Unique),
			IdempotencyTTL:     milliseconds(in.Options.IdempotencyTTLMS),
			Eager:              in.Options.Eager,
			RequeueOnInterrupt: in.Options.RequeueOnInterrupt,
			Executor:           task.Wasm,
			Memory:             in.Options.MemoryBytes,
			Fuel:               in.Options.Fuel,
			Depth:              in.Options.Depth,
			ResultBytes:        in.Options.ResultBytes,
			LogBytes:           in.Options.LogBytes,
			ArgsBytes:          in.Options.ArgsBytes,
			Reset:              task.Reset(in.Options.Reset),
		},
	}
	if err := task.ValidateName(in.Name); err != nil {
		return out, err
	}
	var err error
	if out.Options, err = ceilings.Fit(out.Options); err != nil {
		return out, fmt.Errorf("%s: %w", in.Name, err)
	}
	if len(in.Description) > maxDescriptionBytes {
		return out, fmt.Errorf("%s: its description is longer than %d bytes", in.Name, maxDescriptionBytes)
	}
	if len(in.Args) > maxSchemaBytes {
		return out, fmt.Errorf("%s: its argument schema is longer than %d bytes", in.Name, maxSchemaBytes)
	}
	if len(in.Args) > 0 && string(in.Args) != "null" {
		if _, err := argschema.Compile(in.Args); err != nil {
			return out, fmt.Errorf("%s: %w", in.Name, err)
		}
		out.Args = json.RawMessage(in.Args)
	}
	return out, nil
}

// milliseconds converts without overflow: what is absurd stays absurd, and is
// refused with the option's own limit.
func milliseconds(ms int64) time.Duration {
	const most = int64(1) << 62 / int64(time.Millisecond)
	return time.Duration(max(min(ms, most), -most)) * time.Millisecond
}

func rejected(format string, args ...any) error {
	return &RejectedError{Reason: fmt.Sprintf(format, args...)}
}
