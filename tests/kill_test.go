package tests_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	killRounds = 12
	killTasks  = 40 // of each round
	killSlow   = 150
)

// setting reads a number from the environment.
func setting(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err, name)
	return n
}

// A server is killed again and again while clients enqueue and tasks run. What
// was acknowledged is never lost, and nothing ends twice.
func TestKillMinusNine(t *testing.T) {
	t.Parallel()
	seed := setting(t, "TASKHOST_TEST_SEED", uint64(time.Now().UnixNano()))
	rounds := int(setting(t, "TASKHOST_TEST_ROUNDS", killRounds))
	t.Logf("TASKHOST_TEST_SEED=%d TASKHOST_TEST_ROUNDS=%d repeats the choices of this run", seed, rounds)
	random := rand.New(rand.NewPCG(seed, 1<<32))
	k := built(t)
	dir := k.dataDir(t)

	var crowd *crowd
	var audit audit
	start := func(round int) *process {
		// By turns with the race detector, which finds what it finds also in a
		// process that dies, and without, which is as fast as it will be.
		binary := k.plain
		if round%3 == 2 {
			binary = k.race
		}
		p, err := launch(t.Context(), binary, dir)
		require.NoError(t, err)
		p.adopt(t)
		if crowd == nil {
			crowd = newCrowd(killSlow, (rounds+1)*killTasks, p.url)
			crowd.begin(t, p.token, seed)
		}
		crowd.addresses.Store(&[]string{p.url})
		audit.began(p, round%3 == 2)
		return p
	}
	for round := range rounds {
		if random.IntN(2) == 0 {
			// One that dies before it is up.
			stillborn(t, k.plain, dir, time.Duration(random.IntN(60))*time.Millisecond)
			if crowd != nil {
				audit.afterCrash(t, readCopy(t, dir), &crowd.ledger)
			}
		}
		p := start(round)
		crowd.give(killTasks)
		if random.IntN(2) == 0 {
			// The modules have to be loaded first, for which most of the short
			// lives are too short.
			awaitAnEnd(t, p)
		}
		moment := time.NewTimer(time.Duration(5+random.IntN(396)) * time.Millisecond)
		<-moment.C
		require.NoError(t, p.kill())
		p.requireClean(t)
		audit.afterCrash(t, readCopy(t, dir), &crowd.ledger)
		require.False(t, t.Failed())
	}
	p := start(rounds)
	crowd.finish(t)
	audit.atTheEnd(t, readFile(t, dir), &crowd.ledger, p)
	require.Equal(t, "ok", readFile(t, dir).texts(t, "PRAGMA integrity_check")[0])
	audit.reportStarts(t)
}

// stillborn starts a server and kills it after a moment, however far it has
// come.
func stillborn(t *testing.T, binary, dir string, after time.Duration) {
	t.Helper()
	stderr := new(output)
	cmd := command(t.Context(), binary, serveArgs(dir)...)
	cmd.Stderr = stderr
	require.NoError(t, cmd.Start())
	<-time.After(after)
	require.NoError(t, cmd.Process.Kill(), "%s", stderr)
	require.Error(t, cmd.Wait())
	require.NotContains(t, stderr.String(), `"level":"ERROR"`)
}

// awaitAnEnd waits until a server has ended an attempt.
func awaitAnEnd(t *testing.T, p *process) {
	t.Helper()
	stored := readFile(t, p.dir)
	before := stored.number(t, "SELECT count(*) FROM attempt")
	await(t, time.Minute, "an attempt to end", func() bool {
		return stored.number(t, "SELECT count(*) FROM attempt") > before
	})
	require.NoError(t, stored.db.Close())
}
