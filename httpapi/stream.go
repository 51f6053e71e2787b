package httpapi

import (
	"io"
	"net/http"
	"time"
)

const (
	// streamKeepAlive is how long nothing may be sent: proxies give up on what is
	// silent.
	streamKeepAlive = 15 * time.Second
	// streamWrite bounds one write to a client that does not read.
	streamWrite = 30 * time.Second
)

// stream is an answer of server-sent events. One goroutine uses it.
type stream struct {
	w       io.Writer
	control *http.ResponseController
	sent    time.Time // when anything was last
}

// openStream begins the answer: from here on no problem can be answered.
func openStream(w http.ResponseWriter) *stream {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would gather what is to be seen at once
	w.WriteHeader(http.StatusOK)
	return &stream{w: w, control: http.NewResponseController(w)}
}

// flush sends what was written, and the headers where that is nothing.
func (s *stream) flush() error {
	s.sent = time.Now()
	return s.control.Flush()
}

// write sends whole events at once. Where it fails the client has gone, or does not read.
func (s *stream) write(text string) error {
	// The server's own deadline is for the whole answer.
	_ = s.control.SetWriteDeadline(time.Now().Add(streamWrite)) // a writer that knows none is a test's
	if _, err := io.WriteString(s.w, text); err != nil {
		return err
	}
	return s.flush()
}
