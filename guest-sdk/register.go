package guest

import (
	"strconv"

	"github.com/taskhost/taskhost/abi"
)

// definition is one registered function. Its place in the list is the index
// that the host runs it by.
type definition struct {
	abi.Definition
	// handle takes the input as it came and returns the result, nil for none.
	handle func(Context, []byte) ([]byte, error)
}

// definitions is what init functions have registered. It is not written once
// the module has been initialised.
var definitions []definition

// HandleRaw registers fn as the definition called name: bytes in, bytes out,
// with no codec between. Call it from init.
//
// fn owns in, which is empty where the task has no input, and may return it;
// [Context.InputType] tells its content type. The bytes that fn returns are
// the task's result: JSON, unless [Context.SetOutputType] says otherwise. Nil
// means that there is no result. An error fails the attempt, for good if it is
// [Permanent].
//
// A name is words of a-z, 0-9, - and _ joined by dots, begins with a letter,
// and has at most [abi.MaxNameBytes] bytes: "thumbs.resize". HandleRaw panics
// where the name is not one or is taken, where fn is nil, or where an option has
// a value that is never allowed.
func HandleRaw(name string, fn func(ctx Context, in []byte) ([]byte, error), options Options) {
	if fn == nil {
		misuse("HandleRaw", name, "the function is nil")
	}
	register("HandleRaw", name, fn, options, abi.JSON(options.Args))
}

// onExecution is what init functions have asked to have called.
var onExecution []func()

// OnExecution has fn called at the start of each execution, before its handler and
// within its limits, in the order of the calls. Call it from init. It is for what
// must be new each time and is kept in package variables, such as a random number
// generator that is seeded with the time:
//
//	var random *rand.Rand
//
//	func init() {
//		guest.OnExecution(func() { random = rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0)) })
//	}
//
// The functions of math/rand, math/rand/v2 and crypto/rand need none of this: they
// are new in each execution. A panic in fn fails the execution.
func OnExecution(fn func()) {
	if fn == nil {
		panic("guest: OnExecution: the function is nil")
	}
	onExecution = append(onExecution, fn)
}

func register(caller, name string, handle func(Context, []byte) ([]byte, error), options Options, args abi.JSON) {
	if problem := nameProblem(name); problem != "" {
		misuse(caller, name, problem)
	}
	if problem := options.problem(); problem != "" {
		misuse(caller, name, problem)
	}
	for i := range definitions {
		if definitions[i].Name == name {
			misuse(caller, name, "the name is taken: each definition needs its own")
		}
	}
	definitions = append(definitions, definition{
		Definition: abi.Definition{
			Name:        name,
			Description: options.Description,
			Args:        args,
			Options:     options.atBoundary(),
		},
		handle: handle,
	})
}

// misuse stops the initialisation of a module that could not work.
func misuse(caller, name, problem string) {
	panic("guest: " + caller + "(" + strconv.Quote(name) + "): " + problem)
}

// nameProblem says which rule a name breaks, or is empty.
func nameProblem(name string) string {
	if len(name) > abi.MaxNameBytes {
		return "the name has " + strconv.Itoa(len(name)) + " bytes, at most " + strconv.Itoa(abi.MaxNameBytes) + " are allowed"
	}
	if !isName(name) {
		return "a name is words of a-z, 0-9, - and _ joined by dots and begins with a letter, such as thumbs.resize"
	}
	return ""
}

// isName matches ^[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)*$ by hand: few guests carry
// package regexp for anything else.
func isName(name string) bool {
	if name == "" || name[0] < 'a' || name[0] > 'z' {
		return false
	}
	wordBegins := false
	for i := range len(name) {
		switch c := name[i]; {
		case c == '.':
			if wordBegins {
				return false
			}
			wordBegins = true
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_', c == '-':
			wordBegins = false
		default:
			return false
		}
	}
	return !wordBegins
}
