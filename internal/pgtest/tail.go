package pgtest

import (
	"io"
	"slices"
	"strings"
	"sync"
)

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
	also io.Writer
}

func (t *tail) Write(text []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, text...)
	if over := len(t.text) - 8192; over > 0 {
		t.text = slices.Delete(t.text, 0, over)
	}
	if t.also != nil {
		_, _ = t.also.Write(text) // an error here would stop the server's log, and so the server
	}
	return len(text), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}

func (t *tail) has(text string) bool { return strings.Contains(t.String(), text) }
