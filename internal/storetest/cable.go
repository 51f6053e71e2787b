package storetest

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Cable carries connections to a server, and can be cut.
type Cable struct {
	listener net.Listener
	server   string
	busy     sync.WaitGroup

	mu     sync.Mutex
	ends   map[net.Conn]struct{}
	cut    bool
	silent chan struct{} // closed unless what comes is held back
	wires  [2]wire       // to the server, and from it
}

// Direction is one of the two in which a cable carries.
type Direction int

// The directions.
const (
	ToServer Direction = iota
	FromServer
)

// wire is what happens to what goes in one direction.
type wire struct {
	delay time.Duration
	lost  bool
	// left is how many bytes get through before everything breaks, -1 for any number.
	left int
}

// NewCable lays a cable to the server at that address, until the test ends.
func NewCable(t *testing.T, server string) *Cable {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c := &Cable{listener: listener, server: server, ends: make(map[net.Conn]struct{}), silent: make(chan struct{})}
	c.straighten()
	close(c.silent)
	c.busy.Go(c.accept)
	t.Cleanup(func() {
		c.Mend()
		_ = listener.Close() // the next look at it ends the loop
		c.Cut()
		c.busy.Wait()
	})
	return c
}

// Address is where the cable begins.
func (c *Cable) Address() string { return c.listener.Addr().String() }

func (c *Cable) straighten() { c.wires = [2]wire{{left: -1}, {left: -1}} }

// Cut breaks every connection, and refuses others.
func (c *Cable) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = true
	c.breakAll()
}

func (c *Cable) breakAll() {
	for end := range c.ends {
		_ = end.Close() // whoever uses it finds out
	}
}

// CutAfter breaks every connection once so many more bytes have gone in a direction,
// and lets new ones be made.
func (c *Cable) CutAfter(d Direction, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wires[d].left = bytes
}

// Delay has all that is sent take so much longer, each way.
func (c *Cable) Delay(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for d := range c.wires {
		c.wires[d].delay = by
	}
}

// Lose drops what goes in a direction, while what goes in the other arrives: the
// connections are half open.
func (c *Cable) Lose(d Direction) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wires[d].lost = true
}

// Silence holds back all that is sent, as a network does that drops what it is
// given.
func (c *Cable) Silence() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silent = make(chan struct{})
}

// Mend undoes everything. Connections that have lost something break.
func (c *Cable) Mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = false
	if c.wires[ToServer].lost || c.wires[FromServer].lost {
		c.breakAll()
	}
	c.straighten()
	select {
	case <-c.silent:
	default:
		close(c.silent)
	}
}

func (c *Cable) accept() {
	for {
		client, err := c.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", c.server) //nolint:noctx // the server is on this machine
		if err != nil {
			_ = client.Close()
			continue
		}
		if !c.add(client, server) {
			continue
		}
		c.busy.Go(func() { c.carry(client, server, ToServer) })
		c.busy.Go(func() { c.carry(server, client, FromServer) })
	}
}

func (c *Cable) add(ends ...net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, end := range ends {
		if c.cut {
			_ = end.Close()
		} else {
			c.ends[end] = struct{}{}
		}
	}
	return !c.cut
}

// carry copies until one of the ends is closed, and closes both.
func (c *Cable) carry(from, to net.Conn, d Direction) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		n, silent, delay := c.pass(d, n)
		<-silent
		if delay > 0 {
			<-time.After(delay)
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	for _, end := range []io.Closer{from, to} {
		_ = end.Close() // the other direction may have been first
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.ends, from)
}

// pass says how many of so many bytes get through, and when.
func (c *Cable) pass(d Direction, n int) (through int, silent <-chan struct{}, delay time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := &c.wires[d]
	switch {
	case w.lost:
		n = 0
	case w.left >= 0 && n >= w.left:
		n, w.left = w.left, -1
		// Those bytes arrive yet: what is broken is what comes after them.
		time.AfterFunc(time.Millisecond, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.breakAll()
		})
	case w.left >= 0:
		w.left -= n
	}
	return n, c.silent, w.delay
}
