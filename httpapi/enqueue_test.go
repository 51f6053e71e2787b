package httpapi_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

// enqueued posts a body and returns the request that came of it.
func enqueued(t *testing.T, body string, headers ...string) task.Request {
	t.Helper()
	var got task.Request
	s := serve(t, &fake{enqueue: func(request task.Request) (task.ID, error) {
		got = request
		return parsedID(t), nil
	}})
	answer := s.send(t, "POST", "/v1/tasks", body, headers...)
	require.Equal(t, http.StatusCreated, answer.status, "%s", answer.body)
	require.Equal(t, "application/json", answer.header.Get("Content-Type"))
	require.Equal(t, "/v1/tasks/"+sampleID, answer.header.Get("Location"))
	require.JSONEq(t, `{"task_id":"`+sampleID+`"}`, string(answer.body))
	return got
}

func TestEnqueueOfTheLeast(t *testing.T) {
	require.Equal(t, task.Request{Name: "thumbs.resize"}, enqueued(t, `{"name":"thumbs.resize"}`))
}

func TestEnqueueOfEverything(t *testing.T) {
	require.Equal(t, task.Request{
		Name: "thumbs.resize",
		Args: []byte(`{"width":240}`),
		EnqueueOptions: task.EnqueueOptions{
			IdempotencyKey: "order-7",
			Tags:           map[string]string{"k": "v", "ä": ""},
			Priority:       10,
			Delay:          90 * time.Second,
			Timeout:        1500 * time.Millisecond,
			ExpiresAfter:   10 * time.Minute,
			Unique:         task.UniqueArgs,
			IdempotencyTTL: 24 * time.Hour,
			Version:        3,
		},
	}, enqueued(t, `{"name":"thumbs.resize","args":{"width":240},"priority":10,"tags":{"k":"v","ä":""},"delay":"1m30s","timeout":"1.5s",`+
		`"expires_after":"10m","unique":"args","idempotency_ttl":"24h","version":3}`,
		"Idempotency-Key: order-7", "Content-Type: application/json"))
}

func TestEnqueueRunAt(t *testing.T) {
	got := enqueued(t, `{"name":"a","run_at":"2030-01-02T03:04:05.678+02:00"}`)
	require.True(t, got.RunAt.Equal(time.Date(2030, 1, 2, 1, 4, 5, 678e6, time.UTC)), got.RunAt)
	require.Zero(t, got.Delay)
}

// TestEnqueueOfDelayAndRunAt: which of them are allowed together is for the
// task package to say, and both must reach it.
func TestEnqueueOfDelayAndRunAt(t *testing.T) {
	got := enqueued(t, `{"name":"a","run_at":"2030-01-02T03:04:05Z","delay":"1s"}`)
	require.Equal(t, time.Second, got.Delay)
	require.False(t, got.RunAt.IsZero())
	require.Error(t, got.Validate())
}

func TestEnqueueKeepsArgumentsByteForByte(t *testing.T) {
	for name, args := range map[string]string{
		"an object":   `{"b":1,"a":2}`,
		"white space": "{ \"a\" :\n\t[ 1 , 2 ] }",
		"a key twice": `{"a":1,"a":2}`,
		"escapes":     `"\u00e4\/\u0000<>&"`,
		"characters":  `"äöü 😀 <>& ` + "\u2028" + `"`,
		"digits":      `[1.50,1e2,-0,12345678901234567890123456789,0.1000000000000000055511151231257827]`,
		"a list":      `[]`,
		"a text":      `"text"`,
		"false":       `false`,
		"nested":      strings.Repeat("[", 500) + strings.Repeat("]", 500),
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, args, string(enqueued(t, `{"name":"a","args":`+args+`}`).Args))
		})
	}
}

// TestEnqueueOfNull: whether null is allowed is for the schema to say.
func TestEnqueueOfNull(t *testing.T) {
	require.Equal(t, "null", string(enqueued(t, `{"name":"a","args":null}`).Args))
}

func TestEnqueueRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		body   string
		status int
		code   string
		words  string
	}{
		"nothing":                 {``, 400, "bad_request", "request body is required"},
		"no JSON":                 {`{"name":`, 400, "bad_request", ""},
		"above any float":         {`{"name":"a","args":1e400}`, 400, "bad_request", "validation failed"},
		"two texts":               {`{"name":"a"}{}`, 400, "bad_request", ""},
		"a list":                  {`[]`, 422, "invalid", "expected object"},
		"null":                    {`null`, 422, "invalid", ""},
		"no name":                 {`{}`, 422, "invalid", "name"},
		"a name that is none":     {`{"name":5}`, 422, "invalid", "name"},
		"a field nobody knows":    {`{"name":"a","retries":3}`, 422, "invalid", "retries"},
		"a field misspelt":        {`{"name":"a","arg":{}}`, 422, "invalid", "unexpected property"},
		"priority 0":              {`{"name":"a","priority":0}`, 422, "invalid", "priority"},
		"priority -1":             {`{"name":"a","priority":-1}`, 422, "invalid", "priority"},
		"priority 11":             {`{"name":"a","priority":11}`, 422, "invalid", "priority"},
		"priority between":        {`{"name":"a","priority":1.5}`, 422, "invalid", "priority"},
		"priority as text":        {`{"name":"a","priority":"5"}`, 422, "invalid", "priority"},
		"delay as number":         {`{"name":"a","delay":5}`, 422, "invalid", "delay"},
		"delay without unit":      {`{"name":"a","delay":"5"}`, 422, "invalid", "delay must be a duration such as 90s or 1m30s"},
		"delay in words":          {`{"name":"a","delay":"soon"}`, 422, "invalid", "delay must be a duration"},
		"timeout in words":        {`{"name":"a","timeout":"never"}`, 422, "invalid", "timeout must be a duration"},
		"expires in words":        {`{"name":"a","expires_after":"never"}`, 422, "invalid", "expires_after must be a duration"},
		"key TTL in words":        {`{"name":"a","idempotency_ttl":"ever"}`, 422, "invalid", "idempotency_ttl must be a duration"},
		"unique of no kind":       {`{"name":"a","unique":"tags"}`, 422, "invalid", "unique"},
		"version 0":               {`{"name":"a","version":0}`, 422, "invalid", "version"},
		"version as text":         {`{"name":"a","version":"live"}`, 422, "invalid", "version"},
		"timeout too long to say": {`{"name":"a","timeout":"9999999999h"}`, 422, "invalid", "timeout must be a duration"},
		"run_at without a zone":   {`{"name":"a","run_at":"2030-01-02T03:04:05"}`, 422, "invalid", "run_at"},
		"run_at as a date":        {`{"name":"a","run_at":"2030-01-02"}`, 422, "invalid", "run_at"},
		"run_at as number":        {`{"name":"a","run_at":1893466800}`, 422, "invalid", "run_at"},
		"tags as a list":          {`{"name":"a","tags":["k"]}`, 422, "invalid", "tags"},
		"a tag as number":         {`{"name":"a","tags":{"k":1}}`, 422, "invalid", "tags"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, &fake{enqueue: func(task.Request) (task.ID, error) {
				t.Error("it must not be enqueued")
				return task.ID{}, nil
			}})
			got := s.send(t, "POST", "/v1/tasks", test.body)
			requireProblem(t, got, test.status, test.code)
			require.Contains(t, string(got.body), test.words)
			require.Empty(t, s.log.String(), "the client's mistakes are not the log's")
		})
	}
}

// TestEnqueueProblemsNameThePlace: a client that sends several mistakes hears
// of each, with its place.
func TestEnqueueProblemsNameThePlace(t *testing.T) {
	s := serve(t, &fake{})
	problem := requireProblem(t, s.send(t, "POST", "/v1/tasks", `{"name":"a","priority":11,"tags":{"k":1}}`), 422, "invalid")
	places := make(map[string]bool)
	for _, p := range problem.Errors {
		require.NotEmpty(t, p.Problem)
		places[p.Path] = true
	}
	require.Equal(t, map[string]bool{"body.priority": true, "body.tags.k": true}, places)
}

func TestEnqueueKeyTooLong(t *testing.T) {
	s := serve(t, &fake{enqueue: func(task.Request) (task.ID, error) { return parsedID(t), nil }})
	require.Equal(t, 201, s.send(t, "POST", "/v1/tasks", `{"name":"a"}`, "Idempotency-Key: "+strings.Repeat("k", 256)).status)
	requireProblem(t, s.send(t, "POST", "/v1/tasks", `{"name":"a"}`, "Idempotency-Key: "+strings.Repeat("k", 257)), 422, "invalid")
}

func TestEnqueueOfAnotherContentType(t *testing.T) {
	s := serve(t, &fake{})
	for _, contentType := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"} {
		requireProblem(t, s.send(t, "POST", "/v1/tasks", `{"name":"a"}`, "Content-Type: "+contentType), 415, "unsupported_media_type")
	}
}

func TestEnqueueWhatIsTooLarge(t *testing.T) {
	const most = 1 << 20
	var got task.Request
	s := serve(t, &fake{maxArgs: most, enqueue: func(request task.Request) (task.ID, error) {
		got = request
		return parsedID(t), nil
	}})
	text, err := json.Marshal(strings.Repeat("x", most-2))
	require.NoError(t, err)
	require.Equal(t, 201, s.send(t, "POST", "/v1/tasks", `{"name":"a","args":`+string(text)+`}`).status)
	require.Len(t, got.Args, most, "the most that a task may have gets through")

	for name, body := range map[string]string{
		"arguments":   `{"name":"a","args":"` + strings.Repeat("x", most+64<<10) + `"}`,
		"white space": strings.Repeat(" ", 2<<20) + `{"name":"a"}`,
	} {
		requireProblem(t, s.send(t, "POST", "/v1/tasks", body), 413, "too_large")
		requireProblem(t, s.sendFrom(t, "POST", "/v1/tasks", onlyReader{strings.NewReader(body)}, "Authorization: Bearer "+token), 413, "too_large")
		require.NotEmpty(t, name)
	}
}

// Without a bound of its own, the server reads what any definition may ask for.
func TestEnqueueWithTheLargestArguments(t *testing.T) {
	size := 0
	s := serve(t, &fake{enqueue: func(request task.Request) (task.ID, error) {
		size = len(request.Args)
		return parsedID(t), nil
	}})
	body := `{"name":"a","args":"` + strings.Repeat("x", task.MaxArgsBytes-2) + `"}`
	require.Equal(t, 201, s.send(t, "POST", "/v1/tasks", body).status)
	require.Equal(t, task.MaxArgsBytes, size)
}

// onlyReader hides a reader's length, so that it is sent in chunks.
type onlyReader struct{ r *strings.Reader }

func (r onlyReader) Read(p []byte) (int, error) { return r.r.Read(p) }
