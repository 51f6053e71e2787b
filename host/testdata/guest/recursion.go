package main

import (
	"strconv"

	guest "github.com/taskhost/taskhost/guest-sdk"
)

func init() {
	raw("deep", func(_ guest.Context, in []byte) ([]byte, error) {
		return strconv.AppendInt(nil, int64(down(number(in))), 10), nil
	})
}

// down has small frames, so that the depth of calls is what is reached.
func down(n int) int {
	if n == 0 {
		return 0
	}
	return down(n-1) + 1
}
