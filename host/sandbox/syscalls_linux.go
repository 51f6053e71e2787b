package sandbox

import (
	"os"
	"slices"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// always is what a worker needs while it runs attempts: memory, threads, time, the
// pipes that it has, and nothing that names a file, a process or an address.
var always = []string{
	"brk", "madvise", "mmap", "mprotect", "mremap", "munmap", "mincore", "membarrier",
	"memfd_create", "ftruncate", "fcntl", "pwrite64", "pread64", "ioctl", // images
	"exit", "exit_group", "futex", "futex_wait", "futex_wake", "gettid", "getpid",
	"rseq", "set_robust_list", "set_tid_address", "sched_getaffinity", "sched_yield",
	"getrlimit",
	"clock_gettime", "clock_nanosleep", "nanosleep", "gettimeofday", "restart_syscall", "getrandom",
	"timer_create", "timer_settime", "timer_delete",
	"read", "write", "readv", "writev", "close", "fstat", "lseek",
	"epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_wait", "eventfd2", "pipe2", "poll", "ppoll",
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack",
}

// restricted are those that reach beyond the process with other arguments than these: it
// has threads and no children, signals and limits of its own alone, and cannot take back
// that it ends with its parent.
func restricted() []seccomp.NameWithConditions {
	only := func(name string, argument uint32, operation seccomp.Operation, value uint64) seccomp.NameWithConditions {
		return seccomp.NameWithConditions{Name: name, Conditions: []seccomp.Condition{{Argument: argument, Operation: operation, Value: value}}}
	}
	return []seccomp.NameWithConditions{
		only("clone", 0, seccomp.BitsSet, unix.CLONE_THREAD),
		only("tgkill", 0, seccomp.Equal, uint64(os.Getpid())),
		only("prctl", 0, seccomp.Equal, unix.PR_SET_VMA), // names of the runtime's memory
		only("prlimit64", 0, seccomp.Equal, 0),
	}
}

// compiling is what it takes besides to load compiled code and to keep it.
var compiling = []string{
	"openat", "newfstatat", "fstatat", "statx", "getdents64", "mkdirat", "renameat", "renameat2", "unlinkat",
	"fsync", "readlinkat", "readlink", "fchmod", "getcwd", "copy_file_range", "splice", "sendfile",
	"getuid", "geteuid", "getgid", "getegid", "uname", "faccessat", "faccessat2", "unlink", "rename", "mkdir", "open", "stat", "lstat",
}

// known leaves out what this processor's Linux does not have.
func known(names []string) []string {
	info, err := arch.GetInfo("")
	if err != nil {
		return names
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, ok := info.SyscallNames[name]
		return !ok
	})
}
