package abi

// Manifest is what a module says of itself when it is uploaded: the JSON that
// [ExportDescribe] pushes. A field that the host does not know is an error, so
// that a misspelt option is found at upload and not in production.
type Manifest struct {
	// SDK names what the guest was built with, such as "go/1". Informative.
	SDK string `json:"sdk,omitempty"`
	// Definitions are the tasks that the module can run. A definition's place
	// in the list is the index that [ExportRun] is called with.
	Definitions []Definition `json:"definitions"`
}

// MaxNameBytes bounds the name of a definition.
const MaxNameBytes = 100

// Definition declares one task. Options left out take the host's default.
type Definition struct {
	// Name is what a caller enqueues, such as "thumbs.resize": words of a-z,
	// 0-9, - and _ joined by dots, starting with a letter, at most
	// [MaxNameBytes] long.
	Name string `json:"name"`
	// Description is a sentence for people who browse definitions.
	Description string `json:"description,omitempty"`
	// Args is a JSON Schema (2020-12) that arguments must satisfy. Empty
	// accepts whatever is sent.
	Args JSON `json:"args,omitempty"`
	// Options are the definition's own defaults.
	Options Options `json:"options,omitzero"`
}

// Options of a definition, with the meanings of task.Options.
type Options struct {
	Retries        int     `json:"retries,omitempty"`
	DelayMS        int64   `json:"delay_ms,omitempty"`
	Backoff        float64 `json:"backoff,omitempty"`
	MaxDelayMS     int64   `json:"max_delay_ms,omitempty"`
	Jitter         float64 `json:"jitter,omitempty"`
	Priority       int     `json:"priority,omitempty"`
	TimeoutMS      int64   `json:"timeout_ms,omitempty"`
	ExpiresAfterMS int64   `json:"expires_after_ms,omitempty"`
	// Unique is UniqueNone, UniqueName or UniqueArgs.
	Unique             string `json:"unique,omitempty"`
	IdempotencyTTLMS   int64  `json:"idempotency_ttl_ms,omitempty"`
	Eager              bool   `json:"eager,omitempty"`
	RequeueOnInterrupt bool   `json:"requeue_on_interrupt,omitempty"`
	MemoryBytes        int64  `json:"memory_bytes,omitempty"`
	Fuel               int64  `json:"fuel,omitempty"`
	Depth              int    `json:"depth,omitempty"`
	ResultBytes        int64  `json:"result_bytes,omitempty"`
	LogBytes           int64  `json:"log_bytes,omitempty"`
	ArgsBytes          int64  `json:"args_bytes,omitempty"`
	// Reset is ResetPooled or ResetFresh.
	Reset string `json:"reset,omitempty"`
}

// What [Options.Reset] may be.
const (
	// ResetPooled has attempts run in instances that were put back to the state in
	// which the module was deployed. It is the default.
	ResetPooled = "pooled"
	// ResetFresh has each attempt run in a new instance.
	ResetFresh = "fresh"
)

// What [Options.Unique] may be.
const (
	// UniqueNone lets any number of tasks be enqueued. It is the default.
	UniqueNone = "none"
	// UniqueName has an enqueue answered with the earlier task while one of the
	// definition is pending or running.
	UniqueName = "name"
	// UniqueArgs is UniqueName for tasks with the same arguments.
	UniqueArgs = "args"
)

// JSON is text that is JSON already. It is json.RawMessage, written again so
// that a guest without JSON of its own need not carry a codec.
type JSON []byte

// MarshalJSON returns the text as it is, or null where there is none.
func (j JSON) MarshalJSON() ([]byte, error) {
	if len(j) == 0 {
		return []byte("null"), nil
	}
	return j, nil
}

// UnmarshalJSON keeps a copy of the text.
func (j *JSON) UnmarshalJSON(text []byte) error {
	*j = append((*j)[:0], text...)
	return nil
}
