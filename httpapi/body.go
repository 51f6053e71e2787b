package httpapi

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// bounded gives every body an end. A handler that answers without reading its
// body leaves that to the server, which would otherwise wait for the rest of it
// as long as the client likes: also where there is no credential. Operations
// with a body set a deadline of their own.
func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			// A writer that knows no deadlines is a test's.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
			// Of a copy: the server looks at its own request for what is left of
			// the body, and would take that for the next request.
			r = r.WithContext(r.Context())
			r.Body = body{r.Body}
		}
		next.ServeHTTP(w, r)
	})
}

// body marks the error of a client that hung up or broke the protocol as a
// timeout: huma takes every other error for one of the server's.
type body struct{ io.ReadCloser }

func (b body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = incompleteError{err}
	}
	return n, err
}

// incompleteError is a net.Error.
type incompleteError struct{ error }

func (e incompleteError) Unwrap() error { return e.error }
func (incompleteError) Timeout() bool   { return true }
func (incompleteError) Temporary() bool { return false }
