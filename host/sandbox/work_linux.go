package sandbox

import (
	"os"
	"os/signal"
	"slices"
	"strconv"
	"sync"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"

	"github.com/taskhost/taskhost/host"
)

// The walls of a worker, by the names that people are shown.
const (
	wallPrivileges = "no-new-privileges"
	wallLimits     = "resource-limits"
	wallMemory     = "memory-limit"
	wallSyscalls   = "seccomp"
	wallFiles      = "filesystem"
)

// enterModuleDir makes the directory of the worker's module the one that it is in. Its
// path need not be readable for this user, but what is open is.
func enterModuleDir() (string, error) { return ".", unix.Fchdir(moduleFD) }

func modulePath() string { return moduleName }

// confine gives up what no worker needs, and says which walls stand.
func confine(role string) []string {
	var walls []string
	if unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == nil {
		walls = append(walls, wallPrivileges)
	}
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
	closeInherited()
	// Which files it has is a property of the process, unlike what a thread may do.
	if unix.Chroot(".") == nil {
		walls = append(walls, wallFiles)
	}
	_ = unix.Close(moduleFD) // through an open directory there is a way out
	limited := true
	for limit, most := range map[int]uint64{
		unix.RLIMIT_CORE:   0,
		unix.RLIMIT_FSIZE:  maxFile,
		unix.RLIMIT_NOFILE: 64,
	} {
		limited = unix.Setrlimit(limit, &unix.Rlimit{Cur: most, Max: most}) == nil && limited
	}
	if limited {
		walls = append(walls, wallLimits)
	}
	if role == roleCompile && filter(slices.Concat(always, compiling)) {
		walls = append(walls, wallSyscalls)
	}
	return walls
}

// closeInherited closes what the parent has inherited itself, and passed on unknowingly.
// What this process has opened is closed on exec; what has come through one cannot be.
func closeInherited() {
	files, _ := os.ReadDir("/proc/self/fd")
	for _, file := range files {
		fd, err := strconv.Atoi(file.Name())
		if err != nil || fd <= moduleFD {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			_ = unix.Close(fd)
		}
	}
}

// maxFile bounds a file, in bytes: compiled code, or an image, which is a file in
// memory.
const maxFile = 1 << 30

// lockDown closes what was needed to load a module.
func lockDown() []string {
	if filter(always) {
		return []string{wallSyscalls}
	}
	return nil
}

// filter lets all threads make no system calls but these.
func filter(allowed []string) bool {
	return seccomp.LoadFilter(seccomp.Filter{
		NoNewPrivs: true,
		Flag:       seccomp.FilterFlagTSync,
		Policy: seccomp.Policy{
			DefaultAction: seccomp.ActionErrno,
			Syscalls: []seccomp.SyscallGroup{
				{Action: seccomp.ActionAllow, Names: known(allowed), NamesWithCondtions: restricted()},
				{Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS), Names: known([]string{"clone3"})},
			},
		},
	}) == nil
}

// memoryLimit bounds what the process may have of memory that it can write to, which
// is what counts for the machine. It follows what the attempt may use.
type memoryLimit struct {
	own int64
	set uint64
}

// allow sets the limit for a guest that may use so much memory, in bytes.
func (m *memoryLimit) allow(guest int64) error {
	if m.own <= 0 {
		return nil
	}
	most := uint64(m.own + guest)
	if most == m.set {
		return nil
	}
	var now unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_DATA, &now); err != nil {
		return err
	}
	// It may raise its own limit, for what a guest may have at most and no further.
	now.Max = min(now.Max, uint64(m.own+host.MaxMemory))
	now.Cur = min(most, now.Max)
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &now); err != nil {
		return err
	}
	m.set = most
	return nil
}

// stopSignal ends the attempt that is being run when the parent says so. A worker
// that was told is not used again, so that the signal cannot come too late.
type stopSignal struct {
	mu   sync.Mutex
	stop func()
	told bool
}

func watchStops() *stopSignal {
	s := &stopSignal{}
	told := make(chan os.Signal, 1)
	signal.Notify(told, unix.SIGUSR1)
	signal.Ignore(unix.SIGINT, unix.SIGTERM, unix.SIGHUP) // for the parent to decide
	go func() {
		for range told {
			s.mu.Lock()
			s.told = true
			if s.stop != nil {
				s.stop()
			}
			s.mu.Unlock()
		}
	}()
	return s
}

// to has stop called when the parent says so, until the function that it returns is
// called.
func (s *stopSignal) to(stop func()) func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop = stop; s.told {
		stop()
	}
	return func() {
		s.mu.Lock()
		s.stop = nil
		s.mu.Unlock()
	}
}
