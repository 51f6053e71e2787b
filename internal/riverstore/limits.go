package riverstore

import (
	"encoding/json"
	"fmt"

	"github.com/taskhost/taskhost/task"
)

// EncodeLimits writes what a task's column limits holds: JSON, or nothing where
// its definition has the defaults, as most do. The memory has a column of its own.
func EncodeLimits(options *task.Options) (string, error) {
	limits := options.Limits()
	limits.Memory = 0
	if limits == (task.Limits{}) {
		return "", nil
	}
	text, err := json.Marshal(limits)
	return string(text), err
}

// DecodeLimits reads what EncodeLimits wrote.
func DecodeLimits(text string, memory int64) (task.Limits, error) {
	var limits task.Limits
	if text != "" {
		if err := json.Unmarshal([]byte(text), &limits); err != nil {
			return limits, fmt.Errorf("read the limits of a task: %w", err)
		}
	}
	limits.Memory = memory
	return limits, nil
}

// checkArgsSize holds arguments to the size that the definition allows.
func (d *definition) checkArgsSize(args []byte) error {
	most := d.Options.ArgsBytes
	if most == 0 { // an older program declared it
		most = task.DefaultArgsBytes
	}
	if int64(len(args)) <= most {
		return nil
	}
	return &task.InvalidError{
		Field:    "args",
		TooLarge: true,
		Problem: fmt.Sprintf("are %d bytes, at most %d are allowed: pass a reference to large data instead of the data, or raise args_bytes of %s (at most %d)",
			len(args), most, d.Name, task.MaxArgsBytes),
	}
}
