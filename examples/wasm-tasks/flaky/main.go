// Command flaky has tasks that show what becomes of an error. demo.flaky fails
// a few times and then succeeds, with growing waits in between; demo.broken
// says that trying again is no use; demo.echo gives back what it gets, as
// bytes and without a codec.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	guest "github.com/taskhost/taskhost/guest-sdk"
)

// defaultFailTimes is how often demo.flaky fails where nobody says.
const defaultFailTimes = 2

func init() {
	guest.Handle("demo.flaky", flaky, guest.Options{
		Description: "Fails a few times, then succeeds.",
		Retries:     3,
		Delay:       200 * time.Millisecond,
		Backoff:     2,
	})
	guest.Handle("demo.broken", broken, guest.Options{
		Description: "Fails, and no retry would mend it.",
		Retries:     3,
	})
	guest.HandleRaw("demo.echo", echo, guest.Options{Description: "Returns its input."})
}

func main() {}

type flakyArgs struct {
	// FailTimes is how many attempts fail. Defaults to 2.
	FailTimes *int `json:"fail_times" schema:"minimum=0"`
}

type flakyResult struct {
	// Attempts is how many it took.
	Attempts int `json:"attempts"`
}

func flaky(ctx guest.Context, in flakyArgs) (flakyResult, error) {
	failTimes := defaultFailTimes
	if in.FailTimes != nil {
		failTimes = *in.FailTimes
	}
	attempt := ctx.Attempt()
	if attempt < failTimes {
		ctx.Warn("failing", "attempt", attempt, "fail_times", failTimes)
		return flakyResult{}, fmt.Errorf("attempt %d of %d that fail", attempt+1, failTimes)
	}
	return flakyResult{attempt + 1}, nil
}

var errBroken = errors.New("this task is broken, and will be next time")

func broken(guest.Context, struct{}) (struct{}, error) {
	return struct{}{}, guest.Permanent(errBroken)
}

func echo(ctx guest.Context, in []byte) ([]byte, error) {
	ctx.SetOutputType(ctx.InputType())
	ctx.Info("echo", "bytes", len(in), "lines", bytes.Count(in, []byte("\n")))
	return in, nil
}
