// Command slow has tasks that take as long as they are told to, for tests of
// what happens when a server stops or dies in the middle of one.
package main

import (
	"time"

	guest "github.com/taskhost/taskhost/guest-sdk"
)

// step is how often a task looks at the clock.
const step = 5 * time.Millisecond

func init() {
	guest.Handle("slow.once", slow, guest.Options{Description: "Sleeps, and is not to be begun twice."})
	guest.Handle("slow.requeue", slow, guest.Options{Description: "Sleeps, and may be begun again.", RequeueOnInterrupt: true})
}

func main() {}

type slowArgs struct {
	// MS is how long to take, in milliseconds. Defaults to the whole of the
	// attempt's time.
	MS *int `json:"ms" schema:"minimum=0"`
	// Text is the result.
	Text string `json:"text"`
}

func slow(ctx guest.Context, in slowArgs) (string, error) {
	ctx.Info("begun", "attempt", ctx.Attempt())
	until := ctx.Deadline()
	if in.MS != nil {
		until = time.Now().Add(time.Duration(*in.MS) * time.Millisecond)
	}
	for time.Now().Before(until) {
		time.Sleep(step)
	}
	return in.Text, nil
}
