package languages_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host"
)

// A language is what differs between the SDKs.
type language struct {
	name, sdk string
	// trace is in the trace of a failure: where the SDK knows a place.
	trace string
	// panic is the message of a guest that breaks off, panicTrace in its trace.
	panic, panicTrace string
}

var languages = []language{
	{
		name: "c", sdk: "c/1", trace: "host/testdata/sdk-c/main.c:",
		panic: "wasm error: unreachable", panicTrace: "Assertion failed: taskhost_input().len == 0 (host/testdata/sdk-c/main.c: panics: ",
	},
	{
		name: "rust", sdk: "rust/1", trace: "host/testdata/sdk-rust/main.rs:",
		panic: "panic: ünexpected", panicTrace: "\tat host/testdata/sdk-rust/main.rs:",
	},
	{
		name: "assemblyscript", sdk: "assemblyscript/1",
		panic: "panic: ünexpected", panicTrace: "\tat host/testdata/sdk-assemblyscript/main.ts:",
	},
}

// TestSDK has each language's SDK do the same.
func TestSDK(t *testing.T) {
	t.Parallel()
	for _, l := range languages {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			g := load(t, "../testdata/sdk-"+l.name)
			t.Run("manifest", func(t *testing.T) { testManifest(t, l, g) })
			t.Run("values", func(t *testing.T) { testValues(t, g) })
			t.Run("logs", func(t *testing.T) { testLogs(t, g) })
			t.Run("strings", func(t *testing.T) { testStrings(t, l, g) })
			t.Run("failures", func(t *testing.T) { testFailures(t, l, g) })
			t.Run("depth", func(t *testing.T) { testDepth(t, g, "11000") })
		})
	}
}

func testManifest(t *testing.T, l language, g *guest) {
	require.Equal(t, l.sdk, g.manifest.SDK)
	var names []string
	for _, d := range g.manifest.Definitions {
		names = append(names, d.Name)
		if d.Name != "context" {
			require.Equal(t, abi.Definition{Name: d.Name}, d)
		}
	}
	require.Equal(t, strings.Fields("echo context logs string fail fail.permanent panic deep"), names)
	require.Equal(t, abi.Definition{
		Name: "context", Description: `Says "all" that it is told.`, Args: abi.JSON(`{"type":"object"}`),
		Options: abi.Options{
			Retries: 3, DelayMS: 1500, Backoff: 1.25, MaxDelayMS: 60_000, Priority: 7, TimeoutMS: 30_000,
			RequeueOnInterrupt: true, MemoryBytes: 32 << 20,
		},
	}, g.manifest.Definitions[g.index["context"]])
}

func testValues(t *testing.T, g *guest) {
	attempt := g.attempt(t, "context", "{}")
	attempt.Number, attempt.MaxAttempts = 2, 4
	attempt.Deadline = attempt.Deadline.UTC()
	for _, tags := range []map[string]string{nil, {"": "", "a": `"quoted\"`, "z": "ü\n\x01"}} {
		attempt.Tags = tags
		want := map[string]any{
			"type": abi.ContentJSON, "id": attempt.TaskID, "name": "context", "attempt": 2.0, "max_attempts": 4.0,
			"deadline": float64(attempt.Deadline.UnixMilli()), "unknown": true, "tags": map[string]any{},
		}
		for key, value := range tags {
			want["tags"].(map[string]any)[key] = value
		}
		out := succeed(t, attempt)
		require.Equal(t, want, decoded(t, out.Output))
		require.Equal(t, abi.ContentJSON, out.OutputType)
	}

	for _, input := range []string{"", "a\x00b\xff\n", strings.Repeat("ab\n", 300_000)} {
		attempt := g.attempt(t, "echo", input)
		attempt.InputType = "text/plain; charset=x"
		out := succeed(t, attempt)
		require.Equal(t, input, string(out.Output))
		require.Equal(t, "text/plain; charset=x", out.OutputType)
	}
}

func testLogs(t *testing.T, g *guest) {
	out, lines := execute(t, g.attempt(t, "logs", "{}"))
	require.Nil(t, out.Failure)
	require.Empty(t, out.Output)
	require.Equal(t, []host.LogLine{
		{Level: abi.LevelDebug, Message: "at debug"},
		{Level: abi.LevelInfo, Message: "at info", Fields: []byte(`{"n":1}`)},
		{Level: abi.LevelWarn, Message: "at warn"},
		{Level: abi.LevelError, Message: "ät error"},
	}, lines)
}

// testStrings has strings read from JSON and written again.
func testStrings(t *testing.T, l language, g *guest) {
	for _, input := range []string{
		`""`, `"a"`, ` "spaces around" ` + "\r\n\t", `"ü € 😀"`, `"\u00fc \u20ac \ud83d\ude00 \uD83D\uDE00"`,
		`"\"\\\/\b\f\n\r\t\u0000\u001f"`, `"\ud83d"`, `"\ud83dx"`, `"\ud83d\ud83d\ude00"`, `"\ude00\ud83d"`, `"` + strings.Repeat(`\n`, 10_000) + `"`,
	} {
		out := succeed(t, g.attempt(t, "string", input))
		require.Equal(t, decoded(t, []byte(input)), decoded(t, out.Output), input)
	}
	for _, input := range []string{
		``, ` `, `"`, `"a`, `a"`, `7`, `null`, `"a" "b"`, `"a"b"`, `"\"`, `"\x"`, `"\u12"`, `"\u12"34`, `"\u12g4"`, "\"\n\"", "\"\x00\"", `"\u"`, `"a\`,
	} {
		failure := fail(t, g.attempt(t, "string", input))
		require.Contains(t, failure.Message, "the input is no JSON string", input)
		require.Equal(t, l.name != "assemblyscript", failure.Permanent, "it throws")
	}
}

func testFailures(t *testing.T, l language, g *guest) {
	for _, name := range []string{"fail", "fail.permanent"} {
		failure := fail(t, g.attempt(t, name, "why it fäiled"))
		require.Equal(t, host.KindError, failure.Kind)
		require.Equal(t, "why it fäiled", failure.Message)
		require.Equal(t, name == "fail.permanent", failure.Permanent)
		require.True(t, strings.HasPrefix(failure.Trace, l.trace), failure.Trace)
	}
	failure := fail(t, g.attempt(t, "panic", "ünexpected"))
	require.Equal(t, host.KindTrap, failure.Kind)
	require.Equal(t, l.panic, failure.Message)
	require.Contains(t, failure.Trace, l.panicTrace)
	require.Contains(t, failure.Trace, "wasm stack:")
}

func testDepth(t *testing.T, g *guest, tooDeep string) {
	t.Helper()
	require.Equal(t, "9000", string(succeed(t, g.attempt(t, "deep", "9000")).Output))
	failure := fail(t, g.attempt(t, "deep", tooDeep))
	require.Equal(t, host.KindLimit, failure.Kind)
	require.Contains(t, failure.Message, "limit depth")
}

// TestDepthOfGo has the same in Go, whose SDK has tests of its own. Whenever Go
// enlarges a stack, which it does by doubling it, the calls so far are no calls of
// the engine's any more.
func TestDepthOfGo(t *testing.T) {
	t.Parallel()
	testDepth(t, loadGo(t, "../testdata/guest"), "100000")
}

// TestRaw: what benchmarks measure does what they take it to do.
func TestRaw(t *testing.T) {
	t.Parallel()
	loaded := map[string]*guest{"raw-go": loadGo(t, "../testdata/raw-go")}
	for _, l := range languages {
		loaded["raw-"+l.name] = load(t, "../testdata/raw-"+l.name)
	}
	for name, g := range loaded {
		out := succeed(t, g.attempt(t, "raw", "a few bytes"))
		require.Equal(t, "a few bytes", string(out.Output), name)
	}
}
