// The work of the benchmarks: functions that keep a processor busy, each about
// something else, and return a number that says that they did it.
package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strings"
)

func main() {}

//go:wasmexport sieve
func sieve(n int32) int64 {
	composite := make([]bool, n+1)
	count := int64(0)
	for i := 2; i <= int(n); i++ {
		if composite[i] {
			continue
		}
		count++
		for j := i * i; j <= int(n); j += i {
			composite[j] = true
		}
	}
	return count
}

//go:wasmexport sha
func sha(n int32) int64 {
	block := make([]byte, 1024)
	for range n {
		sum := sha256.Sum256(block)
		copy(block, sum[:])
	}
	return int64(binary.LittleEndian.Uint32(block))
}

//go:wasmexport sorted
func sorted(n int32) int64 {
	values := make([]uint32, n)
	state := uint32(1)
	for i := range values {
		state = state*1664525 + 1013904223
		values[i] = state
	}
	slices.Sort(values)
	return int64(values[n/2])
}

type record struct {
	Name  string            `json:"name"`
	Score []float64         `json:"score"`
	Tags  map[string]string `json:"tags"`
}

//go:wasmexport documents
func documents(n int32) int64 {
	text := []byte(`{"name":"` + strings.Repeat("ann ", 20) + `","score":[1.5,2,3e9,-4.25],"tags":{"a":"b","c":"d"}}`)
	total := 0
	for range n {
		var r record
		if json.Unmarshal(text, &r) != nil {
			return -1
		}
		out, err := json.Marshal(&r)
		if err != nil {
			return -1
		}
		total += len(out)
	}
	return int64(total)
}

//go:wasmexport fibonacci
func fibonacci(n int32) int64 {
	if n < 2 {
		return int64(n)
	}
	return fibonacci(n-1) + fibonacci(n-2)
}
