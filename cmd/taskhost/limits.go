package main

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/task"
)

// limitSettings are the most that definitions may ask for.
type limitSettings struct {
	Arguments byteSize      `koanf:"arguments"`
	Depth     int           `koanf:"depth"`
	Fuel      int64         `koanf:"fuel"`
	Logs      byteSize      `koanf:"logs"`
	Memory    byteSize      `koanf:"memory"`
	Result    byteSize      `koanf:"result"`
	Timeout   time.Duration `koanf:"timeout"`
}

// limitDefaults are the keys of limitSettings with their defaults.
func limitDefaults() map[string]any {
	return map[string]any{
		"limits.arguments": byteSize(task.MaxArgsBytes).String(),
		"limits.depth":     task.MaxDepth,
		"limits.fuel":      0,
		"limits.logs":      byteSize(task.MaxLogBytes).String(),
		"limits.memory":    byteSize(task.MaxMemory).String(),
		"limits.result":    byteSize(task.MaxResultBytes).String(),
		"limits.timeout":   task.MaxTimeout.String(),
	}
}

func limitFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	settingFlag(flags, "limits-arguments", "arguments that a definition may ask for (default 16MiB, the most)")
	settingFlag(flags, "limits-depth", "depth of calls that a definition may ask for (default 100000, the most)")
	settingFlag(flags, "limits-fuel", "fuel that a definition may ask for, and what one gets that names none (default 0: no limit)")
	settingFlag(flags, "limits-logs", "logs of an attempt that a definition may ask for (default 16MiB, the most)")
	settingFlag(flags, "limits-memory", "memory that a definition may ask for (default 1GiB, the most)")
	settingFlag(flags, "limits-result", "result that a definition may ask for (default 16MiB, the most)")
	settingFlag(flags, "limits-timeout", "time of an attempt that a definition or a call may ask for (default 1h, the most)")
}

func (l limitSettings) ceilings() task.Ceilings {
	return task.Ceilings{
		Timeout:     l.Timeout,
		Memory:      int64(l.Memory),
		Fuel:        l.Fuel,
		Depth:       l.Depth,
		ResultBytes: int64(l.Result),
		LogBytes:    int64(l.Logs),
		ArgsBytes:   int64(l.Arguments),
	}
}

// rows are the settings for people.
func (l limitSettings) rows() []setting {
	return []setting{
		{Key: "limits.arguments", Value: l.Arguments.String()},
		{Key: "limits.depth", Value: strconv.Itoa(l.Depth)},
		{Key: "limits.fuel", Value: fuelText(l.Fuel)},
		{Key: "limits.logs", Value: l.Logs.String()},
		{Key: "limits.memory", Value: l.Memory.String()},
		{Key: "limits.result", Value: l.Result.String()},
		{Key: "limits.timeout", Value: l.Timeout.String()},
	}
}

// byteSize is a number of bytes that people write with a unit.
type byteSize int64

var byteUnits = []struct {
	name  string
	bytes byteSize
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// String implements fmt.Stringer and pflag.Value.
func (b byteSize) String() string {
	for _, unit := range byteUnits {
		if b >= unit.bytes && b%unit.bytes == 0 {
			return strconv.FormatInt(int64(b/unit.bytes), 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// Set implements pflag.Value.
func (b *byteSize) Set(text string) error {
	number, unit := strings.TrimSpace(text), byteSize(1)
	for _, u := range byteUnits {
		if rest, ok := cutSuffixFold(number, u.name); ok {
			number, unit = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/int64(unit) {
		return fmt.Errorf("%.40q is no size: write it in bytes or with a unit, such as 512KiB, 64MiB or 1GiB", text)
	}
	*b = byteSize(n) * unit
	return nil
}

// Type implements pflag.Value.
func (b *byteSize) Type() string { return "size" }

func cutSuffixFold(text, suffix string) (rest string, ok bool) {
	n := len(text) - len(suffix)
	if n < 0 || !strings.EqualFold(text[n:], suffix) {
		return text, false
	}
	return text[:n], true
}

// sizeHook reads sizes as [byteSize.Set] does.
func sizeHook(from, to reflect.Type, value any) (any, error) {
	if to != reflect.TypeFor[byteSize]() || from == to {
		return value, nil
	}
	var size byteSize
	err := size.Set(fmt.Sprint(value))
	return size, err
}
