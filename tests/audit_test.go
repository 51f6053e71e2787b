package tests_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// audit holds the tables against the ledger, after each crash and at the end.
type audit struct {
	crashes int
	// ended is how each task was that had ended, at the last look.
	ended map[string]storedTask
	// starts are when servers were up, in microseconds, and how long that took.
	starts []serverStart
}

type serverStart struct {
	at    int64
	ready time.Duration
	race  bool
}

func (a *audit) began(p *process, race bool) {
	a.starts = append(a.starts, serverStart{time.Now().UnixMicro() - p.ready.Microseconds(), p.ready, race})
}

// afterCrash looks at what a killed server left.
func (a *audit) afterCrash(t *testing.T, stored *file, promised *ledger) {
	t.Helper()
	a.crashes++
	stored.requireTickets(t)
	tasks := stored.tasks(t)
	for _, e := range promised.acknowledged() {
		require.Contains(t, tasks, e.id, "%s was acknowledged", e.key)
	}
	ended := make(map[string]storedTask)
	for id, s := range tasks {
		if s.ended != 0 {
			ended[id] = s
		}
	}
	for id, before := range a.ended {
		require.Equal(t, before, ended[id], "a task that has ended does not change")
	}
	a.ended = ended
}

// atTheEnd waits until nothing is left to do, stops the server, and looks at
// everything.
func (a *audit) atTheEnd(t *testing.T, p *process, promised *ledger) {
	t.Helper()
	quiet := time.Now()
	stored := readFile(t, p.dir)
	await(t, 2*time.Minute, "all tasks to end", func() bool {
		counts := stored.counts(t)
		return counts.pending+counts.running == 0
	})
	t.Logf("quiet after %.1f s", time.Since(quiet).Seconds())
	c := newClient(p.url, p.token)
	defer c.close()
	entries := promised.acknowledged()
	for _, e := range entries {
		v := c.task(t, e.id)
		require.True(t, v.terminal(), "%+v", v)
		if v.Status == "success" {
			result, _ := c.result(t, e.id)
			require.Equal(t, e.result, string(result))
		}
	}
	p.stop(t)

	require.Equal(t, "ok", stored.texts(t, "PRAGMA integrity_check")[0])
	stored.requireTickets(t)
	require.Equal(t, counts{tasks: stored.counts(t).tasks}, stored.counts(t), "nothing waits and nothing runs")
	tasks, attempts := stored.tasks(t), stored.attempts(t)
	for id, before := range a.ended {
		require.Equal(t, before, tasks[id])
	}
	for id, s := range tasks {
		checkHistory(t, s, attempts[id], a.crashes)
	}
	a.checkKeys(t, tasks, entries)
	a.report(t, tasks, attempts, entries)
}

// checkHistory holds a task that has ended against its attempts.
func checkHistory(t *testing.T, s storedTask, attempts []storedAttempt, kills int) {
	t.Helper()
	story := fmt.Sprintf("%+v\n%+v", s, attempts)
	outcomes := make(map[string]int)
	crashed := 0
	for i, one := range attempts {
		outcomes[one.outcome]++
		if one.outcome == "interrupted" {
			require.Equal(t, "crashed", one.cause, story)
			crashed++
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
		given = crashed
		require.True(t, s.requeue || crashed == 0, story)
	case s.status == "interrupted":
		require.False(t, s.requeue, story)
		require.Equal(t, 1, crashed, story)
		require.Equal(t, "interrupted", attempts[len(attempts)-1].outcome, story)
	case s.status == "failed":
		// Only what three servers died under.
		require.True(t, s.requeue, story)
		require.Equal(t, 3, crashed, story)
		require.Len(t, attempts, 3, story)
		given = 2
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

// checkKeys holds the ids that a key got against each other. A task that was
// interrupted has let go of its key, and only then is there another for it.
func (a *audit) checkKeys(t *testing.T, tasks map[string]storedTask, entries []*entry) {
	t.Helper()
	byKey := make(map[string][]storedTask)
	for _, s := range tasks {
		byKey[s.key] = append(byKey[s.key], s)
	}
	require.Len(t, byKey, len(entries), "no task has a key that no client has used")
	for _, e := range entries {
		same := byKey[e.key]
		held := slices.DeleteFunc(slices.Clone(same), func(s storedTask) bool {
			return s.status == "interrupted" || s.status == "failed"
		})
		require.LessOrEqual(t, len(held), 1, "%s: %+v", e.key, same)
		known := func(id string) bool {
			return slices.ContainsFunc(same, func(s storedTask) bool { return s.id == id })
		}
		require.True(t, known(e.id), "%s: %+v", e.key, same)
		if e.ambiguous == 0 && e.again == "" {
			require.Len(t, same, 1, "%s was asked for once: %+v", e.key, same)
		}
		if e.again != "" && e.again != e.id {
			require.True(t, known(e.again))
			require.Contains(t, []string{"interrupted", "failed"}, tasks[e.id].status, "%s: %+v", e.key, same)
		}
	}
}

// report logs the figures of the run, and checks that it was one.
func (a *audit) report(t *testing.T, tasks map[string]storedTask, attempts map[string][]storedAttempt, entries []*entry) {
	t.Helper()
	outcomes := make(map[string]int)
	ambiguous, interrupted := 0, 0
	var begun []int64
	for _, s := range tasks {
		outcomes[s.status]++
		interrupted += s.crashes
	}
	for _, list := range attempts {
		for _, one := range list {
			begun = append(begun, one.started)
		}
	}
	slices.Sort(begun)
	for _, e := range entries {
		ambiguous += min(e.ambiguous, 1)
	}
	var ready, first [2][]time.Duration
	for _, s := range a.starts[1:] { // the first one found nothing
		kind := 0
		if s.race {
			kind = 1
		}
		ready[kind] = append(ready[kind], s.ready)
		if i, _ := slices.BinarySearch(begun, s.at); i < len(begun) {
			first[kind] = append(first[kind], time.Duration(begun[i]-s.at)*time.Microsecond)
		}
	}
	t.Logf("%d kills, %d tasks acknowledged, %d of them after a request without an answer; %v; attempts cut off: %d",
		a.crashes, len(entries), ambiguous, outcomes, interrupted)
	for kind, name := range []string{"plain", "with the race detector"} {
		slices.Sort(ready[kind])
		slices.Sort(first[kind])
		t.Logf("restart, %s: answers after %v; begins a task after %v", name, spread(ready[kind]), spread(first[kind]))
	}
	require.Positive(t, outcomes["success"])
	require.Positive(t, interrupted, "no attempt was ever cut off, so this test shows nothing")
}

// spread says the least, the middle and the most.
func spread(sorted []time.Duration) string {
	if len(sorted) == 0 {
		return "(none)"
	}
	round := func(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }
	return fmt.Sprintf("%v to %v, median %v", round(sorted[0]), round(sorted[len(sorted)-1]), round(sorted[len(sorted)/2]))
}
