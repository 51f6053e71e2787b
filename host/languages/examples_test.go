package languages_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/abi"
)

func TestChecksum(t *testing.T) {
	t.Parallel()
	g := load(t, "../../examples/wasm-tasks/checksum")
	for input, want := range map[string]string{
		"":          `{"bytes":0,"crc32":"00000000"}`,
		"123456789": `{"bytes":9,"crc32":"cbf43926"}`, // what every account of CRC-32 has for an example
		"\x00\xff":  `{"bytes":2,"crc32":"6cdbfd72"}`,
	} {
		out, lines := execute(t, g.attempt(t, "bytes.checksum", input))
		require.Nil(t, out.Failure)
		require.Equal(t, want, string(out.Output))
		require.Equal(t, input == "", len(lines) == 1)
	}
}

func TestDuplicates(t *testing.T) {
	t.Parallel()
	g := load(t, "../../examples/wasm-tasks/duplicates")
	require.JSONEq(t, `{"type":"string"}`, string(g.manifest.Definitions[0].Args))
	require.Equal(t, abi.Options{Retries: 1, TimeoutMS: 10_000}, g.manifest.Definitions[0].Options)
	for input, want := range map[string]string{
		`""`:           `[]`,
		`"ann\nbob\n"`: `[]`,
		`"ann\nbob\n\n ann\r\n\"é\"\n\"é\"\nann"`: `[{"line":"ann","at":[1,4,7]},{"line":"\"é\"","at":[5,6]}]`,
	} {
		out, lines := execute(t, g.attempt(t, "lines.duplicates", input))
		require.Nil(t, out.Failure)
		require.JSONEq(t, want, string(out.Output))
		require.Len(t, lines, 1)
		require.Equal(t, "looked", lines[0].Message)
	}
	require.True(t, fail(t, g.attempt(t, "lines.duplicates", "{}")).Permanent)
}

func TestSlug(t *testing.T) {
	t.Parallel()
	g := load(t, "../../examples/wasm-tasks/slug")
	require.JSONEq(t, `{"type":"string"}`, string(g.manifest.Definitions[0].Args))
	for input, want := range map[string]string{
		`"a"`:                             `"a"`,
		`"Hello, World!"`:                 `"hello-world"`,
		`" -- 2 x Crème BRÛLÉE\u00a0-- "`: `"2-x-creme-brulee"`,
		`"Größe: Übermäßig 你好 œuvre 😀 żółw"`: `"groesse-uebermaessig-oeuvre-zolw"`,
	} {
		require.Equal(t, want, string(succeed(t, g.attempt(t, "text.slug", input)).Output))
	}
	failure := fail(t, g.attempt(t, "text.slug", `"?!"`))
	require.Equal(t, "nothing of the title can stand in an address", failure.Message)
	require.True(t, failure.Permanent)
}
