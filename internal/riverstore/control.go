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

// Controller is what a store offers to stop, repeat and find tasks, in its own SQL.
type Controller interface {
	// CancelTasks cancels tasks in one transaction: those that wait at once, and
	// those that run by a request that their nodes hear of. With dry nothing
	// changes.
	CancelTasks(ctx context.Context, ids []task.ID, dry bool) ([]Verdict, error)
	// RetryTasks stores a new task for each that can be retried, in one
	// transaction. With force also for one that was retried before. With dry
	// nothing changes.
	RetryTasks(ctx context.Context, ids []task.ID, force, dry bool) ([]Verdict, error)
	// SelectIDs and SelectTasks read what a statement yields. Traces are left out.
	SelectIDs(ctx context.Context, selection *Selection) ([]task.ID, error)
	SelectTasks(ctx context.Context, selection *Selection) ([]task.Task, error)
	// CountTag counts the tasks that have a tag, up to limit.
	CountTag(ctx context.Context, key, value string, limit int) (int, error)
}

// Verdict is what became of one task.
type Verdict struct {
	ID task.ID
	// New is the task that repeats it.
	New task.ID
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

// Retryable is what decides on a retry.
type Retryable struct {
	ID     task.ID
	Status task.Status
	// ResolvedBy is the task that repeated it before.
	ResolvedBy *task.ID
	// ModuleGone names the module version where that is gone.
	ModuleGone string
	// UniqueTaken says that a task of its kind that excludes others waits or runs.
	UniqueTaken bool
	// KeyHolder is the other task that has its idempotency key, and is not done
	// without success.
	KeyHolder *task.ID
	// Sealed is why its arguments cannot be opened, nil where they can.
	Sealed *task.SealedError
}

// JudgeRetry says whether a task can be retried.
func JudgeRetry(r *Retryable, force bool) Verdict {
	v := Verdict{ID: r.ID}
	switch {
	case r.Status == task.Success:
		v.refuse(task.CodeNotRetryable, "task %s has succeeded: only what failed, was interrupted or was cancelled can be retried; enqueue it anew", r.ID)
	case !r.Status.Terminal():
		v.refuse(task.CodeNotRetryable, "task %s is %s: only what failed, was interrupted or was cancelled can be retried", r.ID, r.Status)
	case r.ResolvedBy != nil && !force:
		v.refuse(task.CodeAlreadyRetried, "task %s was retried already, as task %s: retry that one, or force another", r.ID, *r.ResolvedBy)
		v.Err.(*task.ConflictError).Task = *r.ResolvedBy //nolint:errorlint,forcetypeassert // made just now
	case r.ModuleGone != "":
		v.refuse(task.CodeModuleGone, "task %s ran %s, which is not there any more: push it again, or enqueue the task anew with what is", r.ID, r.ModuleGone)
	case r.UniqueTaken:
		v.refuse(task.CodeUniqueTaken, "task %s may not be there twice, and another one like it waits or runs", r.ID)
	case r.KeyHolder != nil && !force:
		v.refuse(task.CodeKeyTaken, "the idempotency key of task %s has passed to task %s, which waits, runs or has succeeded: with force it is retried without the key", r.ID, *r.KeyHolder)
		v.Err.(*task.ConflictError).Task = *r.KeyHolder //nolint:errorlint,forcetypeassert // made just now
	case r.Sealed != nil: // the others of a call for many are retried
		v.Skipped, v.Err = r.Sealed.Code(), r.Sealed
	}
	return v
}
