package riverstore

import (
	"errors"
	"fmt"

	"github.com/taskhost/taskhost/internal/text"
	"github.com/taskhost/taskhost/task"
)

// Bounds of what is kept of an outcome, in bytes.
const (
	maxMessage    = 8 << 10
	maxTrace      = 32 << 10
	maxResultType = 256
)

// mostCrashes is how many nodes may die under a task before it is failed, so
// that it cannot take a fleet down one node after the other.
const mostCrashes = 3

// decide says what becomes of a task after an attempt. stopped is the cause
// for which the attempt's context had ended when it returned, or nil.
func decide(claim *Claim, outcome task.Outcome, stopped error) *End {
	t := &claim.Execution.Task
	end := &End{ID: t.ID, Lease: claim.Execution.Lease, Attempt: t.Attempt, Usage: outcome.Usage}
	if errors.Is(stopped, task.ErrCancelled) {
		// That was stored before the attempt could end, so its outcome is no more.
		end.Status, end.Outcome = task.Cancelled, task.Cancelled
		end.Failure = &task.Failure{Cause: task.CauseCancelled, Message: cancelledRunning}
		return end
	}
	if outcome.Failure == nil {
		end.Status, end.Outcome = task.Success, task.Success
		end.Result, end.ResultType = outcome.Result, text.Cut(outcome.ResultType, maxResultType)
		return end
	}
	end.Failure = reason(claim, outcome.Failure, stopped)
	switch {
	case end.Failure.Cause == task.CauseInterrupted && t.RequeueOnInterrupt:
		end.Status, end.Outcome, end.GiveBack = task.Pending, task.Interrupted, true
	case end.Failure.Cause == task.CauseInterrupted:
		end.Status, end.Outcome = task.Interrupted, task.Interrupted
	case outcome.Postpone > 0:
		end.Status, end.Outcome, end.GiveBack, end.Wait = task.Pending, task.Interrupted, true, outcome.Postpone
	case end.Failure.Permanent || t.Attempt >= t.MaxAttempts:
		end.Status, end.Outcome = task.Failed, task.Failed
	default:
		end.Status, end.Outcome = task.Pending, task.Failed
		end.Wait, end.queue = claim.Retry.wait(t.ID, t.Attempt), claim.Ticket.Queue
		if left, expires := claim.left(); expires && end.Wait >= left {
			end.Status, end.Wait = task.Failed, 0
			end.Failure.Message += " (not tried again: the task would have expired by then)"
		}
	}
	return end
}

// reason gives a failure its true cause: a handler that was stopped often
// reports what that looked like from the inside.
func reason(claim *Claim, failure *task.Failure, stopped error) *task.Failure {
	out := *failure
	out.Message, out.Trace = text.Cut(out.Message, maxMessage), text.Cut(out.Trace, maxTrace)
	switch {
	case errors.Is(stopped, errExpired):
		out.Cause = task.CauseExpired
		out.Message = "expired: the task's time was up while its attempt ran: give it a larger expires_after, or less to do"
		out.Permanent = true
	case errors.Is(stopped, errTimeout):
		out.Cause = task.CauseTimeout
		out.Message = fmt.Sprintf("timeout: the attempt ran longer than %v: give the task a larger timeout (at most %v) or less to do", claim.Execution.Task.Timeout, claim.mostTime)
		out.Permanent = false
	case errors.Is(stopped, errInterrupted):
		out.Cause = task.CauseInterrupted
		out.Message = "interrupted: the node stopped while the attempt ran"
	case out.Cause == "":
		out.Cause = task.CauseError
	}
	return &out
}

// Crashed says what becomes of a task whose node died while it ran. Stores use
// it for what they find running on a node that is gone.
func Crashed(t *task.Task, lease int64) *End {
	end := &End{ID: t.ID, Lease: lease, Attempt: t.Attempt, Outcome: task.Interrupted}
	crashes := t.Crashes + 1
	switch {
	case !t.RequeueOnInterrupt:
		end.Status = task.Interrupted
		end.Failure = &task.Failure{
			Cause:   task.CauseCrashed,
			Message: "interrupted: the node died while the attempt ran; set requeue_on_interrupt on the definition to have such tasks run again",
		}
	case crashes >= mostCrashes:
		end.Status = task.Failed
		end.Failure = &task.Failure{
			Cause:   task.CauseCrashed,
			Message: fmt.Sprintf("crashed: %d nodes died while running this task; it is not tried again", crashes),
		}
	default:
		end.Status, end.GiveBack = task.Pending, true
		end.Failure = &task.Failure{Cause: task.CauseCrashed, Message: "the node died while the attempt ran"}
	}
	return end
}
