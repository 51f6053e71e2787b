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
)

// entry is one task as its client knows it: it has a key of its own, and an id
// once the server has acknowledged it.
type entry struct {
	key    string
	body   body
	result string // of a success
	id     string
	// ambiguous counts the requests that ended without an answer: the server
	// may have stored the task or not.
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

// crowd is clients that enqueue as long as they are given work, from a server
// that dies under them.
type crowd struct {
	ledger ledger
	// work holds one token for each task to enqueue.
	work chan struct{}
	// address is where the server that lives now is.
	address atomic.Pointer[string]
	token   string
	done    sync.WaitGroup
}

// crowdAnswerTimeout bounds how long a client tries to have one task taken.
const crowdAnswerTimeout = 90 * time.Second

func newCrowd(t *testing.T, token string, seed uint64, clients, most int) *crowd {
	c := &crowd{work: make(chan struct{}, most), token: token}
	none := "http://127.0.0.1:1"
	c.address.Store(&none)
	for i := range clients {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		c.done.Go(func() {
			own := newClient("", token)
			defer own.close()
			for n := 0; ; n++ {
				if _, ok := <-c.work; !ok {
					return
				}
				if err := c.one(t.Context(), own, makeEntry(random, fmt.Sprintf("%d/%d", i, n)), random); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	return c
}

// makeEntry makes a task that is like no other.
func makeEntry(random *rand.Rand, name string) *entry {
	e := &entry{key: "key " + name}
	ms := 5 + random.IntN(150)
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

// insist repeats a request, with its key, until it is answered.
func (c *crowd) insist(ctx context.Context, own *client, e *entry) (string, error) {
	pause := time.NewTicker(3 * time.Millisecond)
	defer pause.Stop()
	for {
		own.url = *c.address.Load()
		id, a, err := own.enqueue(ctx, e.body, "Idempotency-Key", e.key)
		switch {
		case err == nil && a.status == 201:
			return id, nil
		case err == nil && a.status != 503:
			return "", fmt.Errorf("answered %d: %s", a.status, a.body)
		case err != nil:
			e.ambiguous++
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return "", fmt.Errorf("not taken in time: %w", ctx.Err())
		}
	}
}
