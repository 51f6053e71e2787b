package httpapi

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/taskhost/taskhost/task"
)

// The OpenAPI document comes from the handlers' types. What a type's own
// MarshalJSON makes of it has to be said here; a test compares the two.

// optionsDocument has the JSON form of task.Options.
type optionsDocument struct {
	Retries            int     `json:"retries" doc:"How many attempts may follow the first."`
	Delay              string  `json:"delay" example:"1m30s" doc:"The wait before the first retry."`
	Backoff            float64 `json:"backoff" doc:"Multiplies the wait after each retry."`
	MaxDelay           string  `json:"max_delay" example:"1h0m0s" doc:"Bounds the wait before a retry."`
	Jitter             float64 `json:"jitter" doc:"The part of each wait before a retry by which it may be shorter."`
	Priority           int     `json:"priority" doc:"From 1 (lowest) to 10 (highest)."`
	Timeout            string  `json:"timeout" example:"1m0s" doc:"Bounds one attempt."`
	ExpiresAfter       string  `json:"expires_after" example:"10m0s" doc:"Bounds the task as a whole, from when it is first due; 0s is no bound."`
	Unique             string  `json:"unique" enum:"none,name,args" doc:"Which tasks that are pending or running keep another from being enqueued."`
	IdempotencyTTL     string  `json:"idempotency_ttl" example:"24h0m0s" doc:"How long an idempotency key holds at least; 0s is as long as its task."`
	Eager              bool    `json:"eager" doc:"Whether a task that is added during a request is enqueued at once."`
	RequeueOnInterrupt bool    `json:"requeue_on_interrupt" doc:"Whether the task runs again when its node stopped or died under it."`
	Executor           string  `json:"executor" enum:"wasm,async,thread"`
	Memory             int64   `json:"memory_bytes" doc:"Bounds the memory of a guest."`
	Fuel               int64   `json:"fuel" doc:"Bounds the work of a guest, in units of fuel; 0 is no limit."`
	Depth              int     `json:"depth" doc:"Bounds how deep a guest's calls are nested."`
	ResultBytes        int64   `json:"result_bytes" doc:"Bounds the result."`
	LogBytes           int64   `json:"log_bytes" doc:"Bounds what an attempt logs."`
	ArgsBytes          int64   `json:"args_bytes" doc:"Bounds the arguments."`
	Reset              string  `json:"reset" enum:"pooled,fresh" doc:"Whether a guest runs in an instance that was put back to its first state, or in a new one."`
}

// documentSettings are those from which the document is made.
func documentSettings(version string) huma.Config {
	settings := huma.DefaultConfig("Taskhost", version)
	settings.DocsPath = ""     // it would fetch its page from elsewhere
	settings.SchemasPath = ""  // the document holds them
	settings.CreateHooks = nil // no links to schemas in answers
	settings.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token": {Type: "http", Scheme: "bearer", Description: "A secret that the server made at its first start, or one made since."},
	}
	settings.Security = []map[string][]string{{"token": {}}}
	registry := settings.Components.Schemas
	registry.RegisterTypeAlias(reflect.TypeFor[task.Options](), reflect.TypeFor[optionsDocument]())
	registry.RegisterTypeAlias(reflect.TypeFor[huma.ErrorModel](), reflect.TypeFor[Problem]())
	return settings
}

// completeSchemas is called after the routes were registered. It adds what the
// MarshalJSON of task.Task and that of task.Attempt add.
func completeSchemas(registry huma.Registry) {
	number := func(text string) *huma.Schema { return &huma.Schema{Type: huma.TypeNumber, Description: text} }
	whole := func(text string) *huma.Schema { return &huma.Schema{Type: huma.TypeInteger, Description: text} }
	orNull := func(text string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeNumber, Nullable: true, Description: text + "; null until then."}
	}

	properties := registry.Map()["Task"].Properties
	properties["timeout"] = number("Bounds one attempt, in seconds.")
	properties["queue_wait"] = number("Seconds for which the task was due and waited for a slot, before those of its attempts that have started.")
	properties["run_time"] = number("Seconds for which its attempts ran, those that have ended.")
	properties["total_time"] = orNull("Seconds from when the task was first due to its end: its queue wait, its run time and the waits before retries")
	properties["duration"] = orNull("Seconds from the start of the first attempt to the end")
	properties["retries_used"] = whole("How many attempts there were after the first.")

	properties = registry.Map()["Attempt"].Properties
	properties["queue_wait"] = number("Seconds for which the task had been due when the attempt started.")
	properties["run_time"] = orNull("Seconds from the start of the attempt to its end")
	properties["sandbox_time"] = number("Seconds in the sandbox.")
	properties["cpu_time"] = number("Seconds of processor time.")
	properties["fuel"] = whole("The guest's work: the same number whenever it does the same.")
	properties["peak_memory_bytes"] = whole("The largest size of the guest's memory.")
	properties["pooled"] = &huma.Schema{Type: huma.TypeBoolean, Description: "Whether the guest ran in an instance that had been there before, and was put back to its first state."}
}
