package riverstore

import (
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// Migration is one step of the history of a store's tables.
type Migration struct {
	Version int    `json:"version"`
	Name    string `json:"name"`
	Applied bool   `json:"applied"`
}

// Migrations lists the steps in the folder migrations of files, whose names start
// with their numbers, in order. newest is the number of the last that was applied,
// 0 for none. It returns an error for tables that know a step that files do not.
func Migrations(files fs.ReadDirFS, newest int) ([]Migration, error) {
	entries, err := files.ReadDir("migrations")
	if err != nil {
		return nil, err
	}
	out := make([]Migration, len(entries))
	for i, entry := range entries { // sorted by name
		number, _, _ := strings.Cut(path.Base(entry.Name()), "_")
		version, err := strconv.Atoi(number)
		if err != nil {
			return nil, fmt.Errorf("migration %s: its name must start with a number", entry.Name())
		}
		out[i] = Migration{Version: version, Name: entry.Name(), Applied: version <= newest}
	}
	if known := out[len(out)-1].Version; newest > known {
		return nil, fmt.Errorf("the tables were migrated to version %d by a newer program, this one knows version %d: use the newer one", newest, known)
	}
	return out, nil
}
