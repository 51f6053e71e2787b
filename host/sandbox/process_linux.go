package sandbox

import (
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// defaultCommand starts the program that is running, whatever has become of its path,
// which nobody may not be able to read.
func defaultCommand() ([]string, error) { return []string{"/proc/self/exe"}, nil }

func moduleEnvironment(*os.File) []string { return nil }

// isolation is what a worker can be cut off from on this machine.
type isolation struct {
	namespaces uintptr
	user       bool // a namespace of users of its own
	nobody     bool
	root       bool // may make its directory the root of its files
}

const separate = syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS

// isolations are what is tried, the best first.
func isolations() []isolation {
	root := os.Geteuid() == 0
	if root {
		return []isolation{
			{namespaces: separate, nobody: true, root: true},
			{namespaces: separate | syscall.CLONE_NEWUSER, user: true, root: true},
			{namespaces: separate, nobody: true},
			{nobody: true, root: true},
			{nobody: true},
			{},
		}
	}
	return []isolation{
		{namespaces: separate | syscall.CLONE_NEWUSER, user: true, root: true},
		{namespaces: separate | syscall.CLONE_NEWUSER, user: true},
		{},
	}
}

// walls names what stands.
func (i isolation) walls() []string {
	var walls []string
	if i.namespaces != 0 {
		walls = append(walls, "namespaces")
	}
	if i.nobody || i.user || os.Geteuid() != 0 {
		walls = append(walls, "unprivileged-user")
	}
	return walls
}

// confine says how a worker is started, and what it inherits.
func (p *Pool) confine(cmd *exec.Cmd, lifeline, dir *os.File) {
	cmd.ExtraFiles = []*os.File{lifeline, dir} // lifelineFD, moduleFD
	attr := &syscall.SysProcAttr{
		Cloneflags: p.isolation.namespaces,
		Pdeathsig:  syscall.SIGKILL,
		Setsid:     true, // signals of the terminal are the parent's
	}
	if p.isolation.user {
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getegid(), Size: 1}}
	}
	if p.isolation.nobody {
		attr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	if p.isolation.root {
		attr.AmbientCaps = []uintptr{unix.CAP_SYS_CHROOT} // of no use once seccomp stands
	}
	cmd.SysProcAttr = attr
}

// tell asks the worker to end its attempt.
func (w *process) tell() error { return w.cmd.Process.Signal(syscall.SIGUSR1) }
