package main

import (
	"bytes"
	"errors"
	"log"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// try runs the program on an input.
func try(input string) (stdout, stderr string, err error) {
	var out, logs bytes.Buffer
	err = run(strings.NewReader(input), &out, log.New(&logs, "", 0))
	return out.String(), logs.String(), err
}

func TestWordcount(t *testing.T) {
	t.Parallel()
	for input, want := range map[string]string{
		`{"text":""}`:                           `{"words":0,"lines":0,"characters":0,"top":[]}`,
		`{"text":" \n"}`:                        `{"words":0,"lines":1,"characters":2,"top":[]}`,
		`{"text":"To be, or not to be"}` + "\n": `{"words":6,"lines":1,"characters":19,"top":[{"word":"be","count":2},{"word":"to","count":2},{"word":"not","count":1}]}`,
		`{"text":"über\nÜber\nit's 2","top":9}`: `{"words":4,"lines":3,"characters":16,"top":[{"word":"über","count":2},{"word":"2","count":1},{"word":"it's","count":1}]}`,
		`{"text":"well-known","top":0}`:         `{"words":1,"lines":1,"characters":10,"top":[]}`,
	} {
		stdout, stderr, err := try(input)
		require.NoError(t, err, input)
		require.Equal(t, want+"\n", stdout)
		require.Regexp(t, `^counting \d+ bytes\n$`, stderr)
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	for input, want := range map[string]string{
		``:                         `there is no input, must be like {"text":"some words"}`,
		`{}`:                       "the input has no text",
		`null`:                     "the input has no text",
		`{"text":7}`:               "the input cannot be read: ",
		`{"text":"a"`:              "the input cannot be read: ",
		`{"txt":"a"}`:              `the input cannot be read: json: unknown field "txt"`,
		`{"text":"a","top":-1}`:    "top is -1, must be 0 or more",
		`{"text":"a","top":0.5}`:   "the input cannot be read: ",
		`["a text, but no field"]`: "the input cannot be read: ",
	} {
		stdout, _, err := try(input)
		require.ErrorContains(t, err, want, input)
		require.Empty(t, stdout)
	}
}

// A result that cannot be written is a failure, and not a short result.
func TestBrokenOutput(t *testing.T) {
	t.Parallel()
	err := run(strings.NewReader(`{"text":"a"}`), broken{}, log.New(&bytes.Buffer{}, "", 0))
	require.ErrorIs(t, err, errBroken)
}

type broken struct{}

var errBroken = errors.New("nobody reads it")

func (broken) Write([]byte) (int, error) { return 0, errBroken }
