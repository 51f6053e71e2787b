package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/taskhost/taskhost/httpapi"
)

const (
	// streamRetry is the pause before a stream that was broken off is asked for again,
	// and streamPatience how long that is tried.
	streamRetry    = 500 * time.Millisecond
	streamPatience = time.Minute
)

// streamEvent is a server-sent event: what it is named, and what it holds.
type streamEvent struct{ id, name, data string }

// keepStreaming calls stream again when that was broken off, as by a server that is
// started again, until it says that it has come to its end, or ctx ends. moved tells
// whether it got any further.
func keepStreaming(ctx context.Context, stream func() (ended, moved bool, err error)) error {
	heard := time.Now()
	for {
		ended, moved, err := stream()
		switch {
		case ended || ctx.Err() != nil:
			return nil
		case err != nil && !passes(err):
			return err
		case err == nil || moved:
			heard = time.Now()
		case time.Since(heard) > streamPatience:
			return err
		}
		select {
		case <-time.After(streamRetry):
		case <-ctx.Done():
			return nil
		}
	}
}

// errUnreachable is what it is like while a server is started again.
var errUnreachable = errors.New("reach the server")

func passes(err error) bool {
	var problem *httpapi.Problem
	return errors.Is(err, errUnreachable) || errors.As(err, &problem) && problem.Status == http.StatusServiceUnavailable
}

// openStream asks for a stream, behind the event with that id if there is any.
func (c *client) openStream(ctx context.Context, path, last string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, nil)
	if err != nil {
		return nil, fmt.Errorf("server: %w: give an address such as http://127.0.0.1:7420", err)
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	if last != "" {
		request.Header.Set("Last-Event-ID", last)
	}
	endless := *c.http
	endless.Timeout = 0
	response, err := endless.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w: is 'taskhost serve' running?", errUnreachable, err)
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("read the server's answer: %w", err)
	}
	return nil, c.problem(response, answer)
}

// maxStreamLine bounds a line, in bytes: one of a log has 8 KiB, and as much of fields.
const maxStreamLine = 1 << 20

// readStream hands on server-sent events until each returns an error, which is then its
// own. A stream that is broken off is no error.
func readStream(from io.Reader, each func(*streamEvent) error) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxStreamLine)
	var e streamEvent
	for lines.Scan() {
		if lines.Text() == "" {
			if err := each(&e); err != nil {
				return err
			}
			e = streamEvent{}
			continue
		}
		field, value, _ := strings.Cut(lines.Text(), ": ") // a comment has no field
		switch field {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			e.data = value
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) { // to ask for it again would not help
		return fmt.Errorf("the server sent something unexpected: a line of more than %d bytes", maxStreamLine)
	}
	return nil
}
