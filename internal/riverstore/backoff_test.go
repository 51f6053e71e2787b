package riverstore

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

func TestRetryWait(t *testing.T) {
	const month = task.MaxRetryDelay
	for name, test := range map[string]struct {
		policy  RetryPolicy
		attempt int
		want    time.Duration
	}{
		"no delay":             {RetryPolicy{Delay: 0, Backoff: 1, MaxDelay: month}, 1, 0},
		"the first retry":      {RetryPolicy{Delay: time.Second, Backoff: 2, MaxDelay: month}, 1, time.Second},
		"the second":           {RetryPolicy{Delay: time.Second, Backoff: 2, MaxDelay: month}, 2, 2 * time.Second},
		"the fifth":            {RetryPolicy{Delay: time.Second, Backoff: 2, MaxDelay: month}, 5, 16 * time.Second},
		"a constant wait":      {RetryPolicy{Delay: time.Second, Backoff: 1, MaxDelay: month}, 1000, time.Second},
		"a fraction":           {RetryPolicy{Delay: 100 * time.Millisecond, Backoff: 1.5, MaxDelay: month}, 3, 225 * time.Millisecond},
		"at its bound":         {RetryPolicy{Delay: time.Second, Backoff: 2, MaxDelay: 4 * time.Second}, 3, 4 * time.Second},
		"above its bound":      {RetryPolicy{Delay: time.Second, Backoff: 2, MaxDelay: 3 * time.Second}, 3, 3 * time.Second},
		"a delay above it":     {RetryPolicy{Delay: time.Minute, Backoff: 1, MaxDelay: time.Second}, 1, time.Second},
		"above a Duration":     {RetryPolicy{Delay: time.Hour, Backoff: 1000, MaxDelay: month}, 50, month},
		"above a float":        {RetryPolicy{Delay: time.Hour, Backoff: 1000, MaxDelay: month}, 1000, month},
		"no delay, overflowed": {RetryPolicy{Delay: 0, Backoff: 1000, MaxDelay: month}, 1000, 0},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.want, test.policy.wait(task.ID{1}, test.attempt))
		})
	}
}

// TestRetryWaitIsWithinItsBounds goes over every attempt that there can be.
func TestRetryWaitIsWithinItsBounds(t *testing.T) {
	for _, backoff := range []float64{1, 1.0001, 2, 10, 1000} {
		for _, delay := range []time.Duration{0, 1, time.Millisecond, task.MaxRetryDelay} {
			policy := RetryPolicy{Delay: delay, Backoff: backoff, MaxDelay: task.MaxRetryDelay}
			before := time.Duration(0)
			for attempt := 1; attempt <= task.MaxRetries; attempt++ {
				wait := policy.wait(task.ID{1}, attempt)
				require.GreaterOrEqual(t, wait, before, "%+v, attempt %d: it does not shrink", policy, attempt)
				require.LessOrEqual(t, wait, task.MaxRetryDelay, "%+v, attempt %d", policy, attempt)
				before = wait
			}
		}
	}
}

func newID(t *testing.T) task.ID {
	t.Helper()
	id, err := uuid.NewV7()
	require.NoError(t, err)
	return task.ID(id)
}

// TestJitter: waits fall evenly into the part that they may be shorter by, and are the
// same for the same attempt.
func TestJitter(t *testing.T) {
	policy := RetryPolicy{Delay: time.Second, Backoff: 2, MaxDelay: 3 * time.Second, Jitter: 0.4}
	exact := policy
	exact.Jitter = 0
	const tasks, parts = 4000, 8
	for attempt := 1; attempt <= 4; attempt++ {
		whole := exact.wait(task.ID{}, attempt)
		var hits [parts]int
		for range tasks {
			id := newID(t)
			wait := policy.wait(id, attempt)
			require.Equal(t, wait, policy.wait(id, attempt))
			require.LessOrEqual(t, wait, whole)
			shorter := float64(whole-wait) / (0.4 * float64(whole))
			require.LessOrEqual(t, shorter, 1.0)
			hits[min(int(shorter*parts), parts-1)]++
		}
		for part, n := range hits {
			require.InDelta(t, tasks/parts, n, tasks/parts/2, "attempt %d, part %d of %v", attempt, part, hits)
		}
	}
	id := newID(t)
	require.NotEqual(t, policy.wait(id, 3), policy.wait(id, 4), "the bound is the same, the waits are not")
	policy.Delay = 0
	require.Zero(t, policy.wait(id, 1))
}
