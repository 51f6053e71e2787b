package tests_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// deadAfter is how long a node gives no sign of life before others take over
// what it ran. They look every second.
const deadAfter = 6 * time.Second

// takeOverMost is how soon that has happened, even on a busy machine. The promise is
// ten seconds on one that is not; what was found is logged.
const takeOverMost = 20 * time.Second

// inProcess has guests run in the server's own process: for tests of what a server does
// with its database, in which the start of workers would only take time.
var inProcess = []string{"--isolation", "inprocess"}

// fleet is servers that share a Postgres database. Each has a data directory of
// its own, which knows the guests as compiled code and not as modules.
type fleet struct {
	kit      *kit
	database string
	more     []string
	nodes    []*node
}

// node is a place in the fleet, in which one server lives after the other.
type node struct {
	dir    string
	binary string
	*process
	client *client
	alive  bool
}

// newFleet makes a fleet with one node for each of the binaries, which are not
// started.
func newFleet(t *testing.T, k *kit, database string, binaries []string, more ...string) *fleet {
	t.Helper()
	f := &fleet{kit: k, database: database, more: append([]string{"--database", database}, more...)}
	for _, binary := range binaries {
		dir := filepath.Join(t.TempDir(), "data")
		require.NoError(t, os.MkdirAll(dir, 0o700))
		linkTree(t, filepath.Join(k.template, "cache"), filepath.Join(dir, "cache"))
		f.nodes = append(f.nodes, &node{dir: dir, binary: binary})
	}
	return f
}

// startAll starts all nodes at once, on a database that may be empty.
func (f *fleet) startAll(t *testing.T) {
	t.Helper()
	var starting sync.WaitGroup
	errs := make([]error, len(f.nodes))
	for i, n := range f.nodes {
		starting.Go(func() { n.process, errs[i] = launch(t.Context(), n.binary, n.dir, f.more...) })
	}
	starting.Wait()
	for i, n := range f.nodes {
		if errs[i] == nil {
			n.client, n.alive = n.adopt(t), true
		}
	}
	for _, err := range errs {
		require.NoError(t, err)
	}
}

func (f *fleet) start(t *testing.T, i int) *node {
	t.Helper()
	n := f.nodes[i]
	var err error
	n.process, err = launch(t.Context(), n.binary, n.dir, f.more...)
	require.NoError(t, err)
	n.client, n.alive = n.adopt(t), true
	return n
}

// stop stops the nodes that live, which must end well.
func (f *fleet) stop(t *testing.T) {
	t.Helper()
	for _, n := range f.nodes {
		if n.alive {
			n.stop(t)
			n.alive = false
		}
	}
}

// pushGuests pushes every guest, to one node.
func (f *fleet) pushGuests(t *testing.T, n *node) {
	t.Helper()
	for name := range guestDirs {
		push(t, n.client, name, f.kit.readGuest(t, name))
	}
}

// addresses are those of the nodes that live.
func (f *fleet) addresses() []string {
	var urls []string
	for _, n := range f.nodes {
		if n.alive {
			urls = append(urls, n.url)
		}
	}
	return urls
}

// named reports whether the process is the node of that name, which is that of
// the machine, the process and the start.
func (p *process) named(name string) bool {
	return strings.Contains(name, fmt.Sprintf("-%d-", p.cmd.Process.Pid))
}

// awaitRun enqueues a task until each process has run one.
func awaitRun(t *testing.T, c *client, b body, processes ...*process) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	missing := append([]*process(nil), processes...)
	for len(missing) > 0 {
		require.True(t, time.Now().Before(deadline), "%d of %d processes have run no %s", len(missing), len(processes), b.Name)
		ids := make([]string, 8)
		for i := range ids {
			ids[i] = c.mustEnqueue(t, b)
		}
		for _, id := range ids {
			v := c.awaitEnd(t, id)
			require.Equal(t, "success", v.Status, "%+v", v)
			for i, p := range missing {
				if p.named(v.Node) {
					missing = append(missing[:i], missing[i+1:]...)
					break
				}
			}
		}
	}
}

// aliveNodes are the names of those that the interface lists as living.
func (c *client) aliveNodes(t *testing.T) []string {
	t.Helper()
	var out struct {
		Nodes []struct {
			ID    string `json:"id"`
			Alive bool   `json:"alive"`
		} `json:"nodes"`
	}
	c.read(t, "/v1/nodes", &out)
	var names []string
	for _, n := range out.Nodes {
		if n.Alive {
			names = append(names, n.ID)
		}
	}
	return names
}

// linkTree gives the files of a directory second names. Programs replace them
// and write to none.
func linkTree(t *testing.T, from, to string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(from, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			info, err := entry.Info()
			if err != nil {
				return err
			}
			return os.MkdirAll(filepath.Join(to, rel), info.Mode().Perm())
		}
		return os.Link(path, filepath.Join(to, rel))
	}))
}
