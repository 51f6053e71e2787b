package abi

// Type is the type of a parameter or result at the boundary.
type Type string

// The two types that are used.
const (
	I32 Type = "i32"
	I64 Type = "i64"
)

// Param is one parameter of a function, named for error traces and documents.
type Param struct {
	Name string
	Type Type
}

// Func is one function that crosses the boundary.
type Func struct {
	Name    string
	Params  []Param
	Results []Type
}

// Imports lists the host functions of [Module]. The host registers exactly
// these, and refuses to start where it lacks one.
func Imports() []Func {
	return []Func{
		{
			// value_len gives the length of a value, or Absent.
			Name:    "value_len",
			Params:  []Param{{"key", I32}},
			Results: []Type{I32},
		},
		{
			// value_read copies at most cap bytes of a value to ptr and gives
			// how many it copied, or Absent.
			Name:    "value_read",
			Params:  []Param{{"key", I32}, {"ptr", I32}, {"cap", I32}},
			Results: []Type{I32},
		},
		{
			// number gives a number, or Absent.
			Name:    "number",
			Params:  []Param{{"key", I32}},
			Results: []Type{I64},
		},
		{
			// output pushes the result and its content type, ContentJSON where
			// the type is empty. A later call replaces an earlier one.
			Name:   "output",
			Params: []Param{{"ptr", I32}, {"len", I32}, {"type_ptr", I32}, {"type_len", I32}},
		},
		{
			// fail tells why the task failed: a kind, a message, and a trace
			// that may be empty. It is followed by returning RunFailed.
			Name: "fail",
			Params: []Param{
				{"kind", I32},
				{"message_ptr", I32},
				{"message_len", I32},
				{"trace_ptr", I32},
				{"trace_len", I32},
			},
		},
		{
			// log records one line with a level. Fields are a JSON object, or
			// empty.
			Name: "log",
			Params: []Param{
				{"level", I32},
				{"message_ptr", I32},
				{"message_len", I32},
				{"fields_ptr", I32},
				{"fields_len", I32},
			},
		},
	}
}

// Exports lists the functions that a guest must export, beside its memory.
func Exports() []Func {
	return []Func{
		{Name: ExportDescribe},
		{Name: ExportRun, Params: []Param{{"index", I32}}, Results: []Type{I32}},
	}
}
