package riverstore

import (
	"context"
	"time"
)

const (
	// paceTarget is about how long a transaction that deletes may take: those who
	// enqueue, claim and end wait for it on SQLite, and for its disk on Postgres. What
	// takes longer than paceTooLong is cut smaller than paceFair: a task may have any
	// number of log lines, which go with it. Else it is the commit that takes long,
	// which it would for a smaller one too.
	paceTarget  = 25 * time.Millisecond
	paceTooLong = 6 * paceTarget
	// The sizes of batches.
	paceLeast, paceFair, paceMost = 1, 500, 1000
	// paceBehind is how long the deleting may take before it is hurried: more may end
	// in that time than is deleted.
	paceBehind = time.Minute
)

// pace keeps work that can wait from being felt: its transactions are short, and
// between them it rests in proportion to what they took, which is longer where the
// database has much to do.
type pace struct {
	size int
	// rests is how many times as long as a batch the rest after it is.
	rests int
	begun time.Time
}

// pacePruning is for what nobody waits for: a fifth of the time, to begin with.
func pacePruning() *pace { return &pace{size: paceFair, rests: 4, begun: time.Now()} }

// paceClearing is for what somebody waits for.
func paceClearing() *pace { return &pace{size: paceFair, rests: 1, begun: time.Now()} }

// rest chooses the size of the next batch, and waits.
func (p *pace) rest(ctx context.Context, took time.Duration) error {
	switch {
	case took > paceTooLong:
		p.size = max(paceLeast, p.size/2)
	case took > paceTarget:
		p.size = min(p.size, max(paceFair, p.size/2))
	case took < paceTarget/2:
		p.size = min(paceMost, p.size*2)
	}
	if time.Since(p.begun) > paceBehind {
		p.rests = 1
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
