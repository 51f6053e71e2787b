package riverstore

import (
	"context"
	"time"
)

const (
	// paceTarget is about how long a transaction that deletes may take: those who
	// enqueue, claim and end wait for it on SQLite, and for its disk on Postgres.
	paceTarget = 15 * time.Millisecond
	// The sizes of batches. A task may have any number of log lines, which go with it.
	paceLeast, paceFirst, paceMost = 1, 100, 1000
)

// pace keeps work that can wait from being felt: its transactions are short, and
// between them it rests in proportion to what they took, which is longer where the
// database has much to do.
type pace struct {
	size int
	// rests is how many times as long as a batch the rest after it is.
	rests int
}

// pacePruning is for what nobody waits for: at most a fifth of the time.
func pacePruning() *pace { return &pace{size: paceFirst, rests: 4} }

// paceClearing is for what somebody waits for.
func paceClearing() *pace { return &pace{size: paceFirst, rests: 1} }

// rest chooses the size of the next batch, and waits.
func (p *pace) rest(ctx context.Context, took time.Duration) error {
	switch {
	case took > paceTarget:
		p.size = max(paceLeast, p.size/2)
	case took < paceTarget/2:
		p.size = min(paceMost, p.size*2)
	}
	timer := time.NewTimer(time.Duration(p.rests) * took)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
