package riverstore

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/taskhost/taskhost/task"
)

// held keeps the attempts that this node has claimed and whose ends are not
// stored yet.
type held struct {
	// claiming is held for reading from before a claim is asked for until its
	// attempts are held, and for writing while what is held is compared with the
	// database: what a claim has committed is then either held, or its reply was
	// lost.
	claiming sync.RWMutex

	mu sync.Mutex
	// attempts are those that are held, and how each is cancelled: nil before and
	// after it runs.
	attempts map[lease]context.CancelCauseFunc
}

// lease names an attempt.
type lease struct {
	task   task.ID
	number int64
}

func leaseOf(claim *Claim) lease {
	return lease{claim.Execution.Task.ID, claim.Execution.Lease}
}

func (h *held) add(claims []*Claim) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.attempts == nil {
		h.attempts = make(map[lease]context.CancelCauseFunc)
	}
	for _, claim := range claims {
		h.attempts[leaseOf(claim)] = nil
	}
}

// runs notes how an attempt can be cancelled: nil once there is nothing left to cancel.
func (h *held) runs(claim *Claim, cancel context.CancelCauseFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := leaseOf(claim)
	if _, ok := h.attempts[l]; ok {
		h.attempts[l] = cancel
	}
}

// drop lets go of attempts whose ends are stored.
func (h *held) drop(ends []*End) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, end := range ends {
		delete(h.attempts, lease{end.ID, end.Lease})
	}
}

func (h *held) all() []lease {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Keys(h.attempts))
}

// has reports whether an attempt is held.
func (h *held) has(l lease) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ok := h.attempts[l]
	return ok
}

// cancel ends the contexts of attempts, those that are still held, and returns
// how many there were.
func (h *held) cancel(leases []lease, cause error) (cancelled int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range leases {
		if cancel := h.attempts[l]; cancel != nil {
			cancel(cause)
			cancelled++
		}
	}
	return cancelled
}
