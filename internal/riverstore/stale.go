package riverstore

import (
	"errors"
	"fmt"

	"github.com/taskhost/taskhost/task"
)

// ErrModuleGone is returned by a store for tasks of a version of a module that was
// collected: what was remembered of the definition is old. Nothing was stored. A call
// is repeated with the version that is live now; a caller's transaction is the caller's
// to repeat.
var ErrModuleGone = fmt.Errorf("%w: the version of the module that was live a moment ago is not there any more: repeat the transaction", task.ErrUnavailable)

// staleTries bounds how often a call is repeated, while modules are pushed as often.
const staleTries = 5

// current repeats a call whose definitions were old.
func current[T any](e *Enqueuer, call func() (T, error)) (result T, err error) {
	for range staleTries {
		if result, err = call(); !errors.Is(err, ErrModuleGone) {
			break
		}
		e.Forget()
	}
	return result, err
}
