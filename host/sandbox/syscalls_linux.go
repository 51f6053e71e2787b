package sandbox

import (
	"slices"

	"github.com/elastic/go-seccomp-bpf/arch"
)

// always is what a worker needs while it runs attempts: memory, threads, time, the
// pipes that it has, and nothing that names a file, a process or an address.
var always = []string{
	"brk", "madvise", "mmap", "mprotect", "mremap", "munmap", "mincore", "membarrier",
	"memfd_create", "ftruncate", "fcntl", "pwrite64", "pread64", "ioctl", // images
	"clone", "clone3", "exit", "exit_group", "futex", "futex_wait", "futex_wake", "gettid", "getpid", "tgkill", "tkill",
	"rseq", "set_robust_list", "set_tid_address", "sched_getaffinity", "sched_yield", "prctl",
	"setrlimit", "getrlimit", "prlimit64",
	"clock_gettime", "clock_nanosleep", "nanosleep", "gettimeofday", "restart_syscall", "getrandom",
	"timer_create", "timer_settime", "timer_delete",
	"read", "write", "readv", "writev", "close", "fstat", "lseek",
	"epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_wait", "eventfd2", "pipe2", "poll", "ppoll",
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack",
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
