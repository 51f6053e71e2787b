package host

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// threadTime begins to measure the processor time of this goroutine, which stays on
// its thread until the function that it returns is called.
func threadTime() func() time.Duration {
	runtime.LockOSThread()
	started := readThreadTime()
	return func() time.Duration {
		used := readThreadTime() - started
		runtime.UnlockOSThread()
		return used
	}
}

func readThreadTime() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
