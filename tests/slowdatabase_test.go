package tests_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/pgtest"
	"github.com/taskhost/taskhost/internal/storetest"
)

const (
	slowTasks = 60
	slowDelay = 40 // milliseconds, each way
	slowWork  = 100
)

// Two nodes are far away from their database, and one of them farther still for a
// while. Nothing is lost, nobody is called dead, and every request is answered.
func TestDatabaseIsSlow(t *testing.T) {
	t.Parallel()
	seed := setting(t, "TASKHOST_TEST_SEED", uint64(time.Now().UnixNano()))
	rounds := int(setting(t, "TASKHOST_TEST_ROUNDS", 1))
	delay := time.Duration(setting(t, "TASKHOST_TEST_DELAY_MS", slowDelay)) * time.Millisecond
	t.Logf("TASKHOST_TEST_SEED=%d TASKHOST_TEST_ROUNDS=%d TASKHOST_TEST_DELAY_MS=%d repeats the choices of this run", seed, rounds, delay.Milliseconds())
	k := built(t)
	database := pgtest.Database(t)
	address, err := url.Parse(database)
	require.NoError(t, err)
	cable := storetest.NewCable(t, address.Host)
	address.Host = cable.Address()
	f := newFleet(t, k, address.String(), []string{k.plain, k.plain}, inProcess...)
	f.startAll(t)
	f.pushGuests(t, f.nodes[0])
	stored := readPostgres(t, database)
	crowd := newCrowd(slowWork, (rounds+1)*slowTasks, f.addresses()...)
	crowd.answers = true
	cable.Delay(delay)
	crowd.begin(t, f.nodes[0].token, seed)
	var audit audit
	for round := range rounds {
		crowd.give(slowTasks)
		before := stored.number(t, "SELECT count(*) FROM attempt")
		await(t, time.Minute, "attempts to end", func() bool {
			return stored.number(t, "SELECT count(*) FROM attempt") >= before+slowTasks/2
		})
		cable.Delay(delay * time.Duration(2+round%2))
		audit.afterCrash(t, stored, &crowd.ledger)
		require.False(t, t.Failed())
	}
	crowd.finish(t)
	audit.crashes = 0
	audit.atTheEnd(t, stored, &crowd.ledger, f.nodes[0].process, f.nodes[1].process)
	t.Logf("%v each way: slowest answer %v, %d answers 503", delay, time.Duration(crowd.slowest.Load()), crowd.unavailable.Load())
	checkNothingTakenOver(t, stored, nil)
}
