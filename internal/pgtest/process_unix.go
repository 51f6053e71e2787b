//go:build unix

package pgtest

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// account is who the server runs as. Postgres refuses root, so for root it is
// an account that every system has; for others, the zero value, it is theirs.
type account struct {
	name     string
	uid, gid int
}

func ordinary() (account, error) {
	if os.Getuid() != 0 {
		return account{}, nil
	}
	var failed []error
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		uid, uidErr := strconv.Atoi(found.Uid)
		gid, gidErr := strconv.Atoi(found.Gid)
		return account{name: name, uid: uid, gid: gid}, errors.Join(uidErr, gidErr)
	}
	return account{}, fmt.Errorf("find an account for it, since it refuses root: %w", errors.Join(failed...))
}

func (a account) String() string {
	if a.name == "" {
		return ""
	}
	return " (as " + a.name + ")"
}

// command is a command of the account, in a session of its own: a Ctrl-C is for
// the tests, which need the server until they have ended.
func (a account) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // initdb cleans up after itself
	cmd.WaitDelay = patience
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if a.name != "" {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "PG") { // they would be settings
			cmd.Env = append(cmd.Env, entry)
		}
	}
	cmd.Env = append(cmd.Env, "LC_ALL=C") // the log in English, and no locale that the system lacks
	return cmd
}

// folder makes one that belongs to the account and that it can get to: root may
// have a folder for temporary files that is closed to others.
func (a account) folder() (string, error) {
	parent := os.TempDir()
	if a.name != "" && !open(parent) {
		parent = "/tmp"
	}
	folder, err := os.MkdirTemp(parent, "taskhost-postgres-")
	if err != nil || a.name == "" {
		return folder, err
	}
	if err := os.Chown(folder, a.uid, a.gid); err != nil {
		return "", errors.Join(err, os.Remove(folder))
	}
	return folder, nil
}

// open reports whether everybody may go through a folder and all above it.
func open(folder string) bool {
	folder, err := filepath.EvalSymlinks(folder)
	for err == nil {
		var info os.FileInfo
		if info, err = os.Stat(folder); err == nil && info.Mode()&0o001 == 0 {
			return false
		}
		if folder == filepath.Dir(folder) {
			return err == nil
		}
		folder = filepath.Dir(folder)
	}
	return false
}

//go:embed guard.sh
var guardScript string

// guard is a process that cleans up should this one end without doing so. It
// notices by a pipe that the system closes then, whatever it was that ended it.
type guard struct {
	cmd  *exec.Cmd
	pipe io.Closer
}

func newGuard(ctx context.Context, folder string) (*guard, error) {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "/bin/sh", "-c", guardScript, "taskhost-postgres-guard", folder)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // what kills our group is not to kill it
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &guard{cmd: cmd, pipe: pipe}, nil
}

// dismiss ends the guard before it sees the pipe close.
func (g *guard) dismiss() {
	_ = g.cmd.Process.Kill() // it fails where it was dismissed before
	_ = g.cmd.Wait()         // that it was killed, or waited for
	_ = g.pipe.Close()       // nothing was written
}

// killTree kills a process and its children. It is stopped first, so that it
// does not answer the end of one child with another.
func killTree(process *os.Process) error {
	if err := process.Signal(syscall.SIGSTOP); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	pids, err := children(process.Pid)
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
	}
	if killed := process.Kill(); !errors.Is(killed, os.ErrProcessDone) {
		err = errors.Join(err, killed)
	}
	return err
}

// children asks ps where there is no /proc, and not the other way round: a small
// Linux image has no ps.
func children(parent int) ([]int, error) {
	var pids []int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // it fails for a bad pattern alone
	for _, name := range stats {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		// "12 (name) S 1 ...": the name may hold anything.
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			pids = append(pids, number(name))
		}
	}
	if len(stats) > 0 {
		return pids, nil
	}
	ps := exec.Cmd{Path: "/bin/ps", Args: []string{"ps", "-A", "-o", "ppid=", "-o", "pid="}} // it ends by itself
	list, err := ps.Output()
	for line := range strings.Lines(string(list)) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == strconv.Itoa(parent) {
			pids = append(pids, number(fields[1]))
		}
	}
	return pids, err
}

// removeMemory removes a piece of shared memory. 56 bytes would stay if it
// could not, so that is no error.
func removeMemory(id string) {
	if program, err := exec.LookPath("ipcrm"); err == nil {
		_ = (&exec.Cmd{Path: program, Args: []string{"ipcrm", "-m", id}}).Run()
	}
}
