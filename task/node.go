package task

import "time"

// Node is a running process that works tasks.
type Node struct {
	// ID is different at each start of the process.
	ID string `json:"id"`
	// Version is the program's.
	Version   string    `json:"version"`
	StartedAt time.Time `json:"started_at"`
	// SeenAt is its last sign of life.
	SeenAt time.Time `json:"seen_at"`
	// Alive is unset where there has been no sign of life for so long that its
	// tasks are taken over.
	Alive bool `json:"alive"`
	// State says in a word how it is.
	State NodeState `json:"state"`
	// Slots is how many attempts of each executor it can run at once, Running
	// how many it does.
	Slots   map[Executor]int `json:"slots"`
	Running map[Executor]int `json:"running"`
	// Functions names the Go functions that it can run. Modules run on any node
	// with slots for wasm.
	Functions []string `json:"functions"`
}

// NodeState is how a node is.
type NodeState string

// The states of a node.
const (
	NodeAlive NodeState = "alive"
	// NodeDraining: it starts nothing more, and something still runs.
	NodeDraining NodeState = "draining"
	// NodeDrained: it starts nothing more, and nothing runs. It can be stopped
	// without that anybody would notice.
	NodeDrained NodeState = "drained"
	// NodeDead: there has been no sign of life. See [Node.Alive].
	NodeDead NodeState = "dead"
)

// Settle sets the state of a node whose other fields are set. asked says that it is to
// start nothing more, and stopped that it has seen to that.
func (n *Node) Settle(asked, stopped bool) {
	running := 0
	for _, attempts := range n.Running {
		running += attempts
	}
	switch {
	case !n.Alive:
		n.State = NodeDead
	case asked && stopped && running == 0:
		n.State = NodeDrained
	case asked:
		n.State = NodeDraining
	default:
		n.State = NodeAlive
	}
}

// Runs reports whether the node can run tasks of a definition.
func (n *Node) Runs(executor Executor, name string) bool {
	if n.Slots[executor] == 0 {
		return false
	}
	if executor == Wasm {
		return true
	}
	for _, function := range n.Functions {
		if function == name {
			return true
		}
	}
	return false
}
