package guest

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/abi"
)

// readManifest reads a manifest as strictly as the host does.
func readManifest(t *testing.T, text []byte) abi.Manifest {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var manifest abi.Manifest
	require.NoError(t, decoder.Decode(&manifest), "%s", text)
	return manifest
}

func TestManifestOfNothing(t *testing.T) {
	require.Equal(t, `{"sdk":"go/1","definitions":[]}`, string(appendManifest(nil, nil)))
}

func TestManifestIsWhatEncodingJSONWrites(t *testing.T) {
	all := []definition{
		{Definition: abi.Definition{Name: "plain"}},
		{Definition: abi.Definition{Name: "args", Args: abi.JSON(`{"type":"object"}`)}},
		{Definition: abi.Definition{Name: "odd", Description: "\"\\/\b\f\n\r\t\x00\x7f é 語 🎈 </script>"}},
		{Definition: abi.Definition{Name: "options", Options: Options{
			Retries: 1000, Delay: time.Second, Backoff: 2.25, MaxDelay: time.Hour, Priority: 10,
			Timeout: time.Minute, RequeueOnInterrupt: true, MemoryBytes: 1 << 40,
			Fuel: 1 << 50, Depth: 100, ResultBytes: 2048, LogBytes: 4096, ArgsBytes: 8192, Reset: Fresh,
			Jitter: 0.125, ExpiresAfter: time.Hour, Unique: UniqueName, IdempotencyTTL: 24 * time.Hour, Eager: true,
		}.atBoundary()}},
	}
	want := abi.Manifest{SDK: sdkName}
	for _, d := range all {
		want.Definitions = append(want.Definitions, d.Definition)
	}
	text := appendManifest(nil, all)
	require.Equal(t, want, readManifest(t, text))

	canonical, err := json.Marshal(want)
	require.NoError(t, err)
	require.JSONEq(t, string(canonical), string(text))
}

// Every field of the contract must have a place in the hand-written text.
func TestManifestLeavesNoFieldOut(t *testing.T) {
	d := abi.Definition{Name: "n", Description: "d", Args: abi.JSON("true"), Options: abi.Options{
		Retries: 1, DelayMS: 2, Backoff: 3, MaxDelayMS: 4, Priority: 5, TimeoutMS: 6, RequeueOnInterrupt: true, MemoryBytes: 7,
		Fuel: 8, Depth: 9, ResultBytes: 10, LogBytes: 11, ArgsBytes: 12, Reset: "fresh",
		Jitter: 0.5, ExpiresAfterMS: 13, Unique: "args", IdempotencyTTLMS: 14, Eager: true,
	}}
	canonical, err := json.Marshal(abi.Manifest{SDK: sdkName, Definitions: []abi.Definition{d}})
	require.NoError(t, err)
	require.Equal(t, string(canonical), string(appendManifest(nil, []definition{{Definition: d}})))
}

func FuzzManifest(f *testing.F) {
	f.Add("thumbs.resize", "Makes a thumbnail.", 2, int64(1500), 1.5)
	f.Add("\xff\"\\", "\u2028\x00\x1f", -1, int64(-1), 1e-9)
	f.Fuzz(func(t *testing.T, name, description string, retries int, delay int64, backoff float64) {
		d := abi.Definition{Name: name, Description: description, Options: abi.Options{Retries: retries, DelayMS: delay, Backoff: backoff}}
		if backoff != backoff || backoff-backoff != 0 {
			return // no number in JSON, and refused at registration
		}
		got := readManifest(t, appendManifest(nil, []definition{{Definition: d}})).Definitions[0]
		require.Equal(t, d.Options, got.Options)
		require.Equal(t, []rune(name), []rune(got.Name))
		require.Equal(t, []rune(description), []rune(got.Description))
	})
}
