package sqlitestore

import (
	"fmt"
	"os"
	"syscall"
)

// fileWrites tells when a file is written to.
type fileWrites struct{ events *os.File }

func watchWrites(path string) (*fileWrites, error) {
	// Non-blocking, so that the runtime waits for it and a close ends the wait.
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("inotify: %w", err)
	}
	events := os.NewFile(uintptr(fd), "inotify")
	if _, err := syscall.InotifyAddWatch(fd, path, syscall.IN_MODIFY); err != nil {
		_ = events.Close()
		return nil, fmt.Errorf("inotify %s: %w", path, err)
	}
	return &fileWrites{events}, nil
}

// wait returns when the file has been written to since the last wait, or when
// it is closed.
func (w *fileWrites) wait() {
	// Whatever fits: only that there was something counts.
	var events [4096]byte
	_, _ = w.events.Read(events[:]) // an error is that of a close, and who waits is about to stop
}

func (w *fileWrites) close() error { return w.events.Close() }
