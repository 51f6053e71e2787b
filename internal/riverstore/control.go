package riverstore

import (
	"context"
	"fmt"

	"github.com/taskhost/taskhost/task"
)

// Why a cancelled task has no result, as its error.
const (
	cancelledRunning = "cancelled: somebody cancelled the task while its attempt ran"
	// CancelledRunning is the error of a task whose attempt ended after it was
	// cancelled, where the node did not know of that.
	CancelledRunning = "cancelled: somebody cancelled the task before the end of its attempt was stored; what it returned is dropped"
	// CancelledWaiting is the error of a task that was cancelled while it waited.
	CancelledWaiting = "cancelled: somebody cancelled the task while it waited"
)

// Controller is what a store offers to stop tasks, in its own SQL.
type Controller interface {
	// CancelTasks cancels tasks in one transaction: those that wait at once, and
	// those that run by a request that their nodes hear of. With dry nothing
	// changes.
	CancelTasks(ctx context.Context, ids []task.ID, dry bool) ([]Verdict, error)
}

// Verdict is what became of one task.
type Verdict struct {
	ID task.ID
	// Skipped is the code of the reason for which nothing was done, or empty.
	Skipped string
	// Err is that reason as an error, where it is one for a call for this task
	// alone.
	Err error
}

// refuse says why nothing is done.
func (v *Verdict) refuse(code, format string, args ...any) {
	v.Skipped = code
	v.Err = &task.ConflictError{Code: code, Problem: fmt.Sprintf(format, args...)}
}

// missing is the verdict for a task that is not there.
func missing(id task.ID) Verdict {
	return Verdict{ID: id, Skipped: task.CodeNotFound, Err: fmt.Errorf("task %s: %w", id, task.ErrNotFound)}
}

// Verdicts answers for each id, also for those that were not found.
func Verdicts(ids []task.ID, found map[task.ID]Verdict) []Verdict {
	verdicts := make([]Verdict, len(ids))
	for i, id := range ids {
		verdict, ok := found[id]
		if !ok {
			verdict = missing(id)
		}
		verdicts[i] = verdict
	}
	return verdicts
}

// JudgeCancel says whether a task can be cancelled that is in this state.
// requested says that its cancel was asked for before.
func JudgeCancel(id task.ID, status task.Status, requested bool) Verdict {
	v := Verdict{ID: id}
	switch {
	case status == task.Cancelled, status == task.Running && requested:
		v.Skipped = task.CodeAlreadyCancelled // and no error
	case status.Terminal():
		v.refuse(task.CodeAlreadyFinished, "task %s has ended already, as %s: it cannot be cancelled any more", id, status)
	}
	return v
}

// Control stops the tasks of a store.
type Control struct {
	db Controller
}

// NewControl returns the control of a store.
func NewControl(db Controller) *Control { return &Control{db} }

// Cancel cancels a task. One that waits ends at once and never runs. One that runs
// is stopped, on whatever node that is, and ends as cancelled, whatever its attempt
// returns. To cancel what is cancelled is no error; what has ended otherwise is a
// *task.ConflictError with [task.CodeAlreadyFinished]. It returns task.ErrNotFound
// where there is no such task.
func (c *Control) Cancel(ctx context.Context, id task.ID) error {
	verdicts, err := c.db.CancelTasks(ctx, []task.ID{id}, false)
	if err != nil {
		return err
	}
	return verdicts[0].Err
}
