package riverstore

import (
	"context"
	"log/slog"
	"time"

	"github.com/taskhost/taskhost/task"
)

// secondLook is how long a sign of life must have stayed the last one, by this node's
// own clock, before the database's clock is believed that it is old: longer than it
// takes to give another.
const secondLook = 4 * time.Second

// Heartbeat is a node's last sign of life.
type Heartbeat struct {
	Node string
	// Beat is different for each sign of life, 0 for a node that has tasks and is not
	// there.
	Beat int64
	// Silence is how long ago it was, by the database's clock.
	Silence time.Duration
}

// vigil tells which nodes have died. No clock is enough by itself: the database's may
// be set, and then all nodes seem to be dead, or none for an hour; this node's own
// tells only how long it has watched. So a node is dead that has not given another sign
// of life for as long as it was watched, and that is either [DeadAfter], or secondLook
// where the database says that its last one is that old.
type vigil struct {
	me   string
	seen map[string]sighting
}

// sighting is a sign of life, and since when it is the last one.
type sighting struct {
	beat  int64
	since time.Time
}

// dead takes a look at all there are, and returns those that are dead.
func (v *vigil) dead(beats []Heartbeat, now time.Time) (nodes []string) {
	seen := make(map[string]sighting, len(beats))
	for _, b := range beats {
		if b.Node == v.me {
			continue
		}
		s, ok := v.seen[b.Node]
		if !ok || s.beat != b.Beat {
			s = sighting{b.Beat, now}
		}
		seen[b.Node] = s
		unchanged := now.Sub(s.since)
		old := b.Beat == 0 || b.Silence > DeadAfter
		if unchanged >= DeadAfter || old && unchanged >= secondLook {
			nodes = append(nodes, b.Node)
		}
	}
	v.seen = seen // those that are gone are forgotten
	return nodes
}

// orphanBatch bounds how many tasks of dead nodes are taken over at once.
const orphanBatch = 500

// takeOver ends the attempts of nodes that died. Any number of nodes may do it at
// once: an end is stored once. It looks also while it may not judge, for the looks to
// come.
func (r *Runner) takeOver(ctx context.Context) error {
	beats, err := r.config.Fleet.Heartbeats(ctx)
	if err != nil {
		return err
	}
	dead := r.vigil.dead(beats, time.Now())
	if len(dead) == 0 || !r.pulse.mayJudge() {
		return nil
	}
	for {
		ends, err := r.config.Fleet.Orphans(ctx, dead, orphanBatch)
		if err != nil || len(ends) == 0 {
			return err
		}
		stored, err := r.db.Finish(ctx, ends)
		if err != nil {
			return err
		}
		counts := make(map[task.Status]int)
		for i, end := range ends {
			if stored[i] {
				counts[end.Status]++
			}
		}
		if n := count(stored); n > 0 {
			r.config.Logger.WarnContext(ctx, "a node died while it ran tasks", slog.Int("requeued", counts[task.Pending]),
				slog.Int("interrupted", counts[task.Interrupted]), slog.Int("failed", counts[task.Failed]))
		}
		if len(ends) < orphanBatch {
			return nil
		}
	}
}
