//go:build linux

package sandbox_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/taskhost/taskhost/host"
	"github.com/taskhost/taskhost/host/sandbox"
)

// play is this program in another role than that of the tests. It returns the code
// that the process ends with.
func play(role string) int {
	switch role {
	case roleSyscalls:
		return trySyscalls()
	case roleParent:
		return beParent()
	default:
		return 1
	}
}

// beParent has a pool with an idle worker and one that runs, and is to be killed.
func beParent() int {
	ctx := context.Background()
	p, err := sandbox.New(ctx, roomy(sandbox.Config{CacheDir: os.Getenv("TASKHOST_TEST_CACHE")}))
	if err != nil {
		return 1
	}

	if err := p.Prepare(ctx, "spin", spin().bytes()); err != nil {
		return 1
	}
	if err := p.Prepare(ctx, "echo", echo().bytes()); err != nil {
		return 1
	}
	attempt := host.Attempt{Digest: "echo"}
	p.Execute(ctx, attempt, &nowhere{})
	attempt.Digest = "spin"
	p.Execute(ctx, attempt, first(func() { _, _ = os.Stdout.WriteString("running\n") }))
	return 1
}

// children are the processes whose parent is a process.
func children(t testing.TB, parent int) (pids []int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	for _, path := range stats {
		stat, err := os.ReadFile(path) //nolint:gosec // of the system
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(rest)
		if len(fields) > 1 && fields[1] == strconv.Itoa(parent) && fields[0] != "Z" {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			require.NoError(t, err)
			pids = append(pids, pid)
		}
	}
	return pids
}

// However the parent ends, no worker is left.
func TestParentIsKilled(t *testing.T) {
	cmd := exec.Command("/proc/self/exe") //nolint:noctx // it is killed
	cmd.Env = append(os.Environ(), roleVar+"="+roleParent, "TASKHOST_TEST_CACHE="+t.TempDir())
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "running\n", line)
	workers := children(t, cmd.Process.Pid)
	require.Len(t, workers, 2)
	require.NoError(t, cmd.Process.Kill())
	start := time.Now()
	require.Eventually(t, func() bool {
		for _, pid := range workers {
			if state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && !strings.Contains(string(state), ") Z ") {
				return false
			}
		}
		return true
	}, patience, time.Millisecond)
	t.Log("gone after", time.Since(start))
	require.Error(t, cmd.Wait())
}

// trySyscalls says what came of system calls that a worker has no use for.
func trySyscalls() int {
	if !sandbox.LockDown() {
		return 1
	}
	path := []byte("/proc/self/exe\x00")
	errs := map[string]string{}
	try := func(name string, number uintptr, args ...uintptr) {
		var all [6]uintptr
		copy(all[:], args)
		_, _, errno := syscall.Syscall6(number, all[0], all[1], all[2], all[3], all[4], all[5])
		errs[name] = errno.Error()
	}
	at := uintptr(unsafe.Pointer(&path[0]))
	try("openat", unix.SYS_OPENAT, ^uintptr(99), at, 0)
	try("socket", unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM)
	try("execve", unix.SYS_EXECVE, at)
	try("execveat", unix.SYS_EXECVEAT, ^uintptr(99), at)
	try("kill", unix.SYS_KILL, uintptr(os.Getppid()), 0)
	try("tgkill of another", unix.SYS_TGKILL, uintptr(os.Getppid()), uintptr(os.Getppid()), 0)
	try("tkill", unix.SYS_TKILL, uintptr(os.Getppid()), 0)
	try("ptrace", unix.SYS_PTRACE, unix.PTRACE_ATTACH, uintptr(os.Getppid()))
	try("a new process", unix.SYS_CLONE, uintptr(unix.SIGCHLD))
	try("clone3", unix.SYS_CLONE3, 0, 0)
	try("unshare", unix.SYS_UNSHARE, unix.CLONE_NEWUSER)
	try("mount", unix.SYS_MOUNT, at, at)
	try("chroot", unix.SYS_CHROOT, at)
	try("setuid", unix.SYS_SETUID, 0)
	try("bpf", unix.SYS_BPF, 0)
	try("perf_event_open", unix.SYS_PERF_EVENT_OPEN, 0)
	try("userfaultfd", unix.SYS_USERFAULTFD, 0)
	try("io_uring_setup", unix.SYS_IO_URING_SETUP, 1, 0)
	try("process_vm_readv", unix.SYS_PROCESS_VM_READV, uintptr(os.Getppid()))
	try("pidfd_open", unix.SYS_PIDFD_OPEN, uintptr(os.Getppid()))
	try("outliving the parent", unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, 0)
	try("limits of another", unix.SYS_PRLIMIT64, uintptr(os.Getppid()))
	try("sendmsg", unix.SYS_SENDMSG, 0)
	try("linkat", unix.SYS_LINKAT, 0)
	try("shmget", unix.SYS_SHMGET, 0)
	if json.NewEncoder(os.Stdout).Encode(errs) != nil {
		return 1
	}
	return 0
}

func TestSystemCallsAreRefused(t *testing.T) {
	if !stands(t, "seccomp") {
		t.Log("this system has no seccomp")
		return
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = []string{roleVar + "=" + roleSyscalls}
	out, err := cmd.Output()
	require.NoError(t, err)
	var errs map[string]string
	require.NoError(t, json.Unmarshal(out, &errs))
	require.Len(t, errs, 25)
	for name, text := range errs {
		want := syscall.EPERM
		if name == "clone3" {
			want = syscall.ENOSYS // so that a C library takes the older one
		}
		require.Equal(t, want.Error(), text, name)
	}
}

func stands(t testing.TB, name string) bool {
	t.Helper()
	for _, wall := range newPool(t, sandbox.Config{}).Walls() {
		if wall.Name == name {
			return wall.Stands
		}
	}
	return false
}

// A worker has nothing of its parent but what is meant for it.
func TestWorkersInheritNothing(t *testing.T) {
	t.Setenv("SECRET", "of the parent")
	leak, err := unix.Open(os.DevNull, unix.O_RDONLY, 0) // as one that the parent was started with
	require.NoError(t, err)
	defer unix.Close(leak)
	p := newPool(t, sandbox.Config{})
	attempt := echo().attempt(t, p)
	requireEcho(t, p, attempt)
	proc := fmt.Sprintf("/proc/%d/", p.IdleWorkers(attempt.Digest)[0])
	environment, err := os.ReadFile(proc + "environ")
	require.NoError(t, err)
	require.NotContains(t, string(environment), "SECRET")
	require.NotContains(t, string(environment), "PATH=")
	files, err := os.ReadDir(proc + "fd")
	require.NoError(t, err)
	for _, file := range files {
		target, err := os.Readlink(proc + "fd/" + file.Name())
		require.NoError(t, err)
		kind, _, _ := strings.Cut(strings.TrimPrefix(target, "/"), ":")
		switch {
		case kind == "pipe", kind == "anon_inode", strings.HasPrefix(target, "/memfd:"), strings.HasSuffix(target, "/pagemap"):
		case strings.HasPrefix(target, "/sys/fs/cgroup/"): // by Go's runtime, for how many processors it may use
		default:
			require.Failf(t, "an open file", "%s: %s", file.Name(), target)
		}
	}
	if stands(t, "filesystem") {
		root, err := os.Readlink(proc + "root")
		require.NoError(t, err)
		require.Equal(t, p.ModuleDir(attempt.Digest), root)
	}
}
