package riverstore

import (
	"container/heap"
	"sync"
	"time"
)

const (
	// wakeLate is added to the time of a wake: one that comes too early finds nothing.
	wakeLate = time.Millisecond
	// wakeGap is the least between two wakes of a queue, so that thousands of retries
	// that are due one after the other do not make thousands of them.
	wakeGap = 5 * time.Millisecond
)

// wakes has queues looked at when the retries that this node has stored become due.
// Polling would find them too, and does where the node is gone by then.
type wakes struct {
	wake func(queue string)

	mu      sync.Mutex
	queues  map[string]*queueWakes
	stopped bool
	firing  sync.WaitGroup
}

// queueWakes are the times at which a queue is to be looked at.
type queueWakes struct {
	due   times
	timer *time.Timer
}

func newWakes(wake func(queue string)) *wakes {
	return &wakes{wake: wake, queues: make(map[string]*queueWakes)}
}

// at has a queue looked at at a time.
func (w *wakes) at(queue string, due time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	q := w.queues[queue]
	if q == nil {
		q = new(queueWakes)
		q.timer = time.AfterFunc(time.Hour, func() { w.fire(queue) })
		w.queues[queue] = q
	}
	heap.Push(&q.due, due)
	if q.due[0].Equal(due) {
		q.timer.Reset(time.Until(due) + wakeLate)
	}
}

func (w *wakes) fire(queue string) {
	w.mu.Lock()
	now := time.Now()
	q, due := w.queues[queue], false
	for len(q.due) > 0 && !q.due[0].After(now) {
		heap.Pop(&q.due)
		due = true
	}
	if len(q.due) > 0 && !w.stopped {
		q.timer.Reset(max(time.Until(q.due[0])+wakeLate, wakeGap))
	}
	if w.stopped || !due {
		w.mu.Unlock()
		return
	}
	w.firing.Add(1)
	w.mu.Unlock()
	defer w.firing.Done()
	w.wake(queue)
}

// stop returns when nobody is being woken any more.
func (w *wakes) stop() {
	w.mu.Lock()
	w.stopped = true
	for _, q := range w.queues {
		q.timer.Stop()
	}
	w.mu.Unlock()
	w.firing.Wait()
}

// times is a heap, the earliest first.
type times []time.Time

func (t times) Len() int           { return len(t) }
func (t times) Less(i, j int) bool { return t[i].Before(t[j]) }
func (t times) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }

// Push implements [heap.Interface].
func (t *times) Push(x any) { *t = append(*t, x.(time.Time)) }

// Pop implements [heap.Interface].
func (t *times) Pop() any {
	last := (*t)[len(*t)-1]
	*t = (*t)[:len(*t)-1]
	return last
}
