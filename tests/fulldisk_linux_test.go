package tests_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	diskSize = 24 << 20
	// diskArgs are what tasks carry, so that the disk is full soon.
	diskArgs = 200 << 10
	// diskResult is what a task returns while it is full: the log of the file has some
	// room left that is used again.
	diskResult = 900 << 10
)

// disk is a small file system of a server's own. It is mounted in a name space of the
// server's, so that it is gone with the server, and is seen through the server.
type disk struct{ root string }

// launchOnDisk starts a server whose database is on a small disk.
func launchOnDisk(t *testing.T, k *kit, dir string) (*process, *client, disk) {
	t.Helper()
	mount := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.Mkdir(mount, 0o700))
	args := serveArgs(dir, append([]string{"--database", filepath.Join(mount, "taskhost.db")}, inProcess...)...)
	script := fmt.Sprintf(`mount -t tmpfs -o size=%d,mode=700 none %s && exec "$@"`, diskSize, mount)
	cmd := command(t.Context(), "/bin/sh", append([]string{"-c", script, "sh", k.plain}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Unshareflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	p, err := launchCommand(t.Context(), cmd, dir)
	require.NoError(t, err, "this test mounts a file system, as root or in a user name space of its own")
	return p, p.adopt(t), disk{fmt.Sprintf("/proc/%d/root%s", p.cmd.Process.Pid, mount)}
}

// fill leaves so many bytes of the disk.
func (d disk) fill(t *testing.T, leave int64) {
	t.Helper()
	var state syscall.Statfs_t
	require.NoError(t, syscall.Statfs(d.root, &state))
	free := int64(state.Bavail) * state.Bsize
	require.NoError(t, os.WriteFile(filepath.Join(d.root, "ballast"), make([]byte, max(free-leave, 0)), 0o600))
}

func (d disk) free(t *testing.T) {
	t.Helper()
	require.NoError(t, os.Remove(filepath.Join(d.root, "ballast")))
}

// The disk of the database is full: what is enqueued is refused and says why, what was
// acknowledged stays, what runs meanwhile is stored once there is room again, and
// everything goes on by itself.
func TestDiskIsFull(t *testing.T) {
	t.Parallel()
	k := built(t)
	p, c, small := launchOnDisk(t, k, k.emptyDataDir(t))
	push(t, c, "slow", k.readGuest(t, "slow"))
	rounds := int(setting(t, "TASKHOST_TEST_ROUNDS", 2))
	var ids []string
	acknowledged := 0
	for round := range rounds {
		running := c.mustEnqueue(t, body{Name: "slow.once", Args: slowArgs(3000, strings.Repeat("x", diskResult)), Priority: 10})
		await(t, time.Minute, "the guest to begin", func() bool { return len(c.logs(t, running, 10)) == 1 })
		ids = append(ids, running)
		small.fill(t, 1<<20)
		more, problem := enqueueUntilFull(t, c, fmt.Sprint(round))
		ids = append(ids, more...)
		require.Contains(t, problem.Detail, "the disk of the database is full, and nothing was stored")
		small.fill(t, 0) // to the last byte
		// It runs to its end, which cannot be stored, unless a checkpoint has just made
		// room in the file's log.
		stored := false
		await(t, time.Minute, "an end", func() bool {
			stored = c.task(t, running).terminal() // it can be read
			return stored || strings.Contains(p.stderr.String(), "the ends of attempts could not be stored")
		})
		t.Logf("round %d: the end of what ran was stored at once: %t", round, stored)
		require.Equal(t, 200, c.request(t, "GET", "/readyz", nil).status)
		small.free(t)
		freed := time.Now()
		ids = append(ids, enqueueAgain(t, c))
		t.Logf("round %d: %d tasks until the disk was full; the next was taken %v after there was room", round, len(more), time.Since(freed).Round(time.Millisecond))
		for _, id := range ids {
			require.Equal(t, "success", c.awaitEnd(t, id).Status)
		}
		acknowledged += len(ids)
		if round < rounds-1 {
			a := c.request(t, "DELETE", "/v1/history?older_than=1us", nil)
			require.Equal(t, 200, a.status, "%s", a.body)
			ids = nil
		}
	}
	require.NoError(t, copyOut(t, small, p.dir))
	require.NoError(t, p.end())
	p.requireNoRace(t)
	stored := readFile(t, p.dir)
	require.Equal(t, "ok", stored.texts(t, "PRAGMA integrity_check")[0])
	tasks, attempts := stored.tasks(t), stored.attempts(t)
	require.Len(t, tasks, len(ids), "nothing was stored that was refused")
	for _, id := range ids {
		require.Contains(t, tasks, id)
		checkHistory(t, tasks[id], attempts[id], 0)
	}
	t.Logf("%d times full; all %d tasks that were acknowledged succeeded", rounds, acknowledged)
}

// enqueueUntilFull enqueues until that is refused, and returns the tasks that were
// taken.
func enqueueUntilFull(t *testing.T, c *client, text string) (ids []string, refusal problem) {
	t.Helper()
	args, err := json.Marshal(map[string]any{"ms": 0, "text": text + string(bytes.Repeat([]byte{'x'}, diskArgs))})
	require.NoError(t, err)
	for range 1000 {
		id, a, err := c.enqueue(t.Context(), body{Name: "slow.once", Args: args})
		require.NoError(t, err)
		if a.status != 201 {
			require.NotEmpty(t, a.header.Get("Retry-After"))
			return ids, a.problem(t, 507, "storage_full")
		}
		ids = append(ids, id)
	}
	require.Fail(t, "the disk is never full")
	return nil, refusal
}

// enqueueAgain enqueues until that is taken.
func enqueueAgain(t *testing.T, c *client) (id string) {
	t.Helper()
	await(t, time.Minute, "an enqueue to be taken", func() bool {
		var a answer
		var err error
		id, a, err = c.enqueue(t.Context(), body{Name: "slow.once", Args: slowArgs(0, "room")})
		require.NoError(t, err)
		return a.status == 201
	})
	return id
}

// copyOut copies the database to where it is after the disk is gone.
func copyOut(t *testing.T, from disk, to string) error {
	t.Helper()
	var errs []error
	for _, name := range []string{"taskhost.db", "taskhost.db-wal"} {
		content, err := os.ReadFile(filepath.Join(from.root, name))
		errs = append(errs, err, os.WriteFile(filepath.Join(to, name), content, 0o600))
	}
	return errors.Join(errs...)
}
