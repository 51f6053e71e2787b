package taskhost

import (
	"bufio"
	"bytes"
	"maps"
	"net"
	"net/http"
)

// heldBytes is how much of a response is held back.
const heldBytes = 64 << 10

// heldResponse holds a response back until it is known whether it is true.
type heldResponse struct {
	http.ResponseWriter

	before http.Header // what was set before the handler was called
	code   int         // 0 until the handler has chosen one
	body   bytes.Buffer
	begun  bool // it goes out
}

var (
	_ http.Flusher  = (*heldResponse)(nil)
	_ http.Hijacker = (*heldResponse)(nil)
)

func holdResponse(w http.ResponseWriter) *heldResponse {
	return &heldResponse{ResponseWriter: w, before: w.Header().Clone()}
}

// Unwrap is for http.ResponseController.
func (h *heldResponse) Unwrap() http.ResponseWriter { return h.ResponseWriter }

// WriteHeader implements [http.ResponseWriter].
func (h *heldResponse) WriteHeader(code int) {
	switch {
	case h.begun || code < http.StatusOK: // what is only information has no part in the response
		h.ResponseWriter.WriteHeader(code)
	case h.code == 0:
		h.code = code
	}
}

// Write implements [http.ResponseWriter].
func (h *heldResponse) Write(p []byte) (int, error) {
	if !h.begun && h.body.Len()+len(p) > heldBytes {
		if err := h.begin(); err != nil {
			return 0, err
		}
	}
	if h.begun {
		return h.ResponseWriter.Write(p)
	}
	h.WriteHeader(http.StatusOK)
	return h.body.Write(p)
}

// Flush implements [http.Flusher].
func (h *heldResponse) Flush() { _ = h.FlushError() }

// FlushError is what http.ResponseController calls.
func (h *heldResponse) FlushError() error {
	if err := h.begin(); err != nil {
		return err
	}
	return http.NewResponseController(h.ResponseWriter).Flush()
}

// Hijack implements [http.Hijacker].
func (h *heldResponse) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err == nil {
		h.begun = true
	}
	return conn, buffered, err
}

// begin lets go of what was held.
func (h *heldResponse) begin() error {
	if h.begun {
		return nil
	}
	h.begun = true
	if h.code != 0 {
		h.ResponseWriter.WriteHeader(h.code)
	}
	if h.body.Len() == 0 {
		return nil
	}
	_, err := h.ResponseWriter.Write(h.body.Bytes())
	h.body = bytes.Buffer{}
	return err
}

// release ends a response that is true.
func (h *heldResponse) release() {
	_ = h.begin() // the client has gone, or it has not
}

// refuse puts an error in the place of a response that is not true, and breaks it off
// where it is on its way.
func (h *heldResponse) refuse() {
	if h.begun {
		panic(http.ErrAbortHandler)
	}
	h.begun = true
	header := h.Header()
	clear(header)
	maps.Copy(header, h.before)
	header.Set("Retry-After", "1")
	http.Error(h.ResponseWriter, "The tasks of this request could not be stored: try again.", http.StatusServiceUnavailable)
}
