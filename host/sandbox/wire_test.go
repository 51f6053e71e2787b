package sandbox

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/host"
)

// read gives back the fields of a message that has crossed.
func read(t testing.TB, m message, want kind) *fields {
	t.Helper()
	var pipe bytes.Buffer
	require.NoError(t, m.writeTo(&pipe))
	var room []byte
	k, f, err := readFrame(bufio.NewReader(&pipe), maxFrame, &room)
	require.NoError(t, err)
	require.Equal(t, want, k)
	return f
}

func TestAttemptCrosses(t *testing.T) {
	for name, attempt := range map[string]host.Attempt{
		"nothing": {},
		"all": {
			Digest: "d", Index: 3, TaskID: "id", Name: "näme", Number: 2, MaxAttempts: 9, Tags: map[string]string{"a": "b", "": ""},
			Input: []byte("in\x00"), InputType: "text/plain", Deadline: time.Unix(1, 5), Fresh: true,
			Limits: host.Limits{Memory: 1, Output: 2, LogLine: 3, LogTotal: 4, HostCalls: 5, Fuel: 6, Depth: 7},
		},
		"no bytes": {Input: []byte{}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMessage(kindRun)
			putAttempt(&m, &attempt, -time.Second)
			f := read(t, m, kindRun)
			got, left := getAttempt(f)
			require.NoError(t, f.done())
			require.Equal(t, attempt, got)
			require.Equal(t, -time.Second, left)
		})
	}
}

func TestOutcomeCrosses(t *testing.T) {
	for name, outcome := range map[string]host.Outcome{
		"nothing": {},
		"success": {Output: []byte("out"), OutputType: "a/b", Usage: host.Usage{Sandbox: 1, PeakMemory: 2, Fuel: 3, CPU: 4, Pooled: true}},
		"failure": {Failure: &host.Failure{Kind: host.KindTrap, Message: "m", Trace: "t", Permanent: true}, NotPrepared: true},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMessage(kindOutcome)
			putOutcome(&m, &outcome)
			f := read(t, m, kindOutcome)
			require.Equal(t, outcome, getOutcome(f))
			require.NoError(t, f.done())
		})
	}
}

func TestTheRestCrosses(t *testing.T) {
	found := &host.Inspection{Command: true, Manifest: []byte("{}"), MinMemory: 65536, Note: "slow"}
	m := newMessage(kindInspected)
	putInspection(&m, found)
	f := read(t, m, kindInspected)
	require.Equal(t, found, getInspection(f))
	require.NoError(t, f.done())

	line := host.LogLine{Level: -4, Message: "m", Fields: []byte("{}")}
	m = newMessage(kindLog)
	putLog(&m, &line)
	f = read(t, m, kindLog)
	require.Equal(t, line, getLog(f))
	require.NoError(t, f.done())

	for _, err := range []error{nil, &host.ModuleError{Reason: "bad"}, &workerError{"no disk"}} {
		m = newMessage(kindLoaded)
		putError(&m, err)
		got := getError(read(t, m, kindLoaded))
		var refusal *host.ModuleError
		require.Equal(t, err == nil, got == nil)
		require.Equal(t, errors.As(err, &refusal), errors.As(got, &refusal))
	}
}

// A length costs nothing until the bytes are there, and none is longer than it may be.
func TestFrameTooLong(t *testing.T) {
	var room []byte
	_, _, err := readFrame(bufio.NewReader(bytes.NewReader([]byte{0xff, 0xff, 0xff, 0xff, 'O'})), maxSmall, &room)
	require.ErrorIs(t, err, errFrame)
	require.Empty(t, room)
}

// Whatever comes is an error or fields, and takes no more memory than it has bytes.
func FuzzFrames(f *testing.F) {
	for _, k := range []kind{kindReady, kindLoaded, kindInspected, kindLog, kindOutcome, kindRun} {
		m := newMessage(k)
		putOutcome(&m, &host.Outcome{Failure: &host.Failure{Kind: host.KindTrap}, Output: []byte("x")})
		var pipe bytes.Buffer
		if err := m.writeTo(&pipe); err != nil {
			f.Fatal(err)
		}
		f.Add(pipe.Bytes())
		f.Add(pipe.Bytes()[:pipe.Len()/2])
	}
	f.Add([]byte{11, 0, 0, 0, 'H', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		r, room := bufio.NewReader(bytes.NewReader(data)), []byte(nil)
		for {
			_, frame, err := readFrame(r, maxSmall, &room)
			if err != nil {
				require.True(t, errors.Is(err, errFrame) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF), "%v", err)
				return
			}
			body := frame.left
			for _, get := range []func(*fields){
				func(f *fields) { require.LessOrEqual(t, len(f.strings()), len(body)) },
				func(f *fields) { getOutcome(f) },
				func(f *fields) { getAttempt(f) },
				func(f *fields) { getInspection(f) },
				func(f *fields) { getLog(f) },
				func(f *fields) { _ = getError(f) },
			} {
				f := &fields{left: body}
				get(f)
				_ = f.done()
			}
		}
	})
}
