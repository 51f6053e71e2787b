package tests_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/pgtest"
)

const (
	nodeKillRounds = 10
	// nodeKillPhase is for how many rounds one node is spared. A node judges no
	// other in its first seconds, so one has to be up for longer.
	nodeKillPhase = 5
	nodeKillTasks = 60 // of each round
	nodeKillSlow  = 800
)

// death is when a node was killed.
type death struct {
	process *process
	at      time.Time
}

// Three nodes share a database and are killed again and again, while clients
// enqueue and tasks run. What was acknowledged is never lost, nothing ends twice,
// and what the dead ran goes on elsewhere soon.
func TestNodesAreKilled(t *testing.T) {
	t.Parallel()
	seed := setting(t, "TASKHOST_TEST_SEED", uint64(time.Now().UnixNano()))
	rounds := int(setting(t, "TASKHOST_TEST_ROUNDS", nodeKillRounds))
	t.Logf("TASKHOST_TEST_SEED=%d TASKHOST_TEST_ROUNDS=%d repeats the choices of this run", seed, rounds)
	random := rand.New(rand.NewPCG(seed, 2<<32))
	k := built(t)
	f := newFleet(t, k, pgtest.Database(t), []string{k.plain, k.race, k.plain})
	f.startAll(t)
	f.pushGuests(t, f.nodes[0])
	stored := readPostgres(t, f.database)
	crowd := newCrowd(nodeKillSlow, (rounds+1)*nodeKillTasks, f.addresses()...)
	crowd.begin(t, f.nodes[0].token, seed)

	var audit audit
	var deaths []death
	for round := range rounds {
		spared := round / nodeKillPhase % len(f.nodes)
		var victims []int // one, or now and then two at the same time
		for i, n := range random.Perm(len(f.nodes)) {
			if n != spared && (i == 0 || len(victims) == 0 || random.IntN(3) == 0) {
				victims = append(victims, n)
			}
		}
		crowd.give(nodeKillTasks)
		pause(t, 200, 1200, random)
		for _, i := range victims {
			deaths = append(deaths, f.kill(t, i))
		}
		audit.afterCrash(t, stored, &crowd.ledger)
		pause(t, 0, 800, random)
		for _, i := range victims {
			f.start(t, i)
		}
		addresses := f.addresses()
		crowd.addresses.Store(&addresses)
		require.False(t, t.Failed())
	}
	audit.crashes = len(deaths)
	crowd.finish(t)
	audit.atTheEnd(t, stored, &crowd.ledger, f.nodes[0].process, f.nodes[1].process, f.nodes[2].process)
	t.Logf("slowest answer %v, %d answers 503", time.Duration(crowd.slowest.Load()), crowd.unavailable.Load())
	checkTakeOver(t, deaths, stored.attempts(t))
}

// kill kills a node.
func (f *fleet) kill(t *testing.T, i int) death {
	t.Helper()
	n := f.nodes[i]
	d := death{n.process, time.Now()}
	require.NoError(t, n.kill())
	n.requireClean(t)
	n.alive = false
	return d
}

// pause waits for some milliseconds.
func pause(t *testing.T, least, most int, random *rand.Rand) {
	t.Helper()
	moment := time.NewTimer(time.Duration(least+random.IntN(most-least)) * time.Millisecond)
	defer moment.Stop()
	select {
	case <-moment.C:
	case <-t.Context().Done():
	}
}

// checkTakeOver checks how soon what dead nodes ran was ended, and begun again
// elsewhere.
func checkTakeOver(t *testing.T, deaths []death, attempts map[string][]storedAttempt) {
	t.Helper()
	var ended, begun []time.Duration
	for id, list := range attempts {
		for i, one := range list {
			if one.cause != "crashed" {
				continue
			}
			at := slices.IndexFunc(deaths, func(d death) bool { return d.process.named(one.node) })
			require.GreaterOrEqual(t, at, 0, "%s: no node %s was killed: %+v", id, one.node, list)
			killed := deaths[at].at.UnixMicro()
			ended = append(ended, time.Duration(one.ended-killed)*time.Microsecond)
			if i+1 < len(list) {
				begun = append(begun, time.Duration(list[i+1].started-killed)*time.Microsecond)
			}
		}
	}
	slices.Sort(ended)
	slices.Sort(begun)
	t.Logf("from the death of a node to the end of its %d attempts %s, to the start of the next of %d %s",
		len(ended), spread(ended), len(begun), spread(begun))
	require.NotEmpty(t, begun, "nothing was begun again, so this test shows nothing")
	require.Less(t, ended[len(ended)-1], takeOverMost)
	require.Less(t, begun[len(begun)-1], takeOverMost)
}
