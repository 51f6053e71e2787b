package storetest

import (
	"io"
	"net"
	"sync"
	"testing"

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
}

// NewCable lays a cable to the server at that address, until the test ends.
func NewCable(t *testing.T, server string) *Cable {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c := &Cable{listener: listener, server: server, ends: make(map[net.Conn]struct{}), silent: make(chan struct{})}
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

// Cut breaks every connection, and refuses others.
func (c *Cable) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = true
	for end := range c.ends {
		_ = end.Close() // whoever uses it finds out
	}
}

// Silence holds back all that is sent, as a network does that drops what it is
// given.
func (c *Cable) Silence() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silent = make(chan struct{})
}

// Mend undoes Cut and Silence.
func (c *Cable) Mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = false
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
		c.busy.Go(func() { c.carry(client, server) })
		c.busy.Go(func() { c.carry(server, client) })
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
func (c *Cable) carry(from, to net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		c.mu.Lock()
		silent := c.silent
		c.mu.Unlock()
		<-silent
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
