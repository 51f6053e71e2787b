package host

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/taskhost/taskhost/abi"
)

// hostFunc is a host function's body. It reads its parameters from the stack
// and leaves its result there.
type hostFunc func(ctx context.Context, x *execution, memory api.Memory, stack []uint64)

// hostFuncs are the functions of abi.Imports, by name.
var hostFuncs = map[string]hostFunc{
	"value_len":  valueLen,
	"value_read": valueRead,
	"number":     number,
	"output":     output,
	"fail":       fail,
	"log":        logLine,
}

// checkHostFuncs makes sure that there is a body for what abi.Imports lists, exactly.
func checkHostFuncs() error {
	imports := abi.Imports()
	if len(imports) != len(hostFuncs) {
		return fmt.Errorf("%d functions are in the contract and %d are implemented", len(imports), len(hostFuncs))
	}
	for _, f := range imports {
		if hostFuncs[f.Name] == nil {
			return fmt.Errorf("the function %s of the contract is not implemented", f.Name)
		}
	}
	return nil
}

// instantiateHostModule registers what abi.Imports lists.
func instantiateHostModule(ctx context.Context, r wazero.Runtime) error {
	builder := r.NewHostModuleBuilder(abi.Module)
	for _, f := range abi.Imports() {
		params := make([]abi.Type, len(f.Params))
		names := make([]string, len(f.Params))
		for i, p := range f.Params {
			params[i], names[i] = p.Type, p.Name
		}
		builder.NewFunctionBuilder().
			WithGoModuleFunction(counted(f.Name, hostFuncs[f.Name]), wazeroTypes(params), wazeroTypes(f.Results)).
			WithParameterNames(names...).
			Export(f.Name)
	}
	_, err := builder.Instantiate(ctx)
	return err
}

// counted gives a body its execution, and holds the limit of host calls.
func counted(name string, body hostFunc) api.GoModuleFunc {
	return func(ctx context.Context, mod api.Module, stack []uint64) {
		x := executionOf(ctx)
		x.hostCalls++
		if x.hostCalls > x.attempt.Limits.HostCalls {
			x.stopWith(&limitError{
				limit: "host calls",
				max:   fmt.Sprintf("%d calls, the last of %s", x.attempt.Limits.HostCalls, name),
				hint:  "log less, or split the task",
			})
		}
		if ctx.Err() != nil {
			panic(ctx.Err()) // a call can take longer than what it is charged
		}
		body(ctx, x, mod.Memory(), stack)
	}
}

func valueLen(_ context.Context, x *execution, _ api.Memory, stack []uint64) {
	x.asked++
	stack[0] = encodeLength(x.value(uint32(stack[0])))
}

func valueRead(_ context.Context, x *execution, memory api.Memory, stack []uint64) {
	x.asked++
	value, ok := x.value(uint32(stack[0]))
	if !ok {
		stack[0] = encodeLength(nil, false)
		return
	}
	value = value[:min(uint64(len(value)), stack[2]&math.MaxUint32)]
	if len(value) > 0 && !memory.Write(uint32(stack[1]), value) {
		x.stopWith(badPointer("value_read", stack[1], uint64(len(value))))
	}
	stack[0] = encodeLength(value, true)
}

// encodeLength is a length, or Absent.
func encodeLength(value []byte, ok bool) uint64 {
	if !ok {
		return api.EncodeI32(abi.Absent)
	}
	return uint64(len(value))
}

// value is a value of the attempt by its key.
func (x *execution) value(key uint32) ([]byte, bool) {
	switch key {
	case abi.ValueInput:
		return x.attempt.Input, true
	case abi.ValueInputType:
		return []byte(x.attempt.InputType), true
	case abi.ValueTaskID:
		return []byte(x.attempt.TaskID), true
	case abi.ValueTaskName:
		return []byte(x.attempt.Name), true
	case abi.ValueTags:
		return encodeTags(x.attempt.Tags), true
	default:
		return nil, false
	}
}

func encodeTags(tags map[string]string) []byte {
	keys := make([]string, 0, len(tags))
	for key := range tags {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	var b strings.Builder
	for _, key := range keys {
		b.WriteString(key)
		b.WriteByte(0)
		b.WriteString(tags[key])
		b.WriteByte(0)
	}
	return []byte(b.String())
}

func number(_ context.Context, x *execution, _ api.Memory, stack []uint64) {
	x.asked++
	n := int64(abi.Absent)
	switch uint32(stack[0]) {
	case abi.NumberAttempt:
		n = int64(x.attempt.Number)
	case abi.NumberMaxAttempts:
		n = int64(x.attempt.MaxAttempts)
	case abi.NumberDeadline:
		n = x.attempt.Deadline.UnixMilli()
	}
	stack[0] = api.EncodeI64(n)
}

func output(_ context.Context, x *execution, memory api.Memory, stack []uint64) {
	data := x.view("output", memory, stack[0], stack[1])
	contentType := x.view("output", memory, stack[2], stack[3])
	if limit := x.attempt.Limits.Output; len(data) > limit {
		x.stopWith(resultLimit(limit))
	}
	x.output = slices.Clone(data)
	x.outputType = capped(contentType, maxContentType)
	if x.outputType == "" {
		x.outputType = abi.ContentJSON
	}
}

func resultLimit(limit int) error {
	return &limitError{
		limit: "result",
		max:   bytesText(int64(limit)),
		hint:  "return a reference to large data instead of the data",
	}
}

// maxContentType bounds the name of a content type.
const maxContentType = 256

func fail(_ context.Context, x *execution, memory api.Memory, stack []uint64) {
	x.failure = &Failure{
		Kind:      KindError,
		Message:   capped(x.view("fail", memory, stack[1], stack[2]), maxMessage),
		Trace:     capped(x.view("fail", memory, stack[3], stack[4]), maxTrace),
		Permanent: uint32(stack[0]) == abi.Permanent,
	}
	if x.failure.Message == "" {
		x.failure.Message = noReason
	}
}

func logLine(ctx context.Context, x *execution, memory api.Memory, stack []uint64) {
	level := min(uint32(stack[0]), abi.LevelError)
	most := x.attempt.Limits.LogLine
	message := x.view("log", memory, stack[1], stack[2])
	fields := x.view("log", memory, stack[3], stack[4])
	switch {
	case len(fields) > most:
		fields = fmt.Appendf(nil, `{"dropped":"fields of %d bytes, at most %d are kept"}`, len(fields), most)
	case isObject(fields):
		fields = bytes.ToValidUTF8(fields, []byte(string(utf8.RuneError))) // a copy
	default:
		fields = nil
	}
	x.log(ctx, int(level), clean(string(message[:min(len(message), most+1)])), fields)
}

// isObject reports whether text is a JSON object.
func isObject(text []byte) bool {
	return len(text) > 0 && text[0] == '{' && json.Valid(text)
}

// view gives bytes of guest memory, good until the host function returns, or
// stops the guest.
func (x *execution) view(name string, memory api.Memory, ptr, length uint64) []byte {
	ptr, length = ptr&math.MaxUint32, length&math.MaxUint32
	if length == 0 {
		return nil
	}
	view, ok := memory.Read(uint32(ptr), uint32(length))
	if !ok {
		x.stopWith(badPointer(name, ptr, length))
	}
	return view
}

// pointerError reports a guest that passed bytes which it does not have.
type pointerError struct {
	function    string
	ptr, length uint64
}

func badPointer(function string, ptr, length uint64) error {
	return &pointerError{function, ptr & math.MaxUint32, length & math.MaxUint32}
}

func (e *pointerError) Error() string {
	return fmt.Sprintf("%s.%s was passed %d bytes at %#x, which are outside of the guest's memory", abi.Module, e.function, e.length, e.ptr)
}
