package task_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

func TestOptionsDefaults(t *testing.T) {
	got := task.Options{}.WithDefaults()
	require.Equal(t, task.Options{
		Retries:  0,
		Delay:    0,
		Backoff:  1,
		MaxDelay: 30 * 24 * time.Hour,
		Priority: 5,
		Timeout:  time.Minute,
		Unique:   task.NotUnique,
		Executor: task.Async,
		Memory:   64 << 20,

		Fuel:        0,
		Depth:       10_000,
		ResultBytes: 1 << 20,
		LogBytes:    1 << 20,
		ArgsBytes:   1 << 20,
		Reset:       task.Pooled,
	}, got)
	require.NoError(t, got.Validate())
}

func TestOptionsDefaultsKeepWhatIsSet(t *testing.T) {
	set := task.Options{
		Retries: 3, Delay: time.Second, Backoff: 2, MaxDelay: time.Minute, Priority: 9,
		Timeout: time.Hour, RequeueOnInterrupt: true, Executor: task.Thread, Memory: 1 << 20,
		Fuel: 1, Depth: 2, ResultBytes: 3, LogBytes: 4, ArgsBytes: 5, Reset: task.Fresh,
		Jitter: 0.5, ExpiresAfter: time.Hour, Unique: task.UniqueArgs, IdempotencyTTL: time.Minute, Eager: true,
	}
	require.Equal(t, set, set.WithDefaults())
}

func TestOptionsValidate(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*task.Options)
		field  string // empty: it is allowed
	}{
		"defaults":             {func(*task.Options) {}, ""},
		"retries -1":           {func(o *task.Options) { o.Retries = -1 }, "retries"},
		"retries most":         {func(o *task.Options) { o.Retries = task.MaxRetries }, ""},
		"retries above":        {func(o *task.Options) { o.Retries = task.MaxRetries + 1 }, "retries"},
		"delay -1":             {func(o *task.Options) { o.Delay = -1 }, "delay"},
		"delay most":           {func(o *task.Options) { o.Delay = task.MaxRetryDelay }, ""},
		"delay above":          {func(o *task.Options) { o.Delay = task.MaxRetryDelay + 1 }, "delay"},
		"backoff below 1":      {func(o *task.Options) { o.Backoff = 0.99 }, "backoff"},
		"backoff 1":            {func(o *task.Options) { o.Backoff = 1 }, ""},
		"backoff most":         {func(o *task.Options) { o.Backoff = 1000 }, ""},
		"backoff above":        {func(o *task.Options) { o.Backoff = 1000.1 }, "backoff"},
		"backoff NaN":          {func(o *task.Options) { o.Backoff = math.NaN() }, "backoff"},
		"backoff infinite":     {func(o *task.Options) { o.Backoff = math.Inf(1) }, "backoff"},
		"jitter most":          {func(o *task.Options) { o.Jitter = 1 }, ""},
		"jitter above":         {func(o *task.Options) { o.Jitter = 1.01 }, "jitter"},
		"jitter below":         {func(o *task.Options) { o.Jitter = -0.01 }, "jitter"},
		"jitter NaN":           {func(o *task.Options) { o.Jitter = math.NaN() }, "jitter"},
		"expires least":        {func(o *task.Options) { o.ExpiresAfter = time.Millisecond }, ""},
		"expires too soon":     {func(o *task.Options) { o.ExpiresAfter = 1 }, "expires_after"},
		"expires negative":     {func(o *task.Options) { o.ExpiresAfter = -time.Hour }, "expires_after"},
		"expires most":         {func(o *task.Options) { o.ExpiresAfter = task.MaxExpiresAfter }, ""},
		"expires above":        {func(o *task.Options) { o.ExpiresAfter = task.MaxExpiresAfter + 1 }, "expires_after"},
		"unique by name":       {func(o *task.Options) { o.Unique = task.UniqueName }, ""},
		"unique by arguments":  {func(o *task.Options) { o.Unique = task.UniqueArgs }, ""},
		"unique of no kind":    {func(o *task.Options) { o.Unique = "tags" }, "unique"},
		"key TTL most":         {func(o *task.Options) { o.IdempotencyTTL = task.MaxIdempotencyTTL }, ""},
		"key TTL above":        {func(o *task.Options) { o.IdempotencyTTL = task.MaxIdempotencyTTL + 1 }, "idempotency_ttl"},
		"key TTL negative":     {func(o *task.Options) { o.IdempotencyTTL = -1 }, "idempotency_ttl"},
		"max_delay -1":         {func(o *task.Options) { o.MaxDelay = -1 }, "max_delay"},
		"max_delay above":      {func(o *task.Options) { o.MaxDelay = task.MaxRetryDelay + 1 }, "max_delay"},
		"timeout too short":    {func(o *task.Options) { o.Timeout = time.Millisecond - 1 }, "timeout"},
		"timeout least":        {func(o *task.Options) { o.Timeout = time.Millisecond }, ""},
		"timeout most":         {func(o *task.Options) { o.Timeout = task.MaxTimeout }, ""},
		"timeout above":        {func(o *task.Options) { o.Timeout = task.MaxTimeout + 1 }, "timeout"},
		"memory below a page":  {func(o *task.Options) { o.Memory = 64<<10 - 1 }, "memory"},
		"memory a page":        {func(o *task.Options) { o.Memory = 64 << 10 }, ""},
		"memory most":          {func(o *task.Options) { o.Memory = task.MaxMemory }, ""},
		"memory above":         {func(o *task.Options) { o.Memory = task.MaxMemory + 1 }, "memory"},
		"fuel -1":              {func(o *task.Options) { o.Fuel = -1 }, "fuel"},
		"fuel most":            {func(o *task.Options) { o.Fuel = math.MaxInt64 }, ""},
		"depth 0":              {func(o *task.Options) { o.Depth = 0 }, "depth"},
		"depth most":           {func(o *task.Options) { o.Depth = task.MaxDepth }, ""},
		"depth above":          {func(o *task.Options) { o.Depth = task.MaxDepth + 1 }, "depth"},
		"result least":         {func(o *task.Options) { o.ResultBytes = 1 << 10 }, ""},
		"result below":         {func(o *task.Options) { o.ResultBytes = 1<<10 - 1 }, "result_bytes"},
		"result most":          {func(o *task.Options) { o.ResultBytes = task.MaxResultBytes }, ""},
		"result above":         {func(o *task.Options) { o.ResultBytes = task.MaxResultBytes + 1 }, "result_bytes"},
		"logs most":            {func(o *task.Options) { o.LogBytes = task.MaxLogBytes }, ""},
		"logs above":           {func(o *task.Options) { o.LogBytes = task.MaxLogBytes + 1 }, "log_bytes"},
		"logs below":           {func(o *task.Options) { o.LogBytes = 0 }, "log_bytes"},
		"args most":            {func(o *task.Options) { o.ArgsBytes = task.MaxArgsBytes }, ""},
		"args above":           {func(o *task.Options) { o.ArgsBytes = task.MaxArgsBytes + 1 }, "args_bytes"},
		"args below":           {func(o *task.Options) { o.ArgsBytes = -1 }, "args_bytes"},
		"reset of no kind":     {func(o *task.Options) { o.Reset = "never" }, "reset"},
		"reset fresh":          {func(o *task.Options) { o.Reset = task.Fresh }, ""},
		"executor of no kind":  {func(o *task.Options) { o.Executor = "process" }, "executor"},
		"executor none":        {func(o *task.Options) { o.Executor = "" }, "executor"},
		"executor wasm":        {func(o *task.Options) { o.Executor = task.Wasm }, ""},
		"priority lowest":      {func(o *task.Options) { o.Priority = 1 }, ""},
		"priority highest":     {func(o *task.Options) { o.Priority = 10 }, ""},
		"priority 0":           {func(o *task.Options) { o.Priority = 0 }, "priority"},
		"priority 11":          {func(o *task.Options) { o.Priority = 11 }, "priority"},
		"the first is told of": {func(o *task.Options) { o.Priority, o.Retries = 11, -1 }, "retries"},
	} {
		t.Run(name, func(t *testing.T) {
			options := task.Options{}.WithDefaults()
			test.change(&options)
			requireField(t, options.Validate(), test.field)
		})
	}
}

// requireField holds an error to the field that it blames: none, where field
// is empty.
func requireField(t *testing.T, err error, field string) {
	t.Helper()
	if field == "" {
		require.NoError(t, err)
		return
	}
	var invalid *task.InvalidError
	require.ErrorAs(t, err, &invalid)
	require.Equal(t, field, invalid.Field)
	require.ErrorContains(t, err, field+" ")
}

func TestOptionsJSON(t *testing.T) {
	options := task.Options{
		Retries: 3, Delay: 1500 * time.Millisecond, Backoff: 1.5, MaxDelay: 90 * time.Second, Priority: 7,
		Timeout: 90 * time.Minute, RequeueOnInterrupt: true, Executor: task.Wasm, Memory: 1 << 20,
		Fuel: 1 << 40, Depth: 300, ResultBytes: 2048, LogBytes: 4096, ArgsBytes: 8192, Reset: task.Fresh,
		Jitter: 0.25, ExpiresAfter: time.Hour, Unique: task.UniqueName, IdempotencyTTL: 24 * time.Hour, Eager: true,
	}
	text, err := json.Marshal(options)
	require.NoError(t, err)
	require.Equal(t, `{"retries":3,"delay":"1.5s","backoff":1.5,"max_delay":"1m30s","jitter":0.25,"priority":7,`+
		`"timeout":"1h30m0s","expires_after":"1h0m0s","unique":"name","idempotency_ttl":"24h0m0s","eager":true,"requeue_on_interrupt":true,"executor":"wasm","memory_bytes":1048576,`+
		`"fuel":1099511627776,"depth":300,"result_bytes":2048,"log_bytes":4096,"args_bytes":8192,"reset":"fresh"}`, string(text))

	var back task.Options
	require.NoError(t, json.Unmarshal(text, &back))
	require.Equal(t, options, back)
}

func TestOptionsJSONOfZero(t *testing.T) {
	text, err := json.Marshal(task.Options{})
	require.NoError(t, err)
	back := task.Options{Retries: 9, Delay: 9}
	require.NoError(t, json.Unmarshal(text, &back))
	require.Equal(t, task.Options{}, back)

	back = task.Options{Delay: 9}
	require.NoError(t, json.Unmarshal([]byte(`{"retries":1}`), &back))
	require.Equal(t, task.Options{Retries: 1}, back, "what is left out is the zero value, not what was there")
}

func TestOptionsJSONMalformed(t *testing.T) {
	for name, text := range map[string]string{
		"delay without unit": `{"delay":"5"}`,
		"delay a number":     `{"delay":5}`,
		"max_delay a word":   `{"max_delay":"soon"}`,
		"expires a word":     `{"expires_after":"never"}`,
		"timeout a word":     `{"timeout":"never"}`,
		"retries a text":     `{"retries":"3"}`,
		"not an object":      `[]`,
	} {
		t.Run(name, func(t *testing.T) {
			kept := task.Options{Retries: 7}
			require.Error(t, json.Unmarshal([]byte(text), &kept))
			require.Equal(t, task.Options{Retries: 7}, kept, "a failed read must not change the options")
		})
	}
}
