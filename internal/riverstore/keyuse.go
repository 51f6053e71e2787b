package riverstore

import (
	"maps"
	"slices"
)

// KeyUses gathers [KeyUse] from counts.
type KeyUses map[string]*KeyUse

// The kinds of things that are counted.
const (
	CountArgs     = "args"
	CountResults  = "results"
	CountErrors   = "errors"
	CountAttempts = "attempts"
	CountLogLines = "log_lines"
	CountHashes   = "hashes"
)

// Add adds a count.
func (u KeyUses) Add(kind, keyID string, n int64) {
	if n == 0 {
		return
	}
	use := u[keyID]
	if use == nil {
		use = &KeyUse{KeyID: keyID}
		u[keyID] = use
	}
	switch kind {
	case CountArgs:
		use.Args += n
	case CountResults:
		use.Results += n
	case CountErrors:
		use.Errors += n
	case CountAttempts:
		use.Attempts += n
	case CountLogLines:
		use.LogLines += n
	case CountHashes:
		use.Hashes += n
	}
}

// All lists them by key: what is in clear first.
func (u KeyUses) All() []KeyUse {
	all := make([]KeyUse, 0, len(u))
	for _, id := range slices.Sorted(maps.Keys(u)) {
		all = append(all, *u[id])
	}
	return all
}
