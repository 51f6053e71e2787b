package host_test

import (
	"bytes"
	"context"
	"encoding/json"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/abi"
	"github.com/taskhost/taskhost/host"
	"github.com/taskhost/taskhost/host/fuel"
)

func TestTypedHandler(t *testing.T) {
	out, log := succeed(t, goAttempt(t, "typed", `{"item":"tea","count":2}`))
	require.Equal(t, `{"item":"TEA","count":3}`, string(out.Output))
	require.Equal(t, "application/json", out.OutputType)
	require.Empty(t, log.lines)
}

func TestRawHandler(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, in := range [][]byte{all, {0}, bytes.Repeat([]byte("0123456789abcdef"), 1<<16)} {
		attempt := goAttempt(t, "echo", string(in))
		attempt.InputType = "image/jpeg; q=1"
		out, log := succeed(t, attempt)
		require.True(t, bytes.Equal(in, out.Output), "%d bytes came back as %d", len(in), len(out.Output))
		require.Equal(t, "image/jpeg; q=1", out.OutputType)
		require.Empty(t, log.lines)
	}

	out, _ := succeed(t, goAttempt(t, "nothing", "in"))
	require.Nil(t, out.Output)
	require.Empty(t, out.OutputType)
}

func TestGuestSeesItsTask(t *testing.T) {
	attempt := goAttempt(t, "context", "{}")
	attempt.TaskID = "018f3a5e-0000-7000-8000-000000000001"
	attempt.Number = 3
	attempt.MaxAttempts = 7
	attempt.Tags = map[string]string{"tenant": "acme", "empty": "", "ü": "ä ö"}
	attempt.InputType = "application/vnd.acme+json"
	attempt.Deadline = time.UnixMilli(1_900_000_000_123)
	out, _ := succeed(t, attempt)
	require.JSONEq(t, `{
		"name": "context",
		"task_id": "018f3a5e-0000-7000-8000-000000000001",
		"attempt": 3,
		"max_attempts": 7,
		"deadline": 1900000000123,
		"tags": {"tenant": "acme", "empty": "", "ü": "ä ö"},
		"input_type": "application/vnd.acme+json",
		"args": ["task"],
		"env": 0,
		"initialised": true
	}`, string(out.Output))
}

// values reads values by their keys, and pushes one after the other as it came
// over the boundary, and a number after them.
func values(number uint32, keys ...uint32) *module {
	const lengths, at = 256, 1024
	m, add := newModule(), []byte{0x6a} // i32.add
	var code []byte
	end := constant(at)
	for i, key := range keys {
		length := uint32(lengths + 4*i)
		code = join(code, store(length, join(constant(key), end, constant(1000), m.call("value_read"))))
		end = join(end, load(length), add)
	}
	code = join(code, end, m.call("number", number), []byte{0x37, 0, 0})                                                      // i64.store
	push := join(constant(at), end, constant(8), add, constant(at), []byte{0x6b}, constant(0), constant(0), m.call("output")) // without a type
	return m.run(code, push, done)
}

// The bytes of each value are those of the contract.
func TestValuesAtTheBoundary(t *testing.T) {
	attempt := values(abi.NumberDeadline, abi.ValueTags, abi.ValueTaskName, abi.ValueTaskID, abi.ValueInputType, abi.ValueInput).attempt(t)
	attempt.Tags = map[string]string{"b": "2", "a": "1", "c": "", "A": "ü"}
	attempt.TaskID = "id"
	attempt.InputType = "text/plain"
	attempt.Input = []byte("in\x00put")
	attempt.Deadline = time.UnixMilli(0x0102030405)
	out, _ := succeed(t, attempt)
	require.Equal(t, "A\x00ü\x00a\x001\x00b\x002\x00c\x00\x00"+"raw"+"id"+"text/plain"+"in\x00put"+"\x05\x04\x03\x02\x01\x00\x00\x00", string(out.Output))
	require.Equal(t, abi.ContentJSON, out.OutputType)
}

func TestLogs(t *testing.T) {
	_, log := succeed(t, goAttempt(t, "logs", "grüße"))
	require.Equal(t, []host.LogLine{
		{Level: abi.LevelDebug, Message: "grüße", Fields: []byte(`{"n":1}`)},
		{Level: abi.LevelInfo, Message: "grüße", Fields: []byte(`{"text":"a\"b\n","list":[1,2]}`)},
		{Level: abi.LevelWarn, Message: "grüße"},
		{Level: abi.LevelError, Message: "grüße", Fields: []byte(`{"err":"what went wrong"}`)},
	}, log.lines)
}

func TestStreamsBecomeLogs(t *testing.T) {
	_, log := succeed(t, goAttempt(t, "prints", ""))
	require.Equal(t, []host.LogLine{
		{Level: abi.LevelInfo, Message: "to standard output"},
		{Level: abi.LevelWarn, Message: "to standard error"},
		{Level: abi.LevelInfo, Message: "to the log"},
		{Level: abi.LevelInfo, Message: "two"},
		{Level: abi.LevelInfo, Message: "lines, \ufffd[31mred\ufffd[0m"},
		{Level: abi.LevelInfo, Message: "in pieces: ü"},
		{Level: abi.LevelWarn, Message: "unfinished"},
	}, log.lines)
}

func TestStateIsFreshEachTime(t *testing.T) {
	for range 3 {
		out, _ := succeed(t, goAttempt(t, "counter", ""))
		require.Equal(t, "1", string(out.Output))
	}
	// Nor does a failure leave something behind.
	fail(t, host.KindError, goAttempt(t, "panic", "x"))
	out, _ := succeed(t, goAttempt(t, "counter", ""))
	require.Equal(t, "1", string(out.Output))
}

func TestUsage(t *testing.T) {
	out, _ := succeed(t, newModule(grow(3), drop, done).attempt(t))
	require.Equal(t, int64(4*64<<10), out.Usage.PeakMemory)
	require.Positive(t, out.Usage.Sandbox)

	out, _ = succeed(t, goAttempt(t, "echo", "x"))
	require.Greater(t, out.Usage.PeakMemory, int64(1<<20))
	require.Less(t, out.Usage.PeakMemory, int64(64<<20))

	// Also of a guest that fails before it is a whole instance.
	m := newModule(done).add("", grow(2), unreachable)
	m.start = true
	out, _ = execute(t, m.attempt(t))
	requireFailure(t, host.KindTrap, out)
	require.Equal(t, int64(3*64<<10), out.Usage.PeakMemory)
}

func TestDescribe(t *testing.T) {
	names, err := declared()
	require.NoError(t, err)
	require.Zero(t, names["typed"])
	text, err := sharedEngine().Describe(context.Background(), goDigest)
	require.NoError(t, err)
	var m abi.Manifest
	require.NoError(t, json.Unmarshal(text, &m))
	require.Equal(t, "go/1", m.SDK)
	require.Len(t, m.Definitions, len(names))
	require.Equal(t, 2, m.Definitions[0].Options.Retries)
	require.Contains(t, string(m.Definitions[0].Args), `"item"`)

	text, err = sharedEngine().Describe(context.Background(), newModule(done).attempt(t).Digest)
	require.NoError(t, err)
	require.Equal(t, manifest, string(text))
}

// Compiled code is kept, and an engine that finds it there runs it.
func TestCacheDir(t *testing.T) {
	dir := t.TempDir() + "/made/for/it"
	m := newModule()
	wasm := m.run(m.output("from the cache"), done).bytes()
	for range 2 {
		e := newEngine(t, host.Config{CacheDir: dir})
		require.NoError(t, e.Prepare(context.Background(), "d", wasm))
		out := e.Execute(context.Background(), host.Attempt{Digest: "d"}, &logged{})
		require.Equal(t, "from the cache", string(out.Output), "%+v", out.Failure)
	}
	_, err := host.New(context.Background(), host.Config{CacheDir: "main_test.go"})
	require.ErrorContains(t, err, "directory for compiled modules")
}

func TestDefaultLimits(t *testing.T) {
	require.Equal(t, host.Limits{Memory: 64 << 20, Output: 1 << 20, LogLine: 8 << 10, LogTotal: 1 << 20, HostCalls: 100_000, Depth: 10_000}, host.Limits{}.WithDefaults())
	own := host.Limits{Memory: 1, Output: 2, LogLine: 3, LogTotal: 4, HostCalls: 5, Fuel: 6, Depth: 7}
	require.Equal(t, own, own.WithDefaults())
	require.Equal(t, int64(host.MaxMemory), host.Limits{Memory: host.MaxMemory + 1}.WithDefaults().Memory)
	require.Equal(t, fuel.MaxDepth, host.Limits{Depth: fuel.MaxDepth + 1}.WithDefaults().Depth)
}

func TestUnpreparedModule(t *testing.T) {
	require.False(t, sharedEngine().Prepared("unknown"))
	failure := fail(t, host.KindHost, host.Attempt{Digest: "unknown"})
	require.Equal(t, "module unknown has not been prepared", failure.Message)
	require.True(t, sharedEngine().Prepared(newModule(done).attempt(t).Digest))
}

// What a guest pushes is taken as it is then, whatever becomes of its memory.
func TestPushedBytesAreCopied(t *testing.T) {
	m := newModule()
	fields, text := m.text(`{"k":"v"}`), m.text("text")
	code := join(
		m.call("output", append(text, text...)...),
		m.call("log", slices.Concat([]uint32{abi.LevelInfo}, text, fields)...),
		m.call("fail", slices.Concat([]uint32{abi.Permanent}, text, text)...),
		store(text[0], constant(0)), store(fields[0], constant(0)))
	out, log := succeed(t, m.run(code, done).attempt(t))
	require.Equal(t, "text", string(out.Output))
	require.Equal(t, "text", out.OutputType)
	require.Equal(t, []host.LogLine{{Level: abi.LevelInfo, Message: "text", Fields: []byte(`{"k":"v"}`)}}, log.lines)
	failure := fail(t, host.KindError, m.run(code, failed).attempt(t))
	require.Equal(t, &host.Failure{Kind: host.KindError, Message: "text", Trace: "text", Permanent: true}, failure)
}

func TestUnknownLevels(t *testing.T) {
	m := newModule()
	_, log := succeed(t, m.run(m.log(abi.LevelError+1, "a"), m.log(0xffffffff, "b"), m.log(abi.LevelDebug, "c"), done).attempt(t))
	require.Equal(t, []host.LogLine{
		{Level: abi.LevelError, Message: "a"},
		{Level: abi.LevelError, Message: "b"},
		{Level: abi.LevelDebug, Message: "c"},
	}, log.lines)
}

// An instance is gone with its attempt, however that ended.
func TestMemoryIsFreed(t *testing.T) {
	const count, large = 100, 200 // pages: 12.5 MiB
	m := newModule()
	start := newModule(done).add("", grow(large), trapIfFull, unreachable)
	start.start = true
	for name, attempt := range map[string]host.Attempt{
		"success": m.run(grow(large), drop, done).attempt(t),
		"trap":    m.run(grow(large), drop, unreachable).attempt(t),
		"exit":    m.run(grow(large), drop, m.call("proc_exit", 0), done).attempt(t),
		"limit":   m.run(grow(large), drop, m.call("output", 0, 1<<23, 0, 0), done).attempt(t),
		"start":   start.attempt(t),
		"loop":    m.run(grow(large), drop, m.log(0, ""), forever, done).attempt(t),
	} {
		t.Run(name, func(t *testing.T) {
			before := heap()
			for range count {
				ctx, cancel := context.WithCancel(context.Background())
				out := sharedEngine().Execute(ctx, attempt, &logged{first: cancel})
				cancel()
				require.Equal(t, name == "success", out.Failure == nil, "%+v", out.Failure)
			}
			after := heap()
			t.Logf("%d KiB", (int64(after)-int64(before))>>10)
			require.Less(t, after, before+(count/10)*large*64<<10)
		})
	}
}

// heap is how many bytes are in use.
func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
