package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSizeText(t *testing.T) {
	for bytes, want := range map[int64]string{
		0: "0 B", 1: "1 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1 << 20: "1.0 MiB", 64 << 20: "64.0 MiB", 3760089: "3.6 MiB",
	} {
		require.Equal(t, want, sizeText(bytes))
	}
}

func TestDurationText(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 1234 * time.Nanosecond: "1µs", 86 * time.Microsecond: "86µs",
		1234567 * time.Nanosecond: "1.2ms", 1234 * time.Millisecond: "1.23s", 90 * time.Second: "1m30s",
	} {
		require.Equal(t, want, durationText(d))
	}
}

func TestShort(t *testing.T) {
	require.Equal(t, "as it is", short("as it is", 8))
	require.Equal(t, "as it i…", short("as it is.", 8))
	require.Equal(t, "größ…", short("größer", 5), "by characters, not bytes")
	require.Equal(t, "one line", short("one\nline", 10))
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	table := newTable(&out)
	table.row("A", "LONG", "C")
	table.row("ä", "", "one\ntwo\tthree\r\x1b[31m")
	table.row("last")
	require.NoError(t, table.flush())
	require.NotContains(t, out.String(), "\x1b", "what is printed may come from a stranger")
	require.NotContains(t, out.String(), "\r")
	require.Equal(t, "A   LONG   C\nä          one two three\uFFFD\uFFFD[31m\nlast\n", out.String())
}

func TestProgressWhereThereIsNoTerminal(t *testing.T) {
	var out bytes.Buffer
	bar := newProgress(&out, 10)
	bar.show(3, "working")
	bar.line("done %d", 1)
	bar.clear()
	require.Equal(t, "done 1\n", out.String())
}

func TestProgressOnATerminal(t *testing.T) {
	var out bytes.Buffer
	bar := newProgress(&out, 4)
	bar.terminal = true
	bar.show(1, "working")
	require.Equal(t, "\r\x1b[K[######------------------] 1/4  working", out.String())
	out.Reset()
	bar.line("done")
	require.Equal(t, "\r\x1b[Kdone\n", out.String())
	out.Reset()
	bar.total = 0
	bar.show(0, "nothing to do")
	require.Contains(t, out.String(), "0/0")
}
