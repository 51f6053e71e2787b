//go:build !linux

package host

import "time"

// threadTime measures nothing: only Linux tells a thread's own processor time in a
// way that is cheap enough.
func threadTime() func() time.Duration { return func() time.Duration { return -1 } }
