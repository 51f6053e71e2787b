package tests_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// checkHistory holds a task that has ended against its attempts. kills is how
// many servers were killed in all.
func checkHistory(t *testing.T, s storedTask, attempts []storedAttempt, kills int) {
	t.Helper()
	story := fmt.Sprintf("%+v\n%+v", s, attempts)
	outcomes := make(map[string]int)
	crashed, lost := 0, 0
	for i, one := range attempts {
		outcomes[one.outcome]++
		switch {
		case one.outcome != "interrupted":
		case one.cause == "crashed":
			crashed++
		default:
			// A claim whose reply was lost with the database: nothing was begun.
			require.Equal(t, "interrupted", one.cause, story)
			lost++
		}
		// The lease is one more at each claim and each end: no claim is without
		// its end, and no end without its claim.
		require.EqualValues(t, 2*i+1, one.lease, story)
		if one.outcome == "success" {
			require.Equal(t, len(attempts)-1, i, "nothing follows a success: %s", story)
		}
	}
	require.EqualValues(t, 2*len(attempts), s.lease, story)
	require.LessOrEqual(t, outcomes["success"], 1, story)
	require.Equal(t, s.crashes, crashed, story)
	require.LessOrEqual(t, crashed, kills, story)

	given := 0 // attempts that were given back
	switch {
	case s.status == "success":
		require.Equal(t, 1, outcomes["success"], story)
		given = crashed + lost
		require.True(t, s.requeue || crashed == 0, story)
	case s.status == "interrupted":
		require.False(t, s.requeue, story)
		require.Equal(t, 1, crashed, story)
		require.Equal(t, "interrupted", attempts[len(attempts)-1].outcome, story)
		given = lost
	case s.status == "failed":
		// Only what three servers died under.
		require.True(t, s.requeue, story)
		require.Equal(t, 3, crashed, story)
		require.Len(t, attempts, 3+lost, story)
		given = 2 + lost
	default:
		require.Fail(t, "not an end", story)
	}
	require.Equal(t, len(attempts)-given, s.attempt, story)
	if s.status != "success" {
		require.Empty(t, s.result, story)
	}
	if s.name == "demo.flaky" && s.status == "success" {
		require.Equal(t, 1, outcomes["failed"], story)
		require.Equal(t, 2, s.attempt, story)
	} else if s.name != "demo.flaky" {
		require.Zero(t, outcomes["failed"], story)
	}
}
