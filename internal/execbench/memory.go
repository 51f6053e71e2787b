package execbench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
)

// memory is what the process holds, in bytes.
type memory struct {
	// resident counts a page wherever it is mapped, also where several instances
	// share it; own counts what is shared by its part.
	resident, own int64
}

// readMemory looks after a collection. It gives nil on systems that do not tell.
func readMemory() (*memory, error) {
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil //nolint:nilnil // that is how it says so
	}
	if err != nil {
		return nil, err
	}
	out := new(memory)
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		var name string
		var kib int64
		if n, _ := fmt.Sscanf(lines.Text(), "%s %d kB", &name, &kib); n < 2 {
			continue
		}
		switch name {
		case "Rss:":
			out.resident = kib << 10
		case "Pss:":
			out.own = kib << 10
		}
	}
	return out, nil
}
