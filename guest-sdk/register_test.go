package guest

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/abi"
)

// alone runs a test without the definitions of other tests.
func alone(t *testing.T) {
	t.Helper()
	kept := definitions
	definitions = nil
	t.Cleanup(func() { definitions, onExecution = kept, nil })
}

func echo(_ Context, in []byte) ([]byte, error) { return in, nil }

func TestNames(t *testing.T) {
	for _, name := range []string{
		"a", "thumbs.resize", "a1_-.0.-_", "x.y.z", strings.Repeat("a", 100),
	} {
		require.Empty(t, nameProblem(name), name)
	}
	for _, name := range []string{
		"", ".", "a.", ".a", "a..b", "1a", "-a", "_a", "A", "aB", "a b", "a/b", "é", "a.é", "a\x00",
		strings.Repeat("a", 129),
	} {
		require.NotEmpty(t, nameProblem(name), name)
	}
}

func TestMisusePanicsWithTheRule(t *testing.T) {
	alone(t)
	HandleRaw("taken", echo, Options{})
	for name, test := range map[string]struct {
		register func()
		problem  string
	}{
		"no name": {
			func() { HandleRaw("", echo, Options{}) },
			`guest: HandleRaw(""): a name is words of a-z, 0-9, - and _ joined by dots and begins with a letter, such as thumbs.resize`,
		},
		"long name": {
			func() { HandleRaw(strings.Repeat("n", 101), echo, Options{}) },
			`guest: HandleRaw("` + strings.Repeat("n", 101) + `"): the name has 101 bytes, at most 100 are allowed`,
		},
		"taken name": {
			func() { Handle("taken", func(Context, int) (int, error) { return 0, nil }, Options{}) },
			`guest: Handle("taken"): the name is taken: each definition needs its own`,
		},
		"no raw function": {
			func() { HandleRaw("nil", nil, Options{}) },
			`guest: HandleRaw("nil"): the function is nil`,
		},
		"no function": {
			func() { Handle[int, int]("nil", nil, Options{}) },
			`guest: Handle("nil"): the function is nil`,
		},
		"arguments without JSON": {
			func() { Handle("bad", func(Context, struct{ C []chan int }) (int, error) { return 0, nil }, Options{}) },
			`guest: Handle("bad"): struct { C []chan int }.C: JSON cannot be read into type chan int`,
		},
		"retries": {
			func() { HandleRaw("bad", echo, Options{Retries: -1}) },
			`guest: HandleRaw("bad"): Options.Retries must not be negative`,
		},
		"delay":     {func() { HandleRaw("bad", echo, Options{Delay: -1}) }, `guest: HandleRaw("bad"): Options.Delay must not be negative`},
		"backoff":   {func() { HandleRaw("bad", echo, Options{Backoff: 0.5}) }, `guest: HandleRaw("bad"): Options.Backoff must be from 1 to 1000`},
		"max delay": {func() { HandleRaw("bad", echo, Options{MaxDelay: -1}) }, `guest: HandleRaw("bad"): Options.MaxDelay must not be negative`},
		"jitter":    {func() { HandleRaw("bad", echo, Options{Jitter: 1.5}) }, `guest: HandleRaw("bad"): Options.Jitter must be from 0 to 1`},
		"expiry":    {func() { HandleRaw("bad", echo, Options{ExpiresAfter: -1}) }, `guest: HandleRaw("bad"): Options.ExpiresAfter must not be negative`},
		"unique":    {func() { HandleRaw("bad", echo, Options{Unique: "tags"}) }, `guest: HandleRaw("bad"): Options.Unique must be NotUnique, UniqueName or UniqueArgs`},
		"key TTL":   {func() { HandleRaw("bad", echo, Options{IdempotencyTTL: -1}) }, `guest: HandleRaw("bad"): Options.IdempotencyTTL must not be negative`},
		"priority":  {func() { HandleRaw("bad", echo, Options{Priority: 11}) }, `guest: HandleRaw("bad"): Options.Priority must be from 1 (lowest) to 10 (highest)`},
		"timeout":   {func() { HandleRaw("bad", echo, Options{Timeout: -1}) }, `guest: HandleRaw("bad"): Options.Timeout must not be negative`},
		"memory":    {func() { HandleRaw("bad", echo, Options{MemoryBytes: -1}) }, `guest: HandleRaw("bad"): Options.MemoryBytes must not be negative`},
		"fuel":      {func() { HandleRaw("bad", echo, Options{Fuel: -1}) }, `guest: HandleRaw("bad"): Options.Fuel must not be negative`},
		"depth":     {func() { HandleRaw("bad", echo, Options{Depth: -1}) }, `guest: HandleRaw("bad"): Options.Depth must not be negative`},
		"result":    {func() { HandleRaw("bad", echo, Options{ResultBytes: -1}) }, `guest: HandleRaw("bad"): Options.ResultBytes must not be negative`},
		"logs":      {func() { HandleRaw("bad", echo, Options{LogBytes: -1}) }, `guest: HandleRaw("bad"): Options.LogBytes must not be negative`},
		"arguments": {func() { HandleRaw("bad", echo, Options{ArgsBytes: -1}) }, `guest: HandleRaw("bad"): Options.ArgsBytes must not be negative`},
		"reset":     {func() { HandleRaw("bad", echo, Options{Reset: "never"}) }, `guest: HandleRaw("bad"): Options.Reset must be Pooled or Fresh`},
	} {
		t.Run(name, func(t *testing.T) {
			require.PanicsWithValue(t, test.problem, test.register)
			require.Len(t, definitions, 1)
		})
	}
}

func TestDurationsAreWholeMillisecondsRoundedUp(t *testing.T) {
	for d, ms := range map[time.Duration]int64{
		0: 0, 1: 1, time.Millisecond: 1, time.Millisecond + 1: 2, time.Second: 1000, 1<<63 - 1: 9223372036855,
	} {
		require.Equal(t, ms, milliseconds(d), d)
	}
}

func TestOptionsReachTheManifest(t *testing.T) {
	alone(t)
	HandleRaw("all", echo, Options{
		Description:        "Every option.",
		Args:               `{"type":"string"}`,
		Retries:            2,
		Delay:              1500 * time.Millisecond,
		Backoff:            1.5,
		MaxDelay:           time.Minute,
		Priority:           7,
		Timeout:            time.Hour,
		RequeueOnInterrupt: true,
		MemoryBytes:        1 << 30,
		Fuel:               1 << 40,
		Depth:              200,
		ResultBytes:        2048,
		LogBytes:           4096,
		ArgsBytes:          8192,
		Reset:              Fresh,
	})
	require.Equal(t, []abi.Definition{{
		Name:        "all",
		Description: "Every option.",
		Args:        abi.JSON(`{"type":"string"}`),
		Options: abi.Options{
			Retries: 2, DelayMS: 1500, Backoff: 1.5, MaxDelayMS: 60_000, Priority: 7, TimeoutMS: 3_600_000,
			RequeueOnInterrupt: true, MemoryBytes: 1 << 30,
			Fuel: 1 << 40, Depth: 200, ResultBytes: 2048, LogBytes: 4096, ArgsBytes: 8192, Reset: "fresh",
		},
	}}, readManifest(t, appendManifest(nil, definitions)).Definitions)
}

func TestGivenSchemaReplacesTheDerivedOne(t *testing.T) {
	alone(t)
	Handle("given", func(Context, int) (int, error) { return 0, nil }, Options{Args: `{"type":"integer","minimum":3}`})
	require.Equal(t, `{"type":"integer","minimum":3}`, string(definitions[0].Args))
}
