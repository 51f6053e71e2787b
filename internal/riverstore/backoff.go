package riverstore

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/taskhost/taskhost/task"
)

// wait is how long the retry after the given attempt waits:
// Delay × Backoff^(attempt-1), at most MaxDelay, and shorter by up to Jitter of it.
func (p RetryPolicy) wait(id task.ID, attempt int) time.Duration {
	if p.Delay <= 0 {
		return 0 // times infinity would be no number
	}
	wait := float64(p.Delay) * math.Pow(p.Backoff, float64(attempt-1))
	wait = min(wait, float64(p.MaxDelay)) // of +Inf too
	if p.Jitter > 0 {
		wait *= 1 - p.Jitter*spread(id, attempt)
	}
	return min(time.Duration(wait), p.MaxDelay)
}

// spread is a number from 0 to below 1 for an attempt: as good as random between
// tasks and between attempts, and the same whoever asks.
func spread(id task.ID, attempt int) float64 {
	// The last eight bytes of an id are random. The mix is splitmix64's.
	x := binary.BigEndian.Uint64(id[8:]) + uint64(attempt)*0x9e3779b97f4a7c15 //nolint:gosec // it may wrap
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	return float64(x>>11) / (1 << 53)
}
