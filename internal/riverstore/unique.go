package riverstore

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/taskhost/taskhost/task"
)

// uniqueArgs begins the keys that are made of arguments.
const uniqueArgs = "args "

// uniqueKey is what a task holds while it is pending or running, so that there is
// no other, or empty. Blanks separate what has none.
func (v *Vault) uniqueKey(unique task.Unique, name string, args []byte, argsType string) string {
	switch unique {
	case task.UniqueName:
		return "name " + name
	case task.UniqueArgs:
		return uniqueArgs + name + " " + hex.EncodeToString(v.UniqueKey(name, args, argsType)) + " " + argsType
	default:
		return ""
	}
}

// rekeyUnique makes of a unique key that was made without a key the one that is made
// with it: it tells the arguments to whoever can guess them.
func (v *Vault) rekeyUnique(stored string) string {
	rest, ok := strings.CutPrefix(stored, uniqueArgs)
	name, rest, found := strings.Cut(rest, " ")
	digest, argsType, foundType := strings.Cut(rest, " ")
	plain, err := hex.DecodeString(digest)
	if !ok || !found || !foundType || err != nil || len(plain) != sha256.Size {
		return stored
	}
	return uniqueArgs + name + " " + hex.EncodeToString(v.keyedUnique(name, plain)) + " " + argsType
}
