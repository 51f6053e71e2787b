package riverstore

import (
	"encoding/hex"

	"github.com/taskhost/taskhost/task"
)

// uniqueKey is what a task holds while it is pending or running, so that there is
// no other, or empty. Blanks separate what has none.
func (v *Vault) uniqueKey(unique task.Unique, name string, args []byte, argsType string) string {
	switch unique {
	case task.UniqueName:
		return "name " + name
	case task.UniqueArgs:
		return "args " + name + " " + hex.EncodeToString(v.UniqueKey(name, args, argsType)) + " " + argsType
	default:
		return ""
	}
}
