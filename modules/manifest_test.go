package modules_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/task"
)

func TestReadManifest(t *testing.T) {
	sdk, definitions, err := modules.ReadManifest([]byte(`{
		"sdk": "go/1",
		"definitions": [
			{
				"name": "thumbs.resize",
				"description": "Makes thumbnails.",
				"args": {"type": "object", "required": ["width"]},
				"options": {
					"retries": 3, "delay_ms": 1500, "backoff": 2, "max_delay_ms": 60000, "priority": 9,
					"timeout_ms": 5000, "requeue_on_interrupt": true, "memory_bytes": 1048576,
					"fuel": 5000000000, "depth": 500, "result_bytes": 2048, "log_bytes": 4096, "args_bytes": 16777216, "reset": "fresh",
					"jitter": 0.5, "expires_after_ms": 60000, "unique": "args", "idempotency_ttl_ms": 3600000, "eager": true
				}
			},
			{"name": "thumbs.clean"},
			{"name": "thumbs.null", "args": null, "options": {}}
		]
	}`), task.Ceilings{})
	require.NoError(t, err)
	require.Equal(t, "go/1", sdk)
	defaults := task.Options{Executor: task.Wasm}.WithDefaults()
	require.Equal(t, []task.Definition{
		{
			Name: "thumbs.resize", Description: "Makes thumbnails.", Executor: task.Wasm, Index: 0,
			Options: task.Options{
				Retries: 3, Delay: 1500 * time.Millisecond, Backoff: 2, MaxDelay: time.Minute, Priority: 9,
				Timeout: 5 * time.Second, RequeueOnInterrupt: true, Executor: task.Wasm, Memory: 1 << 20,
				Fuel: 5_000_000_000, Depth: 500, ResultBytes: 2048, LogBytes: 4096, ArgsBytes: 16 << 20, Reset: task.Fresh,
				Jitter: 0.5, ExpiresAfter: time.Minute, Unique: task.UniqueArgs, IdempotencyTTL: time.Hour, Eager: true,
			},
			Args: json.RawMessage(`{"type": "object", "required": ["width"]}`),
		},
		{Name: "thumbs.clean", Executor: task.Wasm, Index: 1, Options: defaults},
		{Name: "thumbs.null", Executor: task.Wasm, Index: 2, Options: defaults},
	}, definitions)
}

func TestReadManifestAtTheLimits(t *testing.T) {
	definitions := make([]string, 1000)
	for i := range definitions {
		definitions[i] = fmt.Sprintf(`{"name":"t%d"}`, i)
	}
	_, read, err := modules.ReadManifest([]byte(manifest(definitions...)), task.Ceilings{})
	require.NoError(t, err)
	require.Len(t, read, 1000)

	text := strings.Repeat("d", 1000)
	sdk, read, err := modules.ReadManifest([]byte(`{"sdk":"`+text+`","definitions":[{"name":"a","description":"`+text+`"}]}`), task.Ceilings{})
	require.NoError(t, err)
	require.Equal(t, text, sdk)
	require.Equal(t, text, read[0].Description)

	_, _, err = modules.ReadManifest([]byte(manifest(`{"name":"a","args":`+schemaOf(64<<10)+`}`)), task.Ceilings{})
	require.NoError(t, err)
}

func manifest(definitions ...string) string {
	return `{"definitions":[` + strings.Join(definitions, ",") + `]}`
}

// schemaOf is a schema of so many bytes.
func schemaOf(bytes int) string {
	const around = `{"title":""}`
	return `{"title":"` + strings.Repeat("s", bytes-len(around)) + `"}`
}

func TestReadManifestRefuses(t *testing.T) {
	option := func(text string) string { return manifest(`{"name":"a","options":{` + text + `}}`) }
	for name, test := range map[string]struct{ text, want string }{
		"nothing":                   {"", "its manifest cannot be read: EOF"},
		"no JSON":                   {"manifest", "its manifest cannot be read: invalid character"},
		"a broken object":           {`{"definitions":[`, "its manifest cannot be read: unexpected EOF"},
		"a list":                    {`[]`, "its manifest cannot be read: it is of the wrong type, array"},
		"something after it":        {manifest(`{"name":"a"}`) + `{}`, "its manifest is followed by something else"},
		"no JSON after it":          {manifest(`{"name":"a"}`) + `x`, "its manifest is followed by something else"},
		"a field nobody knows":      {`{"definitions":[{"name":"a"}],"version":1}`, `unknown field "version"`},
		"a misspelt option":         {option(`"retrys":1`), `unknown field "retrys"`},
		"a misspelt field":          {manifest(`{"name":"a","desc":"x"}`), `unknown field "desc"`},
		"an option of another type": {option(`"retries":"3"`), "its manifest cannot be read: definitions.options.retries is of the wrong type, string"},
		"a fraction for a count":    {option(`"retries":1.5`), "its manifest cannot be read: definitions.options.retries is of the wrong type, number 1.5"},
		"null":                      {`null`, "it declares no definitions: register a handler before the module is initialised, in Go from func init"},
		"no definitions":            {`{"sdk":"go/1"}`, "it declares no definitions"},
		"an empty list":             {manifest(), "it declares no definitions"},
		"too many definitions":      {manifest(strings.Split(strings.Repeat(`{"name":"a"} `, 1001), " ")[:1001]...), "it declares 1001 definitions, at most 1000 are allowed"},
		"a long SDK":                {`{"sdk":"` + strings.Repeat("s", 1001) + `","definitions":[{"name":"a"}]}`, "the name of its SDK is longer than 1000 bytes"},
		"a name twice":              {manifest(`{"name":"a"}`, `{"name":"b"}`, `{"name":"a"}`), "it declares a twice"},
		"no name":                   {manifest(`{}`), `definition 0: name "" must be words`},
		"a bad name":                {manifest(`{"name":"a"}`, `{"name":"Resize"}`), `definition 1: name "Resize" must be words`},
		"a long name":               {manifest(`{"name":"` + strings.Repeat("a", 101) + `"}`), "definition 0: name is 101 bytes long, at most 100 are allowed"},
		"a long description":        {manifest(`{"name":"a","description":"` + strings.Repeat("d", 1001) + `"}`), "definition 0: a: its description is longer than 1000 bytes"},
		"negative retries":          {option(`"retries":-1`), "definition 0: a: retries must be from 0 to 1000, is -1"},
		"too many retries":          {option(`"retries":1001`), "a: retries must be from 0 to 1000, is 1001"},
		"a negative delay":          {option(`"delay_ms":-1`), "a: delay must be from 0 to 720h0m0s, is -1ms"},
		"an absurd delay":           {option(`"delay_ms":9223372036854775807`), "a: delay must be from 0 to 720h0m0s, is "},
		"an absurd negative delay":  {option(`"delay_ms":-9223372036854775808`), "a: delay must be from 0 to 720h0m0s, is -"},
		"a delay that wraps to 0":   {option(`"delay_ms":4611686018427387904`), "a: delay must be from 0 to 720h0m0s, is "},
		"an absurd maximum":         {option(`"max_delay_ms":9223372036854775807`), "a: max_delay must be from 0 to 720h0m0s, is "},
		"a shrinking backoff":       {option(`"backoff":0.5`), "a: backoff must be from 1 to 1000, is 0.5"},
		"a steep backoff":           {option(`"backoff":1001`), "a: backoff must be from 1 to 1000, is 1001"},
		"a low priority":            {option(`"priority":-1`), "a: priority must be from 1 (lowest) to 10 (highest), is -1"},
		"a high priority":           {option(`"priority":11`), "a: priority must be from 1 (lowest) to 10 (highest), is 11"},
		"a negative timeout":        {option(`"timeout_ms":-5`), "a: timeout must be from 1ms to 1h0m0s, is -5ms"},
		"a long timeout":            {option(`"timeout_ms":3600001`), "a: timeout must be from 1ms to 1h0m0s, is 1h0m0.001s"},
		"an absurd timeout":         {option(`"timeout_ms":9223372036854775807`), "a: timeout must be from 1ms to 1h0m0s, is "},
		"too little memory":         {option(`"memory_bytes":1`), "a: memory must be from 64 KiB to 1 GiB, is 1 bytes"},
		"too much memory":           {option(`"memory_bytes":1073741825`), "a: memory must be from 64 KiB to 1 GiB, is 1073741825 bytes"},
		"negative fuel":             {option(`"fuel":-1`), "a: fuel must not be negative, is -1: 0 is no limit"},
		"too deep":                  {option(`"depth":100001`), "a: depth must be from 1 to 100000, is 100001"},
		"a negative depth":          {option(`"depth":-1`), "a: depth must be from 1 to 100000, is -1"},
		"too large a result":        {option(`"result_bytes":16777217`), "a: result_bytes must be from 1 KiB to 16 MiB, is 16777217 bytes"},
		"too small a result":        {option(`"result_bytes":16`), "a: result_bytes must be from 1 KiB to 16 MiB, is 16 bytes"},
		"too many logs":             {option(`"log_bytes":16777217`), "a: log_bytes must be from 1 KiB to 16 MiB, is 16777217 bytes"},
		"too large arguments":       {option(`"args_bytes":16777217`), "a: args_bytes must be from 1 KiB to 16 MiB, is 16777217 bytes"},
		"a jitter above 1":          {option(`"jitter":1.5`), "a: jitter must be from 0 to 1, is 1.5"},
		"unique by tags":            {option(`"unique":"tags"`), `a: unique must be name, args or none, is "tags"`},
		"an expiry in the past":     {option(`"expires_after_ms":-1`), "a: expires_after must be from 1ms to"},
		"a reset of no kind":        {option(`"reset":"never"`), `a: reset must be pooled or fresh, is "never"`},
		"a large schema":            {manifest(`{"name":"a","args":` + schemaOf(64<<10+1) + `}`), "definition 0: a: its argument schema is longer than 65536 bytes"},
		"no schema":                 {manifest(`{"name":"a","args":5}`), "definition 0: a: argument schema: "},
		"a wrong schema":            {manifest(`{"name":"a","args":{"type":"strin"}}`), "definition 0: a: argument schema: "},
		"a schema from elsewhere":   {manifest(`{"name":"a","args":{"$ref":"https://example.com/s.json"}}`), "is not followed: use $defs"},
	} {
		t.Run(name, func(t *testing.T) {
			sdk, definitions, err := modules.ReadManifest([]byte(test.text), task.Ceilings{})
			var rejected *modules.RejectedError
			require.ErrorAs(t, err, &rejected)
			require.Contains(t, rejected.Reason, test.want)
			require.EqualError(t, err, "the module was rejected: "+rejected.Reason)
			require.Empty(t, sdk)
			require.Nil(t, definitions)
		})
	}
}

// A definition that names no limit gets what the host allows, one that asks for more
// is told what to change.
func TestReadManifestUnderCeilings(t *testing.T) {
	ceilings := task.Ceilings{Memory: 32 << 20, Fuel: 1000, Depth: 50, Timeout: time.Second, ResultBytes: 4096, LogBytes: 8192, ArgsBytes: 2048}
	_, definitions, err := modules.ReadManifest([]byte(manifest(`{"name":"a"}`, `{"name":"b","options":{"fuel":1000,"memory_bytes":65536}}`)), ceilings)
	require.NoError(t, err)
	want := task.Options{
		Executor: task.Wasm, Timeout: time.Second, Memory: 32 << 20, Fuel: 1000, Depth: 50,
		ResultBytes: 4096, LogBytes: 8192, ArgsBytes: 2048,
	}.WithDefaults()
	require.Equal(t, want, definitions[0].Options)
	want.Memory = 65536
	require.Equal(t, want, definitions[1].Options)

	_, _, err = modules.ReadManifest([]byte(manifest(`{"name":"a"}`, `{"name":"b","options":{"fuel":1001}}`)), ceilings)
	require.EqualError(t, err, "the module was rejected: definition 1: b: limit fuel: it asks for 1001, and this host allows at most 1000: lower its fuel, or raise the host's ceiling limits.fuel")
}

func FuzzReadManifest(f *testing.F) {
	f.Add([]byte(manifest(`{"name":"a","args":{"type":"object"},"options":{"delay_ms":1}}`)))
	f.Add([]byte(`{"sdk":"x","definitions":[]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, definitions, err := modules.ReadManifest(text, task.Ceilings{})
		if err != nil {
			var rejected *modules.RejectedError
			require.ErrorAs(t, err, &rejected)
			return
		}
		require.NotEmpty(t, definitions)
		for i, def := range definitions {
			require.Equal(t, i, def.Index)
			require.NoError(t, task.ValidateName(def.Name))
			require.NoError(t, def.Options.Validate())
		}
	})
}
