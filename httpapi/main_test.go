package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskhost/taskhost/httpapi"
	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake serves what a test gives it. A call that the test did not expect panics,
// which a client sees as an internal error.
type fake struct {
	enqueue     func(request task.Request) (task.ID, error)
	duplicate   bool // what is enqueued was there
	enqueueMany func(requests []task.Request) ([]task.Enqueued, error)
	task        func(id task.ID) (*task.Task, error)
	result      func(id task.ID) ([]byte, string, error)
	logs        func(id task.ID, after int64, limit int) ([]task.LogEntry, error)
	definitions func(ctx context.Context) ([]task.Definition, error)
	await       func(ctx context.Context, id task.ID) error
	attempts    func(id task.ID) ([]task.Attempt, error)
	tasks       func(filter task.Filter, page task.Page) (*task.List, error)
	cancel      func(id task.ID) error
	retry       func(id task.ID, force bool) (task.ID, error)
	// bulk is told what was called: "cancel" or "retry", with ids or a filter.
	bulk func(call string, ids []task.ID, filter *task.Filter, force, dry bool) (*task.Bulk, error)

	clear func(ctx context.Context, filter task.HistoryFilter, dry bool) (*task.HistoryCount, error)

	readEvents func(after task.EventCursor, limit int) ([]task.Event, task.EventCursor, error)
	nextEvents func(ctx context.Context, after task.EventCursor, limit int) ([]task.Event, task.EventCursor, error)

	push     func(name string, wasm []byte) (*modules.Version, error)
	list     func() ([]modules.Version, error)
	versions func(module string) ([]modules.Version, error)

	authenticate func(secret string) (string, bool, error)
	ping         func() error
	nodes        func() ([]task.Node, error)
	drain        func(node string, on bool) error
	release      func(module string, version int) ([]int, error)

	// maxArgs bounds the arguments that are read, 0 for the default.
	maxArgs int64
	// stopping is closed by a test whose server is to stop.
	stopping chan struct{}
}

func (f *fake) Submit(_ context.Context, request task.Request) (task.Enqueued, error) {
	id, err := f.enqueue(request)
	return task.Enqueued{ID: id, Duplicate: f.duplicate}, err
}

func (f *fake) SubmitMany(_ context.Context, requests []task.Request) ([]task.Enqueued, error) {
	return f.enqueueMany(requests)
}

func (f *fake) Task(_ context.Context, id task.ID) (*task.Task, error) { return f.task(id) }

func (f *fake) Result(_ context.Context, id task.ID) ([]byte, string, error) { return f.result(id) }

func (f *fake) Logs(_ context.Context, id task.ID, after int64, limit int) ([]task.LogEntry, error) {
	return f.logs(id, after, limit)
}

func (f *fake) Tasks(_ context.Context, filter task.Filter, page task.Page) (*task.List, error) {
	return f.tasks(filter, page)
}

func (f *fake) Cancel(_ context.Context, id task.ID) error { return f.cancel(id) }

func (f *fake) Retry(_ context.Context, id task.ID, force bool) (task.ID, error) {
	return f.retry(id, force)
}

func (f *fake) CancelIDs(_ context.Context, ids []task.ID, dry bool) (*task.Bulk, error) {
	return f.bulk("cancel", ids, nil, false, dry)
}

func (f *fake) CancelAll(_ context.Context, filter task.Filter, dry bool) (*task.Bulk, error) {
	return f.bulk("cancel", nil, &filter, false, dry)
}

func (f *fake) RetryIDs(_ context.Context, ids []task.ID, force, dry bool) (*task.Bulk, error) {
	return f.bulk("retry", ids, nil, force, dry)
}

func (f *fake) RetryAll(_ context.Context, filter task.Filter, force, dry bool) (*task.Bulk, error) {
	return f.bulk("retry", nil, &filter, force, dry)
}

func (f *fake) Definitions(ctx context.Context) ([]task.Definition, error) { return f.definitions(ctx) }

func (f *fake) Await(ctx context.Context, id task.ID) error { return f.await(ctx, id) }

func (f *fake) Attempts(_ context.Context, id task.ID) ([]task.Attempt, error) {
	return f.attempts(id)
}

func (f *fake) ClearHistory(ctx context.Context, filter task.HistoryFilter, dry bool) (*task.HistoryCount, error) {
	return f.clear(ctx, filter, dry)
}

func (f *fake) ReadEvents(_ context.Context, after task.EventCursor, limit int) ([]task.Event, task.EventCursor, error) {
	return f.readEvents(after, limit)
}

func (f *fake) NextEvents(ctx context.Context, after task.EventCursor, limit int) ([]task.Event, task.EventCursor, error) {
	return f.nextEvents(ctx, after, limit)
}

func (f *fake) Nodes(context.Context) ([]task.Node, error) { return f.nodes() }

func (f *fake) Drain(_ context.Context, node string) error { return f.drain(node, true) }

func (f *fake) Undrain(_ context.Context, node string) error { return f.drain(node, false) }

func (f *fake) ReleaseModule(_ context.Context, module string, version int) ([]int, error) {
	return f.release(module, version)
}

func (f *fake) Push(_ context.Context, name string, wasm []byte) (*modules.Version, error) {
	return f.push(name, wasm)
}

func (f *fake) List(context.Context) ([]modules.Version, error) { return f.list() }

func (f *fake) Versions(_ context.Context, module string) ([]modules.Version, error) {
	return f.versions(module)
}

func (f *fake) Authenticate(_ context.Context, secret string) (string, bool, error) {
	if f.authenticate != nil {
		return f.authenticate(secret)
	}
	return "tests", secret == token, nil
}

func (f *fake) Ping(context.Context) error { return f.ping() }

const (
	token    = "th_secret"
	sampleID = "01890a5d-ac96-774b-bcce-b302099a8057"
)

func parsedID(t *testing.T) task.ID {
	t.Helper()
	id, err := task.ParseID(sampleID)
	require.NoError(t, err)
	return id
}

// served is an API that listens, with its log.
type served struct {
	*httptest.Server

	log *syncBuffer
}

func serve(t *testing.T, f *fake) *served {
	t.Helper()
	log := new(syncBuffer)
	server := httptest.NewServer(handler(f, log))
	t.Cleanup(server.Close)
	server.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &served{server, log}
}

func handler(f *fake, log io.Writer) http.Handler {
	return httpapi.New(httpapi.Config{
		Tasks: f, Events: f, History: f, Modules: f, Auth: f, Health: f, Version: "v1.2.3", Stopping: f.stopping, MaxArgsBytes: f.maxArgs,
		Logger: slog.New(slog.NewJSONHandler(log, nil)),
	})
}

// answer is a response that was read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// send sends a request with the token, and headers as "Name: value".
func (s *served) send(t *testing.T, method, path, body string, headers ...string) answer {
	t.Helper()
	return s.sendFrom(t, method, path, strings.NewReader(body), append([]string{"Authorization: Bearer " + token}, headers...)...)
}

// sendFrom sends a request with the given headers alone.
func (s *served) sendFrom(t *testing.T, method, path string, body io.Reader, headers ...string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, body)
	require.NoError(t, err)
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		request.Header.Set(name, value)
	}
	response, err := s.Client().Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return answer{response.StatusCode, response.Header, text}
}

// into reads the answer as JSON, and nothing that the type does not have.
func (a answer) into(t *testing.T, out any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(a.body))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(out), "%s", a.body)
}

// requireProblem holds an answer to the shape of a problem document.
func requireProblem(t *testing.T, a answer, status int, code string) httpapi.Problem {
	t.Helper()
	require.Equal(t, status, a.status, "%s", a.body)
	require.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
	var problem httpapi.Problem
	a.into(t, &problem)
	require.Equal(t, status, problem.Status)
	require.Equal(t, http.StatusText(status), problem.Title)
	require.Equal(t, code, problem.Code)
	require.NotEmpty(t, problem.Detail)
	return problem
}

// syncBuffer is a buffer for a logger of many goroutines.
type syncBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
