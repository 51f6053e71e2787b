package task

import (
	"encoding/json"
	"fmt"
	"time"
)

// optionsJSON is the JSON form of Options: durations as Go writes them.
type optionsJSON struct {
	Retries            int      `json:"retries"`
	Delay              string   `json:"delay"`
	Backoff            float64  `json:"backoff"`
	MaxDelay           string   `json:"max_delay"`
	Jitter             float64  `json:"jitter"`
	Priority           int      `json:"priority"`
	Timeout            string   `json:"timeout"`
	ExpiresAfter       string   `json:"expires_after"`
	Unique             Unique   `json:"unique"`
	IdempotencyTTL     string   `json:"idempotency_ttl"`
	Eager              bool     `json:"eager"`
	RequeueOnInterrupt bool     `json:"requeue_on_interrupt"`
	Executor           Executor `json:"executor"`
	Memory             int64    `json:"memory_bytes"`
	Fuel               int64    `json:"fuel"`
	Depth              int      `json:"depth"`
	ResultBytes        int64    `json:"result_bytes"`
	LogBytes           int64    `json:"log_bytes"`
	ArgsBytes          int64    `json:"args_bytes"`
	Reset              Reset    `json:"reset"`
}

// MarshalJSON writes durations in Go's form, such as "1m30s".
func (o Options) MarshalJSON() ([]byte, error) {
	return json.Marshal(optionsJSON{
		Retries:            o.Retries,
		Delay:              o.Delay.String(),
		Backoff:            o.Backoff,
		MaxDelay:           o.MaxDelay.String(),
		Jitter:             o.Jitter,
		Priority:           o.Priority,
		Timeout:            o.Timeout.String(),
		ExpiresAfter:       o.ExpiresAfter.String(),
		Unique:             o.Unique,
		IdempotencyTTL:     o.IdempotencyTTL.String(),
		Eager:              o.Eager,
		RequeueOnInterrupt: o.RequeueOnInterrupt,
		Executor:           o.Executor,
		Memory:             o.Memory,
		Fuel:               o.Fuel,
		Depth:              o.Depth,
		ResultBytes:        o.ResultBytes,
		LogBytes:           o.LogBytes,
		ArgsBytes:          o.ArgsBytes,
		Reset:              o.Reset,
	})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (o *Options) UnmarshalJSON(text []byte) error {
	var in optionsJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	out := Options{
		Retries:            in.Retries,
		Backoff:            in.Backoff,
		Jitter:             in.Jitter,
		Priority:           in.Priority,
		Unique:             in.Unique,
		Eager:              in.Eager,
		RequeueOnInterrupt: in.RequeueOnInterrupt,
		Executor:           in.Executor,
		Memory:             in.Memory,
		Fuel:               in.Fuel,
		Depth:              in.Depth,
		ResultBytes:        in.ResultBytes,
		LogBytes:           in.LogBytes,
		ArgsBytes:          in.ArgsBytes,
		Reset:              in.Reset,
	}
	for _, d := range []struct {
		field *time.Duration
		text  string
	}{
		{&out.Delay, in.Delay},
		{&out.MaxDelay, in.MaxDelay},
		{&out.Timeout, in.Timeout},
		{&out.ExpiresAfter, in.ExpiresAfter},
		{&out.IdempotencyTTL, in.IdempotencyTTL},
	} {
		if d.text == "" {
			continue
		}
		value, err := time.ParseDuration(d.text)
		if err != nil {
			return fmt.Errorf("task options: %w", err)
		}
		*d.field = value
	}
	*o = out
	return nil
}
