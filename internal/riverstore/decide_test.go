package riverstore

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

func claimOf(t task.Task) *Claim {
	t.ID = task.ID{1}
	return &Claim{
		Execution: task.Execution{Task: t, Lease: 7},
		Retry:     RetryPolicy{Delay: time.Second, Backoff: 3, MaxDelay: time.Minute},
		mostTime:  time.Hour,
	}
}

// TestDecideWhereATaskExpires: a retry that would come after that is not waited for.
func TestDecideWhereATaskExpires(t *testing.T) {
	at := time.Now()
	expiring := func(left time.Duration) *Claim {
		claim := claimOf(task.Task{Attempt: 1, MaxAttempts: 3, ExpiresAt: new(at.Add(left))})
		claim.StartedAt, claim.claimedAt = at, time.Now()
		return claim
	}
	broken := func() task.Outcome { return task.Outcome{Failure: &task.Failure{Message: "broken"}} }
	end := decide(expiring(time.Hour), broken(), nil)
	require.Equal(t, task.Pending, end.Status)
	require.Equal(t, time.Second, end.Wait)

	end = decide(expiring(time.Second), broken(), nil)
	require.Equal(t, task.Failed, end.Status)
	require.Zero(t, end.Wait)
	require.Equal(t, task.CauseError, end.Failure.Cause)
	require.Equal(t, "broken (not tried again: the task would have expired by then)", end.Failure.Message)

	end = decide(expiring(0), broken(), errExpired)
	require.Equal(t, task.Failed, end.Status)
	require.Equal(t, task.Failed, end.Outcome)
	require.Equal(t, task.CauseExpired, end.Failure.Cause)
	require.Equal(t, task.Success, decide(expiring(0), task.Outcome{}, errExpired).Status, "a success in the last moment")
}

func TestDecide(t *testing.T) {
	failed := func(f task.Failure) task.Outcome { return task.Outcome{Failure: &f} }
	first := task.Task{Attempt: 1, MaxAttempts: 3, Timeout: time.Second}
	second := task.Task{Attempt: 2, MaxAttempts: 3, Timeout: time.Second}
	last := task.Task{Attempt: 3, MaxAttempts: 3, Timeout: time.Second}
	requeues := func(t task.Task) task.Task { t.RequeueOnInterrupt = true; return t }
	broken := task.Failure{Cause: task.CauseTrap, Message: "broken", Trace: "here"}

	for name, test := range map[string]struct {
		task    task.Task
		outcome task.Outcome
		stopped error
		want    End // without what is the same for all
		cause   task.Cause
		message string
	}{
		"success":                      {task: first, outcome: task.Outcome{Result: []byte("1"), ResultType: "t"}, want: End{Status: task.Success, Outcome: task.Success, Result: []byte("1"), ResultType: "t"}},
		"success in the last moment":   {task: first, stopped: errTimeout, want: End{Status: task.Success, Outcome: task.Success}},
		"success while stopping":       {task: first, stopped: errInterrupted, want: End{Status: task.Success, Outcome: task.Success}},
		"a failure with retries left":  {task: first, outcome: failed(broken), want: End{Status: task.Pending, Outcome: task.Failed, Wait: time.Second}, cause: task.CauseTrap, message: "broken"},
		"the second failure":           {task: second, outcome: failed(broken), want: End{Status: task.Pending, Outcome: task.Failed, Wait: 3 * time.Second}, cause: task.CauseTrap, message: "broken"},
		"the last failure":             {task: last, outcome: failed(broken), want: End{Status: task.Failed, Outcome: task.Failed}, cause: task.CauseTrap, message: "broken"},
		"a permanent failure":          {task: first, outcome: failed(task.Failure{Message: "no", Permanent: true}), want: End{Status: task.Failed, Outcome: task.Failed}, cause: task.CauseError, message: "no"},
		"a failure without a cause":    {task: last, outcome: failed(task.Failure{Message: "no"}), want: End{Status: task.Failed, Outcome: task.Failed}, cause: task.CauseError, message: "no"},
		"a timeout":                    {task: first, outcome: failed(broken), stopped: errTimeout, want: End{Status: task.Pending, Outcome: task.Failed, Wait: time.Second}, cause: task.CauseTimeout, message: "timeout: the attempt ran longer than 1s: give the task a larger timeout (at most 1h0m0s) or less to do"},
		"a timeout, called permanent":  {task: first, outcome: failed(task.Failure{Permanent: true}), stopped: fmt.Errorf("wrapped: %w", errTimeout), want: End{Status: task.Pending, Outcome: task.Failed, Wait: time.Second}, cause: task.CauseTimeout, message: "timeout: the attempt ran longer than 1s: give the task a larger timeout (at most 1h0m0s) or less to do"},
		"the last timeout":             {task: last, outcome: failed(broken), stopped: errTimeout, want: End{Status: task.Failed, Outcome: task.Failed}, cause: task.CauseTimeout, message: "timeout: the attempt ran longer than 1s: give the task a larger timeout (at most 1h0m0s) or less to do"},
		"an interrupt":                 {task: first, outcome: failed(broken), stopped: errInterrupted, want: End{Status: task.Interrupted, Outcome: task.Interrupted}, cause: task.CauseInterrupted, message: "interrupted: the node stopped while the attempt ran"},
		"an interrupt, requeued":       {task: requeues(first), outcome: failed(broken), stopped: errInterrupted, want: End{Status: task.Pending, Outcome: task.Interrupted, GiveBack: true}, cause: task.CauseInterrupted, message: "interrupted: the node stopped while the attempt ran"},
		"the last attempt, requeued":   {task: requeues(last), outcome: failed(broken), stopped: errInterrupted, want: End{Status: task.Pending, Outcome: task.Interrupted, GiveBack: true}, cause: task.CauseInterrupted, message: "interrupted: the node stopped while the attempt ran"},
		"an interrupt, said permanent": {task: requeues(first), outcome: failed(task.Failure{Permanent: true}), stopped: errInterrupted, want: End{Status: task.Pending, Outcome: task.Interrupted, GiveBack: true}, cause: task.CauseInterrupted, message: "interrupted: the node stopped while the attempt ran"},
		"a stop that nobody knows":     {task: last, outcome: failed(broken), stopped: errDown, want: End{Status: task.Failed, Outcome: task.Failed}, cause: task.CauseTrap, message: "broken"},
	} {
		t.Run(name, func(t *testing.T) {
			test.outcome.Usage = task.Usage{PeakMemory: 5}
			got := decide(claimOf(test.task), test.outcome, test.stopped)
			if test.cause == "" {
				require.Nil(t, got.Failure)
			} else {
				require.NotNil(t, got.Failure)
				require.Equal(t, test.cause, got.Failure.Cause)
				require.Equal(t, test.message, got.Failure.Message)
				require.Equal(t, test.outcome.Failure.Trace, got.Failure.Trace, "the trace is kept whatever the cause")
				got.Failure = nil
			}
			test.want.ID, test.want.Lease, test.want.Attempt, test.want.Usage = task.ID{1}, 7, test.task.Attempt, test.outcome.Usage
			require.Equal(t, test.want, *got)
		})
	}
}

func TestDecideLeavesTheOutcomeAlone(t *testing.T) {
	failure := &task.Failure{Message: "broken", Permanent: true}
	end := decide(claimOf(task.Task{Attempt: 1, MaxAttempts: 1}), task.Outcome{Failure: failure}, errTimeout)
	require.Equal(t, task.CauseTimeout, end.Failure.Cause)
	require.Equal(t, &task.Failure{Message: "broken", Permanent: true}, failure)
}

func TestCrashed(t *testing.T) {
	for name, test := range map[string]struct {
		crashes  int
		requeue  bool
		status   task.Status
		giveBack bool
		message  string
	}{
		"not to be run again":         {0, false, task.Interrupted, false, "interrupted: the node died while the attempt ran; set requeue_on_interrupt on the definition to have such tasks run again"},
		"not to be run again, thrice": {2, false, task.Interrupted, false, "interrupted: the node died while the attempt ran; set requeue_on_interrupt on the definition to have such tasks run again"},
		"the first":                   {0, true, task.Pending, true, "the node died while the attempt ran"},
		"the second":                  {1, true, task.Pending, true, "the node died while the attempt ran"},
		"the third":                   {2, true, task.Failed, false, "crashed: 3 nodes died while running this task; it is not tried again"},
		"one more":                    {3, true, task.Failed, false, "crashed: 4 nodes died while running this task; it is not tried again"},
	} {
		t.Run(name, func(t *testing.T) {
			end := Crashed(&task.Task{ID: task.ID{1}, Attempt: 2, MaxAttempts: 2, Crashes: test.crashes, RequeueOnInterrupt: test.requeue}, 9)
			require.Equal(t, &End{
				ID: task.ID{1}, Lease: 9, Attempt: 2,
				Status: test.status, Outcome: task.Interrupted, GiveBack: test.giveBack,
				Failure: &task.Failure{Cause: task.CauseCrashed, Message: test.message},
			}, end)
		})
	}
}
