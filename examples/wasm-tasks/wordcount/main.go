// Command wordcount counts the words of a text. It is a program like any other
// and knows nothing of tasks: it reads JSON from standard input, writes JSON to
// standard output, logs to standard error and exits with 1 where it fails. To see
// here is that this is enough. It runs as it is:
//
//	echo '{"text":"to be or not to be"}' | go run ./examples/wasm-tasks/wordcount
//
// and, built as a WASI command, as a task that is called as its module is:
//
//	GOOS=wasip1 GOARCH=wasm go build -o wordcount.wasm ./examples/wasm-tasks/wordcount
//	taskhost module push wordcount wordcount.wasm
//	taskhost task enqueue wordcount --args '{"text":"to be or not to be"}' --wait
//
// docs/commands.md says what else a program may count on.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

func main() {
	log.SetFlags(0) // whoever keeps the log knows the time
	log.SetPrefix("wordcount: ")
	if err := run(os.Stdin, os.Stdout, log.Default()); err != nil {
		log.Print(err)
		os.Exit(1)
	}
}

// input is what is read.
type input struct {
	Text *string `json:"text"`
	// Top is how many of the most frequent words are told. Defaults to 3.
	Top *int `json:"top"`
}

const defaultTop = 3

// counts is what is written.
type counts struct {
	Words      int    `json:"words"`
	Lines      int    `json:"lines"`
	Characters int    `json:"characters"`
	Top        []word `json:"top"`
}

type word struct {
	Word  string `json:"word"`
	Count int    `json:"count"`
}

func run(in io.Reader, out io.Writer, log *log.Logger) error {
	text, top, err := read(in)
	if err != nil {
		return err
	}
	log.Printf("counting %d bytes", len(text))
	w := bufio.NewWriter(out)
	if err := json.NewEncoder(w).Encode(count(text, top)); err != nil {
		return fmt.Errorf("write the counts: %w", err)
	}
	return w.Flush()
}

// read is strict, since no schema has looked at the arguments before.
func read(in io.Reader) (text string, top int, err error) {
	decoder := json.NewDecoder(in)
	decoder.DisallowUnknownFields()
	var args input
	switch err := decoder.Decode(&args); {
	case errors.Is(err, io.EOF):
		return "", 0, errors.New(`there is no input, must be like {"text":"some words"}`)
	case err != nil:
		return "", 0, fmt.Errorf("the input cannot be read: %w", err)
	case args.Text == nil:
		return "", 0, errors.New("the input has no text")
	}
	top = defaultTop
	if args.Top != nil {
		top = *args.Top
	}
	if top < 0 {
		return "", 0, fmt.Errorf("top is %d, must be 0 or more", top)
	}
	return *args.Text, top, nil
}

func count(text string, top int) counts {
	words := make(map[string]int)
	total := 0
	for w := range strings.FieldsFuncSeq(text, isBreak) {
		total++
		words[strings.ToLower(w)]++
	}
	lines := strings.Count(text, "\n")
	if text != "" && !strings.HasSuffix(text, "\n") {
		lines++
	}
	return counts{Words: total, Lines: lines, Characters: utf8.RuneCountInString(text), Top: most(words, top)}
}

// isBreak takes an apostrophe and a hyphen for a part of a word.
func isBreak(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) && r != '\'' && r != '’' && r != '-'
}

// most gives the most frequent words, those of one count in their order.
func most(words map[string]int, top int) []word {
	list := make([]word, 0, len(words))
	for _, w := range slices.Sorted(maps.Keys(words)) {
		list = append(list, word{w, words[w]})
	}
	slices.SortStableFunc(list, func(a, b word) int { return cmp.Compare(b.Count, a.Count) })
	return list[:min(top, len(list))]
}
