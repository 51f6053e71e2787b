package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mattn/go-isatty"
)

// progress shows how far a long piece of work has come: a bar that is redrawn
// in place on a terminal, and nothing but finished lines elsewhere.
type progress struct {
	out      io.Writer
	total    int
	terminal bool
}

func newProgress(out io.Writer, total int) *progress {
	file, ok := out.(*os.File)
	return &progress{out: out, total: total, terminal: ok && isatty.IsTerminal(file.Fd())}
}

const (
	barWidth  = 24
	eraseLine = "\r\x1b[K"
)

// show redraws the bar.
func (p *progress) show(done int, what string) {
	if !p.terminal {
		return
	}
	full := barWidth * done / max(p.total, 1)
	fmt.Fprintf(p.out, "%s[%s%s] %d/%d  %s", eraseLine,
		strings.Repeat("#", full), strings.Repeat("-", barWidth-full), done, p.total, short(what, 60))
}

// note redraws a line without a bar.
func (p *progress) note(what string) {
	if p.terminal {
		fmt.Fprint(p.out, eraseLine+short(what, 78))
	}
}

// line writes a line that stays.
func (p *progress) line(format string, args ...any) {
	p.clear()
	fmt.Fprintf(p.out, format+"\n", args...)
}

// clear takes the bar away.
func (p *progress) clear() {
	if p.terminal {
		fmt.Fprint(p.out, eraseLine)
	}
}
