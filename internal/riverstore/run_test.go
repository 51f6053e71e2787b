package riverstore

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

// fakeHandler is a handler of which a test gives the parts that it needs.
type fakeHandler struct {
	prepare func(ctx context.Context) error
	handle  func(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome
}

func (h *fakeHandler) Prepare(ctx context.Context, _ *task.Execution) error {
	if h.prepare == nil {
		return nil
	}
	return h.prepare(ctx)
}

func (h *fakeHandler) Handle(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
	return h.handle(ctx, exec, log)
}

// attemptRunner is a runner that is ready to run attempts. It has to be interrupted.
func attemptRunner(db Attempts, handler task.Handler) *Runner {
	r := &Runner{db: db, handler: handler, config: RunnerConfig{Logger: slog.New(slog.DiscardHandler)}}
	r.interrupted, r.interrupt = context.WithCancel(context.Background())
	r.ends = newGroup(endBatch, r.storeEnds)
	return r
}

// runOne runs an attempt as River's worker would, without River, and returns
// the end that it handed in.
func runOne(t *testing.T, handler task.Handler, exec task.Execution, while func(*Runner)) *End {
	t.Helper()
	var ends []*End
	r := attemptRunner(&fakeDB{finish: func(batch []*End) ([]bool, error) {
		ends = append(ends, batch...)
		return make([]bool, len(batch)), nil
	}}, handler)
	defer r.interrupt()
	if while != nil {
		go while(r)
	}
	r.run(t.Context(), &Claim{Execution: exec, Retry: RetryPolicy{Delay: time.Second, Backoff: 1, MaxDelay: time.Hour}})
	require.NoError(t, r.waitStored(t.Context()))
	require.Len(t, ends, 1)
	require.Empty(t, r.journal.open)
	return ends[0]
}

func attemptOf(timeout time.Duration) task.Execution {
	return task.Execution{Lease: 5, Task: task.Task{ID: task.ID{9}, Attempt: 1, MaxAttempts: 1, Timeout: timeout}}
}

func untilStopped(ctx context.Context, _ *task.Execution, _ task.LogSink) task.Outcome {
	<-ctx.Done()
	return task.Outcome{Failure: &task.Failure{Message: ctx.Err().Error(), Permanent: true}}
}

func TestRunSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := runOne(t, &fakeHandler{handle: func(ctx context.Context, exec *task.Execution, log task.LogSink) task.Outcome {
			require.Equal(t, int64(5), exec.Lease)
			deadline, ok := ctx.Deadline()
			require.True(t, ok)
			require.Equal(t, time.Minute, time.Until(deadline))
			log.Log(task.Info, "hello", json.RawMessage(`{"a":1}`))
			waitFor(ctx, 3*time.Second)
			return task.Outcome{Result: []byte("1"), ResultType: "t"}
		}}, attemptOf(time.Minute), nil)
		require.Equal(t, task.Success, end.Status)
		require.Equal(t, task.ID{9}, end.ID)
		require.Equal(t, int64(5), end.Lease)
		require.Equal(t, 3*time.Second, end.Elapsed)
		require.Equal(t, []string{"hello"}, messages(end.Logs))
	})
}

func TestRunTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := runOne(t, &fakeHandler{handle: untilStopped}, attemptOf(time.Minute), nil)
		require.Equal(t, task.Failed, end.Status)
		require.Equal(t, task.CauseTimeout, end.Failure.Cause)
		require.Equal(t, time.Minute, end.Elapsed)
	})
}

func TestRunInterrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := runOne(t, &fakeHandler{handle: untilStopped}, attemptOf(time.Minute), func(r *Runner) {
			waitFor(r.interrupted, time.Second)
			r.interrupt()
		})
		require.Equal(t, task.Interrupted, end.Status)
		require.Equal(t, task.CauseInterrupted, end.Failure.Cause)
		require.Equal(t, time.Second, end.Elapsed)
	})
}

// TestRunTimeoutWins: what came first is the cause, however long the handler
// takes to notice.
func TestRunTimeoutWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := runOne(t, &fakeHandler{handle: func(ctx context.Context, _ *task.Execution, _ task.LogSink) task.Outcome {
			<-ctx.Done()
			waitFor(context.WithoutCancel(ctx), time.Minute)
			return task.Outcome{Failure: &task.Failure{Message: "late"}}
		}}, attemptOf(time.Second), func(r *Runner) {
			waitFor(r.interrupted, 2*time.Second)
			r.interrupt()
		})
		require.Equal(t, task.CauseTimeout, end.Failure.Cause)
	})
}

// TestRunPreparesOutsideOfTheTimeout: compiling a module is not the task's work.
func TestRunPreparesOutsideOfTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := runOne(t, &fakeHandler{
			prepare: func(ctx context.Context) error {
				_, ok := ctx.Deadline()
				require.False(t, ok)
				waitFor(ctx, time.Hour)
				return nil
			},
			handle: func(ctx context.Context, _ *task.Execution, _ task.LogSink) task.Outcome {
				deadline, _ := ctx.Deadline()
				require.Equal(t, time.Second, time.Until(deadline))
				return task.Outcome{}
			},
		}, attemptOf(time.Second), nil)
		require.Equal(t, task.Success, end.Status)
	})
}

func TestRunThatCannotBePrepared(t *testing.T) {
	end := runOne(t, &fakeHandler{prepare: func(context.Context) error { return errDown }}, attemptOf(time.Minute), nil)
	require.Equal(t, task.Failed, end.Status)
	require.Equal(t, &task.Failure{Cause: task.CauseHost, Message: errDown.Error()}, end.Failure)
}

func TestRunInterruptedWhilePreparing(t *testing.T) {
	exec := attemptOf(time.Minute)
	exec.Task.RequeueOnInterrupt = true
	end := runOne(t, &fakeHandler{prepare: func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}}, exec, func(r *Runner) { r.interrupt() })
	require.Equal(t, task.Pending, end.Status)
	require.True(t, end.GiveBack)
	require.Equal(t, task.CauseInterrupted, end.Failure.Cause)
}

func TestRunSurvivesAPanic(t *testing.T) {
	for name, handler := range map[string]*fakeHandler{
		"in prepare": {prepare: func(context.Context) error { panic("ouch") }},
		"in handle": {handle: func(_ context.Context, _ *task.Execution, log task.LogSink) task.Outcome {
			log.Log(task.Info, "before", nil)
			panic(errors.New("ouch"))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			end := runOne(t, handler, attemptOf(time.Minute), nil)
			require.Equal(t, task.Failed, end.Status)
			require.Equal(t, task.CauseHost, end.Failure.Cause)
			require.Equal(t, "panic: ouch", end.Failure.Message)
			require.Contains(t, end.Failure.Trace, "run_test.go")
			if handler.handle != nil {
				require.Equal(t, []string{"before"}, messages(end.Logs))
			}
		})
	}
}
