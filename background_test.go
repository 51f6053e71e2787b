package taskhost_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost"
	"github.com/taskhost/taskhost/task"
)

// reply is a response that was read.
type reply struct {
	status int
	header http.Header
	body   string
	err    error // of reading it
}

// asked sends a request through the middleware of a host to a handler.
func asked(t *testing.T, h *taskhost.Host, handle http.HandlerFunc) reply {
	t.Helper()
	server := httptest.NewServer(h.Middleware(handle))
	defer server.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, http.NoBody)
	require.NoError(t, err)
	response, err := server.Client().Do(request)
	if err != nil {
		return reply{err: err}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, string(body), err}
}

func write(t *testing.T, w io.Writer, text string) {
	t.Helper()
	_, err := io.WriteString(w, text)
	assert.NoError(t, err)
}

func missing(t *testing.T, h *taskhost.Host, id task.ID) {
	t.Helper()
	_, err := h.Task(t.Context(), id)
	require.ErrorIs(t, err, task.ErrNotFound)
}

// TestBackground: the id is known at once, and the task is there when the client has
// the answer, and not before the handler has returned.
func TestBackground(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	greet := register(t, h, "greet", hello, task.Options{})
	start(t, h)
	var ids []task.ID
	response := asked(t, h, func(w http.ResponseWriter, r *http.Request) {
		for i := range 3 {
			id, err := greet.Add(r.Context(), fmt.Sprint(i), taskhost.EnqueueOptions{Priority: 3})
			assert.NoError(t, err)
			ids = append(ids, id)
		}
		w.Header().Set("X-Kept", "yes")
		w.WriteHeader(http.StatusAccepted)
		write(t, w, ids[0].String())
		for _, id := range ids {
			missing(t, h, id)
		}
	})
	require.Equal(t, http.StatusAccepted, response.status)
	require.Equal(t, "yes", response.header.Get("X-Kept"))
	require.Equal(t, ids[0].String(), response.body)
	for i, id := range ids {
		require.Equal(t, 3, get(t, h, id).Priority)
		require.Equal(t, task.Success, await(t, h, id).Status)
		said, err := greet.Result(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, "hello "+fmt.Sprint(i), said)
	}
}

func TestBackgroundOfNothing(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	response := asked(t, h, func(http.ResponseWriter, *http.Request) {})
	require.Equal(t, http.StatusOK, response.status)
	require.Empty(t, response.body)
}

func TestEager(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	register(t, h, "lazy", hello, task.Options{})
	register(t, h, "eager", hello, task.Options{Eager: true})
	start(t, h)
	yes, no := true, false
	for name, test := range map[string]struct {
		name    string
		options taskhost.EnqueueOptions
		atOnce  bool
	}{
		"neither":                        {"lazy", taskhost.EnqueueOptions{}, false},
		"the definition":                 {"eager", taskhost.EnqueueOptions{}, true},
		"the call":                       {"lazy", taskhost.EnqueueOptions{Eager: &yes}, true},
		"the call, over the definition":  {"eager", taskhost.EnqueueOptions{Eager: &no}, false},
		"whose key may be another's":     {"lazy", taskhost.EnqueueOptions{IdempotencyKey: "k"}, true},
		"that may be another, if unique": {"lazy", taskhost.EnqueueOptions{Unique: task.UniqueName, Delay: time.Hour}, true},
	} {
		var id task.ID
		asked(t, h, func(_ http.ResponseWriter, r *http.Request) {
			var err error
			id, err = taskhost.Background(r.Context()).Add(r.Context(), test.name, "you", test.options)
			assert.NoError(t, err, name)
			_, err = h.Task(r.Context(), id)
			assert.Equal(t, test.atOnce, err == nil, name)
		})
		get(t, h, id)
	}
}

func TestBackgroundRefusesAtOnce(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	register(t, h, "greet", hello, task.Options{})
	asked(t, h, func(_ http.ResponseWriter, r *http.Request) {
		tasks := taskhost.Background(r.Context())
		_, err := tasks.Add(r.Context(), "greeet", "you", taskhost.EnqueueOptions{})
		assert.ErrorIs(t, err, task.ErrNotFound)
		_, err = tasks.Add(r.Context(), "greet", 7, taskhost.EnqueueOptions{})
		var argument *task.ArgumentError
		assert.ErrorAs(t, err, &argument)
		_, err = tasks.Add(r.Context(), "greet", make(chan int), taskhost.EnqueueOptions{})
		assert.ErrorAs(t, err, &argument)
		_, err = tasks.Add(r.Context(), "greet", "you", taskhost.EnqueueOptions{Priority: 11})
		var invalid *task.InvalidError
		assert.ErrorAs(t, err, &invalid)
	})
}

func TestBackgroundOutsideOfARequest(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	greet := register(t, h, "greet", hello, task.Options{})
	_, err := greet.Add(t.Context(), "you", taskhost.EnqueueOptions{})
	require.ErrorContains(t, err, "wrap the HTTP handler in Host.Middleware")
	var after context.Context
	asked(t, h, func(_ http.ResponseWriter, r *http.Request) { after = r.Context() })
	_, err = greet.Add(context.WithoutCancel(after), "you", taskhost.EnqueueOptions{})
	require.ErrorContains(t, err, "the request is over")
}

func TestBackgroundDiscarded(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	greet := register(t, h, "greet", hello, task.Options{})
	var dropped, kept task.ID
	asked(t, h, func(_ http.ResponseWriter, r *http.Request) {
		dropped, _ = greet.Add(r.Context(), "a", taskhost.EnqueueOptions{})
		taskhost.Background(r.Context()).Discard()
		kept, _ = greet.Add(r.Context(), "b", taskhost.EnqueueOptions{})
	})
	missing(t, h, dropped)
	get(t, h, kept)
}

// TestBackgroundOfAPanic: nothing is enqueued for an answer that nobody gets.
func TestBackgroundOfAPanic(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	greet := register(t, h, "greet", hello, task.Options{})
	var id task.ID
	response := asked(t, h, func(w http.ResponseWriter, r *http.Request) {
		id, _ = greet.Add(r.Context(), "a", taskhost.EnqueueOptions{})
		write(t, w, "begun")
		panic(http.ErrAbortHandler)
	})
	require.Error(t, response.err)
	missing(t, h, id)
}

// TestBackgroundOfAClientThatHasGone: what it asked for is done all the same.
func TestBackgroundOfAClientThatHasGone(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	greet := register(t, h, "greet", hello, task.Options{})
	ctx, hangUp := context.WithCancel(t.Context())
	ids := make(chan task.ID, 1)
	handler := h.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		id, err := greet.Add(r.Context(), "a", taskhost.EnqueueOptions{})
		hangUp()
		<-r.Context().Done()
		if err == nil {
			ids <- id
		}
	}))
	request := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", http.NoBody)
	handler.ServeHTTP(httptest.NewRecorder(), request)
	get(t, h, receive(t, ids))
}

// TestBackgroundThatCannotBeStored: the client must not read an answer that says that
// its tasks are there.
func TestBackgroundThatCannotBeStored(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	greet := register(t, h, "greet", hello, task.Options{})
	response := asked(t, h, func(w http.ResponseWriter, r *http.Request) {
		_, err := greet.Add(r.Context(), "a", taskhost.EnqueueOptions{})
		assert.NoError(t, err)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "4")
		w.WriteHeader(http.StatusCreated)
		write(t, w, "done")
		stop(t, h)
	})
	require.Equal(t, http.StatusServiceUnavailable, response.status)
	require.Equal(t, "1", response.header.Get("Retry-After"))
	require.Equal(t, "text/plain; charset=utf-8", response.header.Get("Content-Type"))
	require.Equal(t, "The tasks of this request could not be stored: try again.\n", response.body)
}

// TestBackgroundThatCannotBeStoredWhileTheResponseGoesOut: it is broken off.
func TestBackgroundThatCannotBeStoredWhileTheResponseGoesOut(t *testing.T) {
	for name, begin := range map[string]func(w http.ResponseWriter){
		"flushed": func(w http.ResponseWriter) {
			write(t, w, "begun")
			w.(http.Flusher).Flush()
		},
		"long": func(w http.ResponseWriter) { write(t, w, strings.Repeat("x", 100<<10)) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, taskhost.Config{})
			greet := register(t, h, "greet", hello, task.Options{})
			response := asked(t, h, func(w http.ResponseWriter, r *http.Request) {
				_, err := greet.Add(r.Context(), "a", taskhost.EnqueueOptions{})
				assert.NoError(t, err)
				begin(w)
				stop(t, h)
			})
			require.Error(t, response.err)
		})
	}
}

func TestHeldResponses(t *testing.T) {
	h := newHost(t, taskhost.Config{})
	t.Run("long", func(t *testing.T) {
		text := strings.Repeat("0123456789", 50_000)
		response := asked(t, h, func(w http.ResponseWriter, _ *http.Request) {
			for at := 0; at < len(text); at += 1000 {
				_, err := io.WriteString(w, text[at:at+1000])
				assert.NoError(t, err)
			}
		})
		require.Equal(t, text, response.body)
	})
	t.Run("streamed", func(t *testing.T) {
		release := make(chan struct{})
		server := httptest.NewServer(h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusAccepted)
			write(t, w, "one,")
			assert.NoError(t, http.NewResponseController(w).Flush())
			<-release
			write(t, w, "two")
		})))
		defer server.Close()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, http.NoBody)
		require.NoError(t, err)
		response, err := server.Client().Do(request)
		require.NoError(t, err)
		defer response.Body.Close()
		require.Equal(t, http.StatusAccepted, response.StatusCode)
		first := make([]byte, 4)
		_, err = io.ReadFull(response.Body, first)
		require.NoError(t, err)
		require.Equal(t, "one,", string(first))
		close(release)
		rest, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.Equal(t, "two", string(rest))
	})
	t.Run("hijacked", func(t *testing.T) {
		response := asked(t, h, func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			assert.NoError(t, err)
			defer conn.Close()
			_, err = io.WriteString(conn, "HTTP/1.1 299 Ours\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi")
			assert.NoError(t, err)
		})
		require.Equal(t, 299, response.status)
		require.Equal(t, "hi", response.body)
	})
	t.Run("with information first", func(t *testing.T) {
		response := asked(t, h, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusNoContent)
			w.WriteHeader(http.StatusTeapot)
		})
		require.Equal(t, http.StatusNoContent, response.status)
	})
}
