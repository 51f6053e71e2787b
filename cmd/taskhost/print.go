package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/taskhost/taskhost/internal/text"
)

// print writes value as JSON where that was asked for, else as the table that
// fill makes of it.
func (a *app) print(value any, fill func(*table)) error {
	if a.settings.Output == "json" {
		encoder := json.NewEncoder(a.stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(value)
	}
	t := newTable(a.stdout)
	fill(t)
	return t.flush()
}

// table aligns columns.
type table struct {
	w *tabwriter.Writer
}

func newTable(out io.Writer) *table {
	return &table{tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)}
}

func (t *table) row(cells ...any) {
	texts := make([]string, len(cells))
	for i, cell := range cells {
		texts[i] = text.Line(fmt.Sprint(cell))
	}
	fmt.Fprintln(t.w, strings.TrimRight(strings.Join(texts, "\t"), "\t"))
}

func (t *table) flush() error { return t.w.Flush() }

// short cuts a text for a cell.
func short(s string, most int) string {
	runes := []rune(text.Line(s))
	if len(runes) <= most {
		return string(runes)
	}
	return string(runes[:most-1]) + "…"
}

func sizeText(bytes int64) string {
	switch {
	case bytes >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
	case bytes >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(bytes)/(1<<10))
	default:
		return fmt.Sprintf("%d B", bytes)
	}
}

func durationText(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(100 * time.Microsecond).String()
	default:
		return d.Round(10 * time.Millisecond).String()
	}
}

func timeText(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 -07:00") }
