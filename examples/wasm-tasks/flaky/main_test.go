package main

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/guest-sdk/guesttest"
)

func TestFlaky(t *testing.T) {
	t.Parallel()
	for input, failures := range map[string]int{
		``: 2, `null`: 2, `{}`: 2, `{"fail_times":null}`: 2, `{"fail_times":0}`: 0, `{"fail_times":3}`: 3,
	} {
		for attempt := range failures {
			result := guesttest.Run("demo.flaky", []byte(input), guesttest.Task{Attempt: attempt})
			require.True(t, result.Failed)
			require.Equal(t, guesttest.Retryable, result.Kind)
			require.Equal(t, fmt.Sprintf("attempt %d of %d that fail", attempt+1, failures), result.Message)
			require.Equal(t, []guesttest.Line{
				{Level: "warn", Message: "failing", Fields: map[string]any{"attempt": float64(attempt), "fail_times": float64(failures)}},
			}, result.Logs)
		}
		result := guesttest.Run("demo.flaky", []byte(input), guesttest.Task{Attempt: failures})
		require.False(t, result.Failed, input)
		require.JSONEq(t, fmt.Sprintf(`{"attempts":%d}`, failures+1), string(result.Output))
		require.Empty(t, result.Logs)
	}
}

func TestBroken(t *testing.T) {
	t.Parallel()
	require.Equal(t, guesttest.Result{
		Failed: true, Kind: guesttest.Permanent, Message: "this task is broken, and will be next time",
	}, guesttest.Run("demo.broken", nil, guesttest.Task{}))
}

func TestEcho(t *testing.T) {
	t.Parallel()
	require.Equal(t, guesttest.Result{
		Output: []byte("a\nb\n"), OutputType: "text/plain",
		Logs: []guesttest.Line{{Level: "info", Message: "echo", Fields: map[string]any{"bytes": 4.0, "lines": 2.0}}},
	}, guesttest.Run("demo.echo", []byte("a\nb\n"), guesttest.Task{InputType: "text/plain"}))
	require.False(t, guesttest.Run("demo.echo", []byte{}, guesttest.Task{}).Failed)
}

func TestRetriesAreDeclared(t *testing.T) {
	t.Parallel()
	flaky := guesttest.Manifest().Definitions[0]
	require.Equal(t, 3, flaky.Options.Retries)
	require.EqualValues(t, 200, flaky.Options.DelayMS)
	require.InDelta(t, 2, flaky.Options.Backoff, 0)
	require.JSONEq(t, `{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"type": ["object", "null"],
		"properties": {"fail_times": {"type": ["integer", "null"], "minimum": 0}},
		"additionalProperties": false
	}`, string(flaky.Args))
}
