package tests_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func slowArgs(ms int, text string) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"ms":%d,"text":%q}`, ms, text))
}

// After SIGTERM nothing more is begun, what runs is finished, and the process
// ends well. What waited runs after the next start.
func TestSIGTERMDrains(t *testing.T) {
	t.Parallel()
	report := expectReport(1, 12_000)
	p, c := serve(t, built(t).dataDir(t), "--max-wasm-workers", "2")
	long := c.mustEnqueue(t, body{Name: "slow.once", Args: slowArgs(2500, "done")})
	reports := make([]string, 4)
	for i := range reports {
		reports[i] = c.mustEnqueue(t, report.body)
	}
	c.awaitStatus(t, long, "running")
	await(t, time.Minute, "a report to run", func() bool {
		for _, id := range reports {
			if c.task(t, id).Status == "running" {
				return true
			}
		}
		return false
	})
	asked := time.Now()
	p.stop(t)

	stored := readFile(t, p.dir)
	stored.requireTickets(t)
	counts := stored.counts(t)
	require.Zero(t, counts.running)
	require.Positive(t, counts.pending, "nothing was left to begin, so this test shows nothing")
	require.Zero(t, stored.number(t, "SELECT count(*) FROM task WHERE status = 'pending' AND attempt > 0"))
	require.Zero(t, stored.number(t, "SELECT count(*) FROM task WHERE status NOT IN ('pending', 'success')"))
	require.Zero(t, stored.number(t, "SELECT count(*) FROM attempt WHERE started_at > ?", asked.Add(time.Second).UnixMicro()))
	ended := stored.tasks(t)[long].ended
	require.Greater(t, ended, asked.UnixMicro(), "it had ended before the signal, so this test shows nothing")
	finished := 0
	for _, id := range reports {
		if s := stored.tasks(t)[id]; s.status == "success" && s.ended > asked.UnixMicro() {
			finished++
			require.Equal(t, string(report.result), string(s.result))
		}
	}
	require.Positive(t, finished, "no report ran at the signal, so this test shows nothing")

	p, c = serve(t, p.dir)
	for _, id := range reports {
		report.check(t, c, id)
	}
	result, _ := c.result(t, long)
	require.Equal(t, `"done"`, string(result))
	p.stop(t)
}

// What does not finish in time is interrupted: it goes back to wait with its
// attempt where its definition allows that, and ends as interrupted otherwise.
func TestSIGTERMInterrupts(t *testing.T) {
	t.Parallel()
	p, c := serve(t, built(t).dataDir(t), "--shutdown-timeout", "100ms")
	once := c.mustEnqueue(t, body{Name: "slow.once", Args: slowArgs(20_000, "once")})
	requeue := c.mustEnqueue(t, body{Name: "slow.requeue", Args: slowArgs(4000, "again"), Priority: 3})
	for _, id := range []string{once, requeue} {
		c.awaitStatus(t, id, "running")
		await(t, time.Minute, "the guest to begin", func() bool { return len(c.logs(t, id, 10)) == 1 })
	}
	asked := time.Now()
	p.stop(t)
	require.Less(t, time.Since(asked), 5*time.Second)

	stored := readFile(t, p.dir)
	stored.requireTickets(t)
	tasks, attempts := stored.tasks(t), stored.attempts(t)
	require.Equal(t, "interrupted", tasks[once].status)
	require.Equal(t, 1, tasks[once].attempt)
	require.Equal(t, "pending", tasks[requeue].status)
	require.Zero(t, tasks[requeue].attempt, "an interrupt uses up no attempt")
	for _, id := range []string{once, requeue} {
		require.Zero(t, tasks[id].crashes)
		require.Len(t, attempts[id], 1)
		require.Equal(t, 1, attempts[id][0].attempt)
		require.Equal(t, "interrupted", attempts[id][0].outcome)
		require.Equal(t, "interrupted", attempts[id][0].cause)
	}

	p, c = serve(t, p.dir)
	v := c.task(t, once)
	require.Equal(t, "interrupted", v.Cause)
	require.Contains(t, v.Error, "the node stopped")
	c.request(t, "GET", "/v1/tasks/"+once+"/result", nil).problem(t, 409, "task_failed")
	v = c.awaitEnd(t, requeue)
	require.Equal(t, "success", v.Status)
	require.Equal(t, 1, v.Attempt)
	require.Equal(t, 3, v.Priority)
	result, _ := c.result(t, requeue)
	require.Equal(t, `"again"`, string(result))
	lines := c.logs(t, requeue, 10)
	require.Len(t, lines, 2, "one line of each time that it was begun")
	require.Equal(t, []int{1, 1}, []int{lines[0].Attempt, lines[1].Attempt})
	require.Less(t, lines[0].Seq, lines[1].Seq)
	p.stop(t)
}

// The second signal ends the process at once. The next start takes up what it
// left, as after a crash.
func TestSecondSIGTERMEndsAtOnce(t *testing.T) {
	t.Parallel()
	k := built(t)
	p, c := serveBinary(t, k.plain, k.dataDir(t))
	once := c.mustEnqueue(t, body{Name: "slow.once", Args: slowArgs(20_000, "once")})
	requeue := c.mustEnqueue(t, body{Name: "slow.requeue", Args: slowArgs(50, "again")})
	require.Equal(t, "success", c.awaitEnd(t, requeue).Status)
	requeue = c.mustEnqueue(t, body{Name: "slow.requeue", Args: slowArgs(1500, "again")})
	c.awaitStatus(t, once, "running")
	c.awaitStatus(t, requeue, "running")
	require.NoError(t, p.terminate())
	await(t, time.Minute, "the server to stop listening", func() bool {
		_, err := c.send(t.Context(), "GET", "/healthz", nil)
		return err != nil
	})
	begun := time.Now()
	require.NoError(t, p.terminate())
	<-p.done
	require.Less(t, time.Since(begun), 2*time.Second)
	var exit *exec.ExitError
	require.ErrorAs(t, p.err, &exit)
	status, ok := exit.Sys().(syscall.WaitStatus)
	require.True(t, ok)
	require.Equal(t, syscall.SIGTERM, status.Signal())

	p, c = serveBinary(t, k.plain, p.dir)
	v := c.task(t, once)
	require.Equal(t, "interrupted", v.Status)
	require.Equal(t, "crashed", v.Cause)
	require.Equal(t, 1, v.Crashes)
	v = c.awaitEnd(t, requeue)
	require.Equal(t, "success", v.Status)
	require.Equal(t, 1, v.Attempt)
	require.Equal(t, 1, v.Crashes)
	p.stop(t)
}
