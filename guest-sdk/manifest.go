package guest

import (
	"strconv"

	"github.com/taskhost/taskhost/abi"
)

// sdkName is what the manifest says the guest was built with.
const sdkName = "go/1"

// appendManifest appends the JSON of an [abi.Manifest]. It is written by hand
// because encoding/json would make up a quarter of a guest that needs none.
func appendManifest(b []byte, definitions []definition) []byte {
	b = append(b, `{"sdk":`...)
	b = appendString(b, sdkName)
	b = append(b, `,"definitions":[`...)
	for i := range definitions {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendDefinition(b, &definitions[i].Definition)
	}
	return append(b, "]}"...)
}

func appendDefinition(b []byte, d *abi.Definition) []byte {
	b = append(b, `{"name":`...)
	b = appendString(b, d.Name)
	if d.Description != "" {
		b = append(b, `,"description":`...)
		b = appendString(b, d.Description)
	}
	if len(d.Args) > 0 {
		b = append(b, `,"args":`...)
		b = append(b, d.Args...)
	}
	if d.Options != (abi.Options{}) {
		b = append(b, `,"options":`...)
		b = appendOptions(b, d.Options)
	}
	return append(b, '}')
}

func appendOptions(b []byte, o abi.Options) []byte {
	b = append(b, '{')
	b = appendNumber(b, "retries", int64(o.Retries))
	b = appendNumber(b, "delay_ms", o.DelayMS)
	if o.Backoff != 0 {
		b = appendFloat(appendKey(b, "backoff"), o.Backoff)
	}
	b = appendNumber(b, "max_delay_ms", o.MaxDelayMS)
	if o.Jitter != 0 {
		b = appendFloat(appendKey(b, "jitter"), o.Jitter)
	}
	b = appendNumber(b, "priority", int64(o.Priority))
	b = appendNumber(b, "timeout_ms", o.TimeoutMS)
	b = appendNumber(b, "expires_after_ms", o.ExpiresAfterMS)
	if o.Unique != "" {
		b = appendString(appendKey(b, "unique"), o.Unique)
	}
	b = appendNumber(b, "idempotency_ttl_ms", o.IdempotencyTTLMS)
	if o.Eager {
		b = append(appendKey(b, "eager"), "true"...)
	}
	if o.RequeueOnInterrupt {
		b = append(appendKey(b, "requeue_on_interrupt"), "true"...)
	}
	b = appendNumber(b, "memory_bytes", o.MemoryBytes)
	b = appendNumber(b, "fuel", o.Fuel)
	b = appendNumber(b, "depth", int64(o.Depth))
	b = appendNumber(b, "result_bytes", o.ResultBytes)
	b = appendNumber(b, "log_bytes", o.LogBytes)
	b = appendNumber(b, "args_bytes", o.ArgsBytes)
	if o.Reset != "" {
		b = appendString(appendKey(b, "reset"), o.Reset)
	}
	return append(b, '}')
}

// appendNumber appends a member, unless the number is 0, which stands for the
// host's default.
func appendNumber(b []byte, key string, n int64) []byte {
	if n == 0 {
		return b
	}
	return strconv.AppendInt(appendKey(b, key), n, 10)
}
