package riverstore

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/taskhost/taskhost/internal/text"
	"github.com/taskhost/taskhost/task"
)

// Limits of what an attempt may log.
const (
	// MaxLogLine bounds a line: its message and its fields, each.
	MaxLogLine = 8 << 10
	// MaxLogBytes bounds the lines of an attempt whose definition says nothing else,
	// each counted with LogLineCost more than its text. One more line then says that
	// the rest was dropped.
	MaxLogBytes = task.DefaultLogBytes
	// LogLineCost is what a line costs beside its text, so that many short
	// lines are bounded too: to 16,384.
	LogLineCost = 64
)

// attemptLog gathers the lines of one attempt until they are stored.
type attemptLog struct {
	id      task.ID
	lease   int64
	attempt int
	most    int64 // bytes, 0 for MaxLogBytes
	now     func() time.Time

	// storing is held while lines that were taken are being stored, so that
	// the attempt's end cannot overtake them.
	storing sync.Mutex

	mu    sync.Mutex
	lines []LogLine
	next  int64
	bytes int64
	full  bool
}

// Log implements [task.LogSink].
func (l *attemptLog) Log(level task.Level, message string, fields json.RawMessage) {
	message = text.Cut(message, MaxLogLine)
	switch {
	case len(fields) > MaxLogLine:
		fields = json.RawMessage(fmt.Sprintf(`{"dropped":"fields of %d bytes, at most %d are kept"}`, len(fields), MaxLogLine))
	case len(fields) > 0 && !(utf8.Valid(fields) && json.Valid(fields)):
		fields = json.RawMessage(`{"dropped":"fields that are not JSON in UTF-8"}`)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full {
		return
	}
	most := l.most
	if most == 0 {
		most = MaxLogBytes
	}
	l.bytes += int64(len(message) + len(fields) + LogLineCost)
	if l.bytes > most {
		l.full = true
		level, fields = task.Warn, nil
		message = fmt.Sprintf("truncated: limit logs: the attempt logged more than %d bytes, the rest is dropped: log less, or raise log_bytes of the definition", most)
	}
	l.lines = append(l.lines, LogLine{Task: l.id, Lease: l.lease, LogEntry: task.LogEntry{
		Seq:     l.lease<<task.LogSeqBits | l.next,
		Attempt: l.attempt,
		Time:    l.now().UTC(),
		Level:   level,
		Message: message,
		Fields:  fields,
	}})
	l.next++
}

// take removes the lines that are waiting.
func (l *attemptLog) take() []LogLine {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.lines
	l.lines = nil
	return lines
}

// giveBack returns lines that could not be stored.
func (l *attemptLog) giveBack(lines []LogLine) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(lines, l.lines...)
}

// end takes what was not stored, after whatever is being stored.
func (l *attemptLog) end() []LogLine {
	l.storing.Lock()
	defer l.storing.Unlock()
	return l.take()
}

// journal holds the logs of the attempts in progress, and stores their lines
// at intervals, so that they can be read while the attempt runs.
type journal struct {
	mu   sync.Mutex
	open map[*attemptLog]struct{}
}

func (j *journal) begin(exec *task.Execution) *attemptLog {
	l := &attemptLog{id: exec.Task.ID, lease: exec.Lease, attempt: exec.Task.Attempt, most: exec.Limits.LogBytes, now: time.Now}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.open == nil {
		j.open = make(map[*attemptLog]struct{})
	}
	j.open[l] = struct{}{}
	return l
}

// end closes a log and returns the lines that are left to store.
func (j *journal) end(l *attemptLog) []LogLine {
	j.mu.Lock()
	delete(j.open, l)
	j.mu.Unlock()
	return l.end()
}

// flush stores the lines of every open log with one call.
func (j *journal) flush(store func([]LogLine) error) error {
	j.mu.Lock()
	logs := slices.Collect(maps.Keys(j.open))
	j.mu.Unlock()

	type taken struct {
		log   *attemptLog
		lines []LogLine
	}
	var all []taken
	var lines []LogLine
	for _, l := range logs {
		l.storing.Lock()
		defer l.storing.Unlock()
		if own := l.take(); len(own) > 0 {
			all = append(all, taken{l, own})
			lines = append(lines, own...)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	err := store(lines)
	if err != nil {
		for _, t := range all {
			t.log.giveBack(t.lines)
		}
	}
	return err
}
