package tests_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// bodyMost is how long a request may go on before the server ends it.
const bodyMost = 19 * time.Second

// raw is a connection on which a test can write what no client would.
type raw struct {
	net.Conn
	reader *bufio.Reader
}

func (p *process) dial(t *testing.T) *raw {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(p.url, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() }) // a test may have closed it
	require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	return &raw{conn, bufio.NewReader(conn)}
}

// say writes lines, and ends the head of a request with an empty one.
func (r *raw) say(t *testing.T, lines ...string) {
	t.Helper()
	_, err := io.WriteString(r, strings.Join(lines, "\r\n")+"\r\n")
	require.NoError(t, err)
}

// drip writes a piece at intervals until the connection is closed. It returns
// what the server answered before it closed it, and how long that took. It may
// be called from any goroutine.
func (r *raw) drip(ctx context.Context, piece string, interval time.Duration) (answered string, open time.Duration) {
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, bodyMost)
	defer context.AfterFunc(ctx, func() { _ = r.SetDeadline(time.Now()) })()
	var writing sync.WaitGroup
	writing.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			if _, err := io.WriteString(r, piece); err != nil {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	})
	text, _ := io.ReadAll(r.reader) // an end of whatever kind
	open = time.Since(begun)
	cancel()
	writing.Wait()
	return string(text), open
}

func parseAnswer(t *testing.T, text string) answer {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(strings.NewReader(text)), nil)
	require.NoError(t, err, "%q", text)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return answer{response.StatusCode, response.Header, content}
}

// endless is a request that never comes to an end, and what came of it.
type endless struct {
	head     []string
	piece    string
	interval time.Duration
	// status and code are of the answer, where one is promised before the
	// connection is closed.
	status int
	code   string

	answered string
	open     time.Duration
}

func endlessRequests(credential string) map[string]*endless {
	const space = "1\r\n \r\n" // a chunk
	megabytes := "10000\r\n" + strings.Repeat(" ", 1<<16) + "\r\n"
	post := func(path string, more ...string) []string {
		return append([]string{"POST " + path + " HTTP/1.1", "Host: x", "Content-Type: application/json", "Transfer-Encoding: chunked"}, more...)
	}
	return map[string]*endless{
		"slowly": {head: post("/v1/tasks", credential, ""), piece: space, interval: time.Second, status: 408, code: "body_timeout"},
		"fast":   {head: post("/v1/tasks", credential, ""), piece: megabytes, interval: 1, status: 413, code: "too_large"},
		"without a credential": {
			head: post("/v1/tasks", ""), piece: space, interval: time.Second,
		},
		"a module without a credential": {
			head: post("/v1/modules/x", ""), piece: space, interval: time.Second,
		},
		"where there is no body": {
			head:  []string{"GET /v1/definitions HTTP/1.1", "Host: x", "Transfer-Encoding: chunked", credential, ""},
			piece: space, interval: time.Second,
		},
		"where there is nothing": {head: post("/v1/nothing", credential, ""), piece: space, interval: time.Second},
		"on health": {
			head: []string{"GET /healthz HTTP/1.1", "Host: x", "Content-Length: 1000", ""}, piece: "x", interval: time.Second,
		},
		"in the head": {head: post("/v1/tasks"), piece: "X-A: b\r\n", interval: time.Second},
	}
}

// A request that does not come to an end is ended, whoever sends it.
func TestEndlessRequests(t *testing.T) {
	t.Parallel()
	p, c := serve(t, built(t).dataDir(t))
	requests := endlessRequests("Authorization: Bearer " + p.token)
	var dripping sync.WaitGroup
	for _, e := range requests {
		r := p.dial(t)
		r.say(t, e.head...)
		dripping.Go(func() { e.answered, e.open = r.drip(t.Context(), e.piece, e.interval) })
	}
	for range 20 { // the others are served meanwhile
		require.Equal(t, 200, c.request(t, "GET", "/readyz", nil).status)
	}
	dripping.Wait()
	for name, e := range requests {
		t.Run(name, func(t *testing.T) {
			require.Less(t, e.open, bodyMost, "the connection is held for as long as the client likes")
			if e.status != 0 {
				parseAnswer(t, e.answered).problem(t, e.status, e.code)
			}
		})
	}
	require.Zero(t, readFile(t, p.dir).counts(t).tasks)
	p.stop(t)
}

// A client that does not keep to the protocol is told so, and it is no error of
// the server's.
func TestRudeClients(t *testing.T) {
	t.Parallel()
	p, _ := serve(t, built(t).dataDir(t))
	credential := "Authorization: Bearer " + p.token
	enqueue := []string{"POST /v1/tasks HTTP/1.1", "Host: x", "Content-Type: application/json", "Transfer-Encoding: chunked", credential, ""}

	t.Run("a chunk that is none", func(t *testing.T) {
		r := p.dial(t)
		r.say(t, append(enqueue, "zz")...)
		text, _ := r.drip(t.Context(), "zz\r\n", time.Second)
		a := parseAnswer(t, text)
		if a.status == 408 {
			a.problem(t, 408, "body_timeout")
		} else {
			a.problem(t, 400, "bad_request")
		}
	})
	t.Run("what is left of a body is no request", func(t *testing.T) {
		const smuggled = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
		for _, path := range []string{"/v1/tasks", "/v1/nothing"} {
			r := p.dial(t)
			content := strings.Repeat(smuggled, (2<<20)/len(smuggled))
			writing := make(chan struct{})
			go func() {
				defer close(writing)
				// It may be cut off in the middle.
				_, _ = io.WriteString(r, "POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"+
					credential+"\r\nContent-Length: "+itoa(int64(len(content)))+"\r\n\r\n"+content)
			}()
			text, _ := io.ReadAll(r.reader) // an end of whatever kind
			<-writing
			require.Equal(t, 1, strings.Count(string(text), "HTTP/1.1 "), "%.500q", text)
		}
	})
	t.Run("a client that hangs up", func(t *testing.T) {
		r := p.dial(t)
		r.say(t, append(enqueue, "5", `{"nam`)...)
		require.NoError(t, r.Close())
	})
	for name, header := range map[string]string{
		"a large header": "X-Large: " + strings.Repeat("x", 64<<10),
		"many headers":   strings.TrimSuffix(strings.Repeat("X-Many: x\r\n", 8000), "\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			r := p.dial(t)
			r.say(t, "GET /v1/definitions HTTP/1.1", "Host: x", credential, header, "")
			status, err := r.reader.ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, "HTTP/1.1 431 Request Header Fields Too Large\r\n", status)
		})
	}
	t.Run("not HTTP", func(t *testing.T) {
		r := p.dial(t)
		r.say(t, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "")
		status, err := r.reader.ReadString('\n')
		require.NoError(t, err)
		require.Contains(t, status, " 400 ")
	})
	require.Zero(t, readFile(t, p.dir).counts(t).tasks)
	p.stop(t)
}
