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
	// stops is how often a node was stopped, which may be called dead then, or not.
	stops int
	// outage is set where the database was away: the servers have reported errors.
	outage bool
	// ended is how each task was that had ended, at the last look.
	ended map[string]storedTask
	// starts are when servers were up, in microseconds, and how long that took;
	// begun is when attempts began, once all have ended.
	starts []serverStart
	begun  []int64
}

type serverStart struct {
	at    int64
	ready time.Duration
	race  bool
}

func (a *audit) began(p *process, race bool) {
	a.starts = append(a.starts, serverStart{time.Now().UnixMicro() - p.ready.Microseconds(), p.ready, race})
}

// afterCrash looks at what a killed server left, while others may work on it.
func (a *audit) afterCrash(t *testing.T, stored *tables, promised *ledger) {
	t.Helper()
	a.crashes++
	stored.requireTickets(t)
	entries := promised.acknowledged() // before the tasks are read
	tasks := stored.tasks(t)
	for _, e := range entries {
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

// atTheEnd waits until nothing is left to do, stops the servers, and looks at
// everything.
func (a *audit) atTheEnd(t *testing.T, stored *tables, promised *ledger, servers ...*process) {
	t.Helper()
	quiet := time.Now()
	await(t, 2*time.Minute, "all tasks to end", func() bool {
		counts := stored.counts(t)
		return counts.pending+counts.running == 0
	})
	t.Logf("quiet after %.1f s", time.Since(quiet).Seconds())
	entries := promised.acknowledged()
	a.readSome(t, servers, entries)
	for _, p := range servers {
		require.NoError(t, p.end())
		if !a.outage {
			p.requireClean(t)
		}
		p.requireNoRace(t)
	}

	stored.requireTickets(t)
	stored.requireEvents(t)
	require.Equal(t, counts{tasks: stored.counts(t).tasks}, stored.counts(t), "nothing waits and nothing runs")
	tasks, attempts := stored.tasks(t), stored.attempts(t)
	for id, before := range a.ended {
		require.Equal(t, before, tasks[id])
	}
	for id, s := range tasks {
		checkHistory(t, s, attempts[id], a.crashes+a.stops)
	}
	for _, e := range entries {
		require.Contains(t, tasks, e.id, "%s was acknowledged", e.key)
		if tasks[e.id].status == "success" {
			require.Equal(t, e.result, string(tasks[e.id].result))
		}
	}
	a.checkKeys(t, tasks, entries)
	a.report(t, tasks, attempts, entries)
}

// readSome reads some of the tasks as a client does, from the servers by turns.
func (a *audit) readSome(t *testing.T, servers []*process, entries []*entry) {
	t.Helper()
	for i, p := range servers {
		c := newClient(p.url, p.token)
		for n := i; n < len(entries); n += 10 * len(servers) {
			v := c.task(t, entries[n].id)
			require.True(t, v.terminal(), "%+v", v)
			if v.Status == "success" {
				result, _ := c.result(t, entries[n].id)
				require.Equal(t, entries[n].result, string(result))
			}
		}
		c.close()
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
	delete(byKey, "") // the tests' own
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
	for _, s := range tasks {
		outcomes[s.status]++
		interrupted += s.crashes
	}
	for _, list := range attempts {
		for _, one := range list {
			a.begun = append(a.begun, one.started)
		}
	}
	for _, e := range entries {
		ambiguous += min(e.ambiguous, 1)
	}
	t.Logf("%d kills, %d tasks acknowledged, %d of them after a request without an answer; %v; attempts cut off: %d",
		a.crashes, len(entries), ambiguous, outcomes, interrupted)
	require.Positive(t, outcomes["success"])
	if a.crashes > 0 {
		require.Positive(t, interrupted, "no attempt was ever cut off, so this test shows nothing")
	}
}

// reportStarts logs how soon a server that was started again works.
func (a *audit) reportStarts(t *testing.T) {
	t.Helper()
	slices.Sort(a.begun)
	var ready, first [2][]time.Duration
	for _, s := range a.starts[1:] { // the first one found nothing
		kind := 0
		if s.race {
			kind = 1
		}
		ready[kind] = append(ready[kind], s.ready)
		if i, _ := slices.BinarySearch(a.begun, s.at); i < len(a.begun) {
			first[kind] = append(first[kind], time.Duration(a.begun[i]-s.at)*time.Microsecond)
		}
	}
	for kind, name := range []string{"plain", "with the race detector"} {
		slices.Sort(ready[kind])
		slices.Sort(first[kind])
		t.Logf("restart, %s: answers after %v; begins a task after %v", name, spread(ready[kind]), spread(first[kind]))
	}
}

// spread says the least, the middle and the most.
func spread(sorted []time.Duration) string {
	if len(sorted) == 0 {
		return "(none)"
	}
	round := func(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }
	return fmt.Sprintf("%v to %v, median %v", round(sorted[0]), round(sorted[len(sorted)-1]), round(sorted[len(sorted)/2]))
}
