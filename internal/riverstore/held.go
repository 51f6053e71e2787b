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

	mu       sync.Mutex
	attempts map[lease]*holding
}

// holding is how an attempt is stopped.
type holding struct {
	// cancel ends its context: nil before and after it runs.
	cancel context.CancelCauseFunc
	// stopped is why it is to end, also where it does not run yet.
	stopped error
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
		h.attempts = make(map[lease]*holding)
	}
	for _, claim := range claims {
		h.attempts[leaseOf(claim)] = new(holding)
	}
}

// runs notes how an attempt can be cancelled: nil once there is nothing left to cancel.
func (h *held) runs(claim *Claim, cancel context.CancelCauseFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	holding := h.attempts[leaseOf(claim)]
	if holding == nil {
		return
	}
	holding.cancel = cancel
	if holding.stopped != nil && cancel != nil {
		cancel(holding.stopped)
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
	return h.attempts[l] != nil
}

// cancel ends the contexts of attempts, those that are still held, for the first cause
// that each is given, and returns how many there were.
func (h *held) cancel(leases []lease, cause error) (cancelled int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range leases {
		holding := h.attempts[l]
		if holding == nil || holding.stopped != nil {
			continue
		}
		holding.stopped = cause
		if holding.cancel != nil {
			holding.cancel(cause)
		}
		cancelled++
	}
	return cancelled
}
