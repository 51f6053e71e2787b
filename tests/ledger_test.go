package tests_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// entry is one task as its client knows it: it has a key of its own, and an id
// once the server has acknowledged it.
type entry struct {
	key    string
	body   body
	result string // of a success
	first  int    // which of the servers is asked first
	id     string
	// ambiguous counts the requests that ended without an answer, or with one
	// that leaves it open: the task may be stored or not.
	ambiguous int
	// again is the id for the key when it was asked for once more.
	again string
}

// ledger is what the clients were promised.
type ledger struct {
	mu      sync.Mutex
	entries []*entry
}

func (l *ledger) add(e *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, e)
}

// acknowledged returns the entries that have an id.
func (l *ledger) acknowledged() []*entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]*entry(nil), l.entries...)
}

// crowd is clients that enqueue as long as they are given work, from servers
// that die under them.
type crowd struct {
	ledger ledger
	// work holds one token for each task to enqueue.
	work chan struct{}
	// addresses are where the servers are that live now.
	addresses atomic.Pointer[[]string]
	done      sync.WaitGroup
	// slow is how long the slow tasks take at most, in milliseconds.
	slow int
	// answers is set where the servers live all the time: each request is then to
	// be answered.
	answers bool
	// unavailable counts the answers 503, and slowest is how long the slowest
	// answer took, in nanoseconds.
	unavailable, slowest atomic.Int64
}

const (
	crowdClients = 4
	// crowdAnswerTimeout bounds how long a client tries to have one task taken.
	crowdAnswerTimeout = 90 * time.Second
	// answerMost bounds how long one answer takes of a server that lives.
	answerMost = 10 * time.Second
)

// newCrowd makes a crowd that has servers, and room for so many tasks to enqueue.
func newCrowd(slow, most int, servers ...string) *crowd {
	c := &crowd{slow: slow, work: make(chan struct{}, most)}
	c.addresses.Store(&servers)
	return c
}

// begin starts the clients. Their token is good for every server.
func (c *crowd) begin(t *testing.T, token string, seed uint64) {
	for i := range crowdClients {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		c.done.Go(func() {
			own := newClient("", token)
			defer own.close()
			for n := 0; ; n++ {
				select {
				case _, ok := <-c.work:
					if !ok {
						return
					}
				case <-t.Context().Done(): // a test that failed gives no more work
					return
				}
				if err := c.one(t.Context(), own, makeEntry(random, fmt.Sprintf("%d/%d", i, n), c.slow), random); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	t.Cleanup(c.done.Wait)
}

// give has the clients enqueue so many more tasks.
func (c *crowd) give(tasks int) {
	for range tasks {
		c.work <- struct{}{}
	}
}

// finish waits until the clients have enqueued all that they were given.
func (c *crowd) finish(t *testing.T) {
	t.Helper()
	close(c.work)
	c.done.Wait()
	require.False(t, t.Failed())
}

// makeEntry makes a task that is like no other.
func makeEntry(random *rand.Rand, name string, slow int) *entry {
	e := &entry{key: "key " + name, first: random.IntN(64)}
	ms := 5 + random.IntN(slow)
	switch random.IntN(5) {
	case 0, 1:
		e.result = fmt.Sprintf(`{"from": %q,  "n": %d.0}`, name, random.IntN(1000))
		e.body = body{Name: "demo.echo", Args: json.RawMessage(e.result)}
	case 2:
		e.result = `{"attempts":2}`
		e.body = body{Name: "demo.flaky", Args: json.RawMessage(`{"fail_times":1}`)}
	case 3:
		e.result = fmt.Sprintf("%q", name)
		e.body = body{Name: "slow.requeue", Args: slowArgs(ms, name)}
	case 4:
		e.result = fmt.Sprintf("%q", name)
		e.body = body{Name: "slow.once", Args: slowArgs(ms, name)}
	}
	e.body.Priority = 1 + random.IntN(10)
	return e
}

// one has a task taken, however often the server dies, and now and then asks
// for it once more.
func (c *crowd) one(ctx context.Context, own *client, e *entry, random *rand.Rand) error {
	ctx, cancel := context.WithTimeout(ctx, crowdAnswerTimeout)
	defer cancel()
	var err error
	if e.id, err = c.insist(ctx, own, e); err != nil {
		return fmt.Errorf("%s: %w", e.key, err)
	}
	if random.IntN(4) == 0 {
		if e.again, err = c.insist(ctx, own, e); err != nil {
			return fmt.Errorf("%s again: %w", e.key, err)
		}
	}
	c.ledger.add(e)
	return nil
}

// insist repeats a request, with its key, until it is answered. Each try is with
// another server.
func (c *crowd) insist(ctx context.Context, own *client, e *entry) (string, error) {
	pause := time.NewTicker(3 * time.Millisecond)
	defer pause.Stop()
	for try := e.first; ; try++ {
		urls := *c.addresses.Load()
		own.url = urls[try%len(urls)]
		id, status, err := c.ask(ctx, own, e)
		if status == 201 || err != nil {
			return id, err
		}
		e.ambiguous++
		if status == 503 {
			pause.Reset(50 * time.Millisecond) // it asked to be spared
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return "", fmt.Errorf("not taken in time: %w", ctx.Err())
		}
	}
}

// ask sends a request once. The status is 0 where there was no answer, which is
// an error only from servers that live.
func (c *crowd) ask(ctx context.Context, own *client, e *entry) (id string, status int, err error) {
	begun := time.Now()
	if c.answers {
		within, cancel := context.WithTimeout(ctx, answerMost)
		defer cancel()
		ctx = within
	}
	id, a, err := own.enqueue(ctx, e.body, "Idempotency-Key", e.key)
	took := time.Since(begun)
	switch {
	case err != nil && c.answers:
		return "", 0, fmt.Errorf("not answered after %v: %w", took, err)
	case err != nil:
		return "", 0, nil
	case a.status == 503:
		c.unavailable.Add(1)
	case a.status != 201:
		return "", a.status, fmt.Errorf("answered %d: %s", a.status, a.body)
	}
	for {
		slowest := c.slowest.Load()
		if int64(took) <= slowest || c.slowest.CompareAndSwap(slowest, int64(took)) {
			return id, a.status, nil
		}
	}
}
