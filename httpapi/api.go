package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/task"
)

// Tasks is what is served of tasks.
type Tasks interface {
	TaskReader
	TaskControl
	Submit(ctx context.Context, request task.Request) (task.Enqueued, error)
	// SubmitMany stores all requests or none.
	SubmitMany(ctx context.Context, requests []task.Request) ([]task.Enqueued, error)
	Definitions(ctx context.Context) ([]task.Definition, error)
}

// TaskReader is what is served of a single task.
type TaskReader interface {
	Task(ctx context.Context, id task.ID) (*task.Task, error)
	Result(ctx context.Context, id task.ID) (result []byte, contentType string, err error)
	Logs(ctx context.Context, id task.ID, after int64, limit int) ([]task.LogEntry, error)
	Attempts(ctx context.Context, id task.ID) ([]task.Attempt, error)
	// Await returns when the task has ended, or ctx has.
	Await(ctx context.Context, id task.ID) error
}

// TaskControl is what is served to stop, repeat and list tasks.
type TaskControl interface {
	TaskBulk
	Tasks(ctx context.Context, filter task.Filter, page task.Page) (*task.List, error)
	Cancel(ctx context.Context, id task.ID) error
	Retry(ctx context.Context, id task.ID, force bool) (task.ID, error)
}

// TaskBulk is that for many tasks at once.
type TaskBulk interface {
	CancelIDs(ctx context.Context, ids []task.ID, dry bool) (*task.Bulk, error)
	CancelAll(ctx context.Context, filter task.Filter, dry bool) (*task.Bulk, error)
	RetryIDs(ctx context.Context, ids []task.ID, force, dry bool) (*task.Bulk, error)
	RetryAll(ctx context.Context, filter task.Filter, force, dry bool) (*task.Bulk, error)
}

// Events tells of what happens to tasks.
type Events interface {
	// ReadEvents returns events behind a cursor, and the cursor behind the last. An
	// empty cursor is now.
	ReadEvents(ctx context.Context, after task.EventCursor, limit int) ([]task.Event, task.EventCursor, error)
	// NextEvents waits where there are none, until ctx ends, which is no error.
	NextEvents(ctx context.Context, after task.EventCursor, limit int) ([]task.Event, task.EventCursor, error)
}

// Modules is what is served of modules.
type Modules interface {
	Push(ctx context.Context, name string, wasm []byte) (*modules.Version, error)
	List(ctx context.Context) ([]modules.Version, error)
	Versions(ctx context.Context, module string) ([]modules.Version, error)
}

// History is what is served of tasks that have ended.
type History interface {
	// ClearHistory deletes tasks that have ended, or with dry counts them. Where ctx
	// ends first, it counts what was deleted by then.
	ClearHistory(ctx context.Context, filter task.HistoryFilter, dry bool) (*task.HistoryCount, error)
}

// Authenticator knows credentials.
type Authenticator interface {
	// Authenticate returns the name of the credential with that secret.
	Authenticate(ctx context.Context, secret string) (name string, ok bool, err error)
}

// Health knows whether work can be done, by whom, and who is not to, and of what.
type Health interface {
	// Ping reports whether the database answers.
	Ping(ctx context.Context) error
	// Nodes lists the processes that work tasks.
	Nodes(ctx context.Context) ([]task.Node, error)
	// Drain has a node start nothing more, and Undrain takes that back.
	Drain(ctx context.Context, node string) error
	Undrain(ctx context.Context, node string) error
	// ReleaseModule has all nodes run versions of a module again that are in
	// quarantine, one or with 0 all. It returns which were.
	ReleaseModule(ctx context.Context, module string, version int) ([]int, error)
}

// Config says what to serve. All fields but Stopping, MaxArgsBytes, Logger and
// Version are needed.
type Config struct {
	Tasks   Tasks
	Events  Events
	History History
	Modules Modules
	Auth    Authenticator
	Health  Health
	// Stopping is closed when the server is about to stop: requests that wait
	// for a task are then answered at once, where its shutdown would wait for
	// them. Have http.Server.RegisterOnShutdown close it.
	Stopping <-chan struct{}
	// MaxArgsBytes bounds the arguments that are read of a request, before it is known
	// what the definition allows. Defaults to 16 MiB, which is also the most.
	MaxArgsBytes int64
	// Logger takes internal errors. Defaults to none.
	Logger *slog.Logger
	// Version is the program's, for the OpenAPI document.
	Version string
}

// api is the handlers' shared state.
type api struct {
	Config

	// waiting holds an entry for each request that waits for a task.
	waiting chan struct{}
	// following holds an entry for each request that follows events.
	following chan struct{}
}

// New returns the handler.
func New(config Config) http.Handler {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.MaxArgsBytes == 0 {
		config.MaxArgsBytes = task.MaxArgsBytes
	}
	a := &api{Config: config, waiting: make(chan struct{}, maxWaiting), following: make(chan struct{}, maxFollowing)}

	mux := http.NewServeMux()
	settings := documentSettings(config.Version)
	settings.Transformers = []huma.Transformer{a.asProblem}
	routes := humago.New(mux, settings)
	a.registerTasks(routes)
	a.registerAttempts(routes)
	a.registerList(routes)
	a.registerControl(routes)
	a.registerBulk(routes)
	a.registerHistory(routes)
	a.registerEvents(routes)
	a.registerModules(routes)
	a.registerNodes(routes)
	completeSchemas(settings.Components.Schemas)
	mux.HandleFunc("/", a.handleUnknown)

	outer := http.NewServeMux()
	outer.HandleFunc("GET /healthz", handleHealth)
	outer.HandleFunc("GET /readyz", a.handleReady)
	outer.Handle("/", a.authenticated(mux))
	return a.recovered(secured(bounded(outer)))
}

// secured sets the headers that keep a browser from doing anything with an
// answer but showing it: results are whatever a guest returned.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// recovered answers for a handler that panicked.
func (a *api) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			a.Logger.ErrorContext(r.Context(), "a request handler panicked",
				slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			writeProblem(w, internalProblem())
		}()
		next.ServeHTTP(w, r)
	})
}

func handleHealth(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n")) // the client is gone, or it is not
}

// handleReady says whether the database answers.
func (a *api) handleReady(w http.ResponseWriter, r *http.Request) {
	if err := a.Health.Ping(r.Context()); err != nil {
		a.Logger.WarnContext(r.Context(), "not ready", slog.Any("error", err))
		writeProblem(w, problemf(http.StatusServiceUnavailable, "unavailable", "the database does not answer"))
		return
	}
	handleHealth(w, r)
}

func (a *api) handleUnknown(w http.ResponseWriter, r *http.Request) {
	writeProblem(w, problemf(http.StatusNotFound, "not_found", "there is nothing at %s %.200q: /openapi.json lists what there is", r.Method, r.URL.Path))
}
