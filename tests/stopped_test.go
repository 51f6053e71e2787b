package tests_test

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/pgtest"
)

const (
	stopRounds = 3
	stopTasks  = 40 // of each round
	stopSlow   = 600
)

// Three nodes share a database, and are stopped and go on like machines that are
// suspended, for less and for more time than it takes to be called dead, while clients
// enqueue and tasks run. Nothing is lost, and nothing that a node hands in late counts.
func TestNodesAreStopped(t *testing.T) {
	t.Parallel()
	seed := setting(t, "TASKHOST_TEST_SEED", uint64(time.Now().UnixNano()))
	rounds := int(setting(t, "TASKHOST_TEST_ROUNDS", stopRounds))
	t.Logf("TASKHOST_TEST_SEED=%d TASKHOST_TEST_ROUNDS=%d repeats the choices of this run", seed, rounds)
	random := rand.New(rand.NewPCG(seed, 4<<32))
	k := built(t)
	f := newFleet(t, k, pgtest.Database(t), []string{k.plain, k.race, k.plain}, inProcess...)
	f.startAll(t)
	f.pushGuests(t, f.nodes[0])
	stored := readPostgres(t, f.database)
	crowd := newCrowd(stopSlow, (rounds+1)*stopTasks, f.addresses()...)
	crowd.begin(t, f.nodes[0].token, seed)
	var audit audit
	stops := 0
	for range rounds {
		crowd.give(stopTasks)
		victims := random.Perm(len(f.nodes))[:1+random.IntN(2)]
		pause(t, 100, 800, random)
		for _, i := range victims {
			signalTo(t, f.nodes[i], syscall.SIGSTOP)
			stops++
		}
		// Half of the times for long enough to be called dead.
		most := 4000
		if random.IntN(2) == 0 {
			most = 10_000
		}
		pause(t, most-3500, most, random)
		for _, i := range victims {
			signalTo(t, f.nodes[i], syscall.SIGCONT)
		}
		audit.afterCrash(t, stored, &crowd.ledger)
		require.False(t, t.Failed())
	}
	crowd.finish(t)
	audit.crashes, audit.stops = 0, stops
	audit.atTheEnd(t, stored, &crowd.ledger, f.nodes[0].process, f.nodes[1].process, f.nodes[2].process)
	t.Logf("%d times stopped", stops)
}
