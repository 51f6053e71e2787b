package riverstore

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/taskhost/taskhost/task"
)

// Times of life and death. All ages are by the database's clock.
const (
	beatInterval = 2 * time.Second
	// beatRetry is the pause after a beat that failed, so that every node that
	// lives is known to live soon after the database comes back.
	beatRetry   = 200 * time.Millisecond
	beatTimeout = 2 * time.Second
	// DeadAfter is how long a node gives no sign of life before its tasks are
	// taken over.
	DeadAfter = 6 * time.Second
	// graceAtStart is how long a node that starts judges no other: after an
	// outage all start at once.
	graceAtStart = 3 * time.Second
)

// pulse tells the database that this node lives.
type pulse struct {
	fleet  Fleet
	node   task.Node
	logger *slog.Logger

	mu sync.Mutex
	// judgeAt is from when this node's view of the others counts.
	judgeAt time.Time
	failing bool
	// last is when the last sign of life that was taken was on its way.
	last time.Time
}

func newPulse(fleet Fleet, node task.Node, logger *slog.Logger) *pulse {
	return &pulse{fleet: fleet, node: node, logger: logger, judgeAt: time.Now().Add(graceAtStart)}
}

// run beats until stop is closed.
func (p *pulse) run(stop <-chan struct{}) {
	pause := time.NewTimer(beatInterval)
	defer pause.Stop()
	last := time.Now()
	for {
		select {
		case <-stop:
			return
		case <-pause.C:
		}
		// A process that was stopped, or starved, finds the others' beats as old
		// as its own.
		if time.Since(last) > beatInterval+beatTimeout {
			p.graceFrom(time.Now())
		}
		if err := p.beat(); err != nil {
			pause.Reset(beatRetry)
			continue
		}
		last = time.Now()
		pause.Reset(beatInterval)
	}
}

func (p *pulse) beat() error {
	ctx, cancel := context.WithTimeout(context.Background(), beatTimeout)
	defer cancel()
	at := time.Now()
	err := p.fleet.Beat(ctx, &p.node)
	if err == nil {
		p.beaten(at)
	}
	p.mu.Lock()
	wasFailing := p.failing
	p.failing = err != nil
	p.mu.Unlock()
	switch {
	case err != nil:
		p.graceFrom(time.Now())
		if !wasFailing {
			p.logger.Warn("the database did not take this node's sign of life; trying again", slog.Any("error", err))
		}
	case wasFailing:
		p.logger.Info("the database takes this node's signs of life again")
	}
	return err
}

// graceFrom puts judging others off: after an outage of the database their beats
// are old, and say nothing of them, until they had time to beat again.
func (p *pulse) graceFrom(at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.judgeAt = at.Add(DeadAfter)
}

// beaten notes a sign of life that was taken.
func (p *pulse) beaten(at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = at
}

// fresh reports whether nobody can have called this node dead. A process that was
// stopped sees that on one of two clocks: the monotonic one stands still while a
// machine is suspended, and the other may be set.
func (p *pulse) fresh() bool {
	p.mu.Lock()
	last := p.last
	p.mu.Unlock()
	now := time.Now()
	const limit = secondLook // before [DeadAfter], for what is on its way
	return now.Sub(last) < limit && now.Round(0).Sub(last.Round(0)) < limit
}

// mayJudge reports whether this node may call others dead.
func (p *pulse) mayJudge() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.failing && time.Now().After(p.judgeAt)
}
