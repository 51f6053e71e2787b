package fakehost

// The functions that a guest exports, given by the SDK when it is compiled
// natively and nil otherwise.
var (
	describe func(*Host)
	run      func(h *Host, index uint32) uint32
)

// Serve takes the functions that a guest exports. It is called once, while the
// SDK is initialised, and gives nothing of use.
func Serve(describeFunc func(*Host), runFunc func(h *Host, index uint32) uint32) struct{} {
	describe, run = describeFunc, runFunc
	return struct{}{}
}

// Describe has the guest push its manifest, and returns it.
func Describe() []byte {
	if describe == nil {
		panic("fakehost: there is no guest here: it serves native builds alone, run plain go test")
	}
	h := &Host{}
	describe(h)
	return h.output
}

// Outcome is what an execution left behind.
type Outcome struct {
	// Status is what taskhost_run returned.
	Status uint32
	// Output is nil where nothing was pushed.
	Output     []byte
	OutputType string
	// Failure is nil where fail was not called.
	Failure *Failure
	Lines   []Line
}

// Run has the guest run the definition at an index on a host that answers with
// these values and numbers, and returns what came of it. What goroutines that
// the handler left behind still push is not in it.
func Run(index uint32, values map[uint32][]byte, numbers map[uint32]int64) Outcome {
	h := &Host{Values: values, Numbers: numbers}
	status := run(h, index)
	h.mu.Lock()
	defer h.mu.Unlock()
	return Outcome{status, h.output, h.outputType, h.failure, h.lines}
}
