package tests_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/pgtest"
)

const (
	outageTasks = 60 // of each outage
	outageSlow  = 300
	// workAgainMost is how soon work goes on once the database is back.
	workAgainMost = 15 * time.Second
)

// Postgres itself is killed and started again under two nodes that live. Requests
// are answered meanwhile, nothing is lost, and work goes on without anybody's
// help. The second time it is away for longer than it takes to call a node dead, and
// one of the nodes comes back late.
func TestPostgresIsKilled(t *testing.T) {
	t.Parallel()
	seed := setting(t, "TASKHOST_TEST_SEED", uint64(time.Now().UnixNano()))
	t.Logf("TASKHOST_TEST_SEED=%d repeats the choices of this run", seed)
	k := built(t)
	server, err := pgtest.Start(t.Context(), pgtest.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	f := newFleet(t, k, server.URL("postgres"), []string{k.plain, k.race})
	f.startAll(t)
	f.pushGuests(t, f.nodes[0])
	stored := readPostgres(t, f.database)

	outages := []time.Duration{time.Second, deadAfter + time.Second, 2 * time.Second}
	random := rand.New(rand.NewPCG(seed, 5<<32))
	for len(outages) < int(setting(t, "TASKHOST_TEST_ROUNDS", 0)) {
		outages = append(outages, time.Duration(200+random.IntN(8000))*time.Millisecond)
	}
	crowd := newCrowd(outageSlow, (2*len(outages)+1)*outageTasks, f.addresses()...)
	crowd.answers = true
	crowd.begin(t, f.nodes[0].token, seed)
	var audit audit
	var across []string
	for _, away := range outages {
		crowd.give(outageTasks)
		across = append(across, runAcross(t, f, away)...)
		require.NoError(t, server.Kill())
		crowd.give(outageTasks)
		statuses := askAll(t, f, across[len(across)-1], away)
		if away > deadAfter {
			suspend(t, f.nodes[1], deadAfter/2)
		}
		require.NoError(t, server.Restart(t.Context()))
		back := time.Now()
		before := stored.number(t, "SELECT count(*) FROM attempt")
		await(t, workAgainMost, "an attempt to end after the outage", func() bool {
			return stored.number(t, "SELECT count(*) FROM attempt") > before
		})
		t.Logf("away for %v: answers %v; the first attempt ended %v after it was back", away, statuses, time.Since(back).Round(time.Millisecond))
		audit.afterCrash(t, stored, &crowd.ledger)
		require.False(t, t.Failed())
	}
	crowd.finish(t)
	audit.crashes = 0 // of nodes
	audit.outage = true
	audit.atTheEnd(t, stored, &crowd.ledger, f.nodes[0].process, f.nodes[1].process)
	t.Logf("slowest answer %v, %d answers 503 to enqueues", time.Duration(crowd.slowest.Load()), crowd.unavailable.Load())
	checkNothingTakenOver(t, stored, across)
}

// runAcross has each node run a task that is not over when the database is back.
func runAcross(t *testing.T, f *fleet, away time.Duration) (ids []string) {
	t.Helper()
	runs := make(map[*node]bool)
	for n := 0; len(runs) < len(f.nodes); n++ {
		require.Less(t, n, 12, "a node runs nothing")
		b := body{
			Name: []string{"slow.once", "slow.requeue"}[n%2], Priority: 10,
			Args: slowArgs(int((away + 2*time.Second).Milliseconds()), fmt.Sprintf("across %v", away)),
		}
		id := f.nodes[0].client.mustEnqueue(t, b)
		c := f.nodes[1].client
		// A node that has yet to fetch the module would give the task back.
		await(t, time.Minute, "the guest to begin", func() bool { return len(c.logs(t, id, 10)) == 1 })
		v := c.task(t, id)
		for _, node := range f.nodes {
			if node.named(v.Node) {
				runs[node] = true
			}
		}
		ids = append(ids, id)
	}
	return ids
}

// suspend stops a node for a while: its first sign of life comes late after the
// outage, and yet nobody may think that it has died.
func suspend(t *testing.T, n *node, most time.Duration) {
	t.Helper()
	signalTo(t, n, syscall.SIGSTOP)
	resume := time.AfterFunc(most, func() {
		if err := n.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Errorf("go on: %v", err)
		}
	})
	t.Cleanup(func() { resume.Stop() })
}

// askAll asks the nodes for a task, and whether they are ready, for as long as the
// database is away. It counts the answers, of which none may be late or anything
// but 200 and 503.
func askAll(t *testing.T, f *fleet, id string, away time.Duration) map[int]int {
	t.Helper()
	var mu sync.Mutex
	statuses := make(map[int]int)
	until := time.Now().Add(away)
	var asking sync.WaitGroup
	for _, n := range f.nodes {
		for _, path := range []string{"/v1/tasks/" + id, "/v1/tasks/" + id + "/logs", "/v1/definitions", "/v1/nodes", "/readyz"} {
			asking.Go(func() {
				ticker := time.NewTicker(300 * time.Millisecond)
				defer ticker.Stop()
				for time.Now().Before(until) {
					status, err := askOnce(t.Context(), n, path)
					if err != nil || status != 200 && status != 503 {
						t.Errorf("GET %s while the database is away: %d, %v", path, status, err)
						return
					}
					mu.Lock()
					statuses[status]++
					mu.Unlock()
					<-ticker.C
				}
			})
		}
	}
	asking.Wait()
	return statuses
}

func askOnce(ctx context.Context, n *node, path string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, answerMost)
	defer cancel()
	a, err := n.client.send(ctx, "GET", path, nil)
	return a.status, err
}

// checkNothingTakenOver checks that every task succeeded, and that none was taken
// from a node: they lived.
func checkNothingTakenOver(t *testing.T, stored *tables, across []string) {
	t.Helper()
	tasks, attempts := stored.tasks(t), stored.attempts(t)
	lost := 0
	for id, s := range tasks {
		require.Equal(t, "success", s.status, "%+v\n%+v", s, attempts[id])
		require.Zero(t, s.crashes, "%+v\n%+v", s, attempts[id])
		for _, one := range attempts[id] {
			require.NotEqual(t, "crashed", one.cause, "%+v", attempts[id])
			if one.outcome == "interrupted" {
				lost++
			}
		}
	}
	for _, id := range across {
		require.Len(t, attempts[id], 1, "it ran once, across the outage")
	}
	t.Logf("%d claims were given back that had not begun", lost)
}
