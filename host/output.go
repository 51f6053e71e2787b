package host

import (
	"bytes"
	"context"
)

// tailBytes is how much of standard error is kept to explain a trap: language
// runtimes write there what went wrong and where.
const tailBytes = 16 << 10

// lineWriter turns what a guest writes to a standard stream into log lines.
type lineWriter struct {
	x        *execution
	ctx      context.Context //nolint:containedctx // io.Writer has none; set and used inside one execution
	level    int
	keepTail bool

	line []byte // an unfinished line
	tail []byte
	// reason is the last line in which a language runtime said why it gave up.
	// It is kept apart, since a trace that is longer than the tail may follow.
	reason string
}

// Write never fails: over the limit for logs the lines are dropped.
func (w *lineWriter) Write(p []byte) (int, error) {
	if w.keepTail {
		w.tail = append(w.tail, p...)
		if len(w.tail) > 2*tailBytes {
			w.tail = append(w.tail[:0], w.tail[len(w.tail)-tailBytes:]...)
		}
	}
	written := len(p)
	for {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			break
		}
		w.add(p[:end])
		w.flush(w.ctx)
		p = p[end+1:]
	}
	w.add(p)
	return written, nil
}

// add keeps a part of a line, up to a little over the limit, so that the cut
// shows.
func (w *lineWriter) add(p []byte) {
	room := w.x.attempt.Limits.LogLine + 1 - len(w.line)
	w.line = append(w.line, p[:min(len(p), max(room, 0))]...)
}

// flush logs the line, if there is one.
func (w *lineWriter) flush(ctx context.Context) {
	if len(w.line) == 0 {
		return
	}
	if w.keepTail && (bytes.HasPrefix(w.line, []byte("panic: ")) || bytes.HasPrefix(w.line, []byte("fatal error: "))) {
		w.reason = capped(bytes.TrimSpace(w.line), maxMessage)
	}
	w.x.log(ctx, w.level, clean(string(w.line)), nil)
	w.line = w.line[:0]
}

// text is what was written last.
func (w *lineWriter) text() string {
	return string(w.tail[max(0, len(w.tail)-tailBytes):])
}
