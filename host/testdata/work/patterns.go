package main

import (
	"regexp"
	"strings"
)

var address = regexp.MustCompile(`([a-z]+)(?:\.([a-z]+))?@((?:[a-z0-9-]+\.)+[a-z]{2,})`)

// patterns looks n times for addresses in a text that has two.
//
//go:wasmexport patterns
func patterns(n int32) int64 {
	text := strings.Repeat("words in between, ", 20) + "ann@example.com, " + strings.Repeat("and 1.5@2 not. ", 10) + "bob.b@mail.example.org"
	total := 0
	for range n {
		for _, match := range address.FindAllStringSubmatch(text, -1) {
			total += len(match[3])
		}
	}
	return int64(total)
}
