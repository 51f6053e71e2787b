package modules

import (
	"context"
	"time"
)

// Quarantine says that a node runs a module no more: its sandbox workers died of it
// several times in a row. Tasks of the module wait there until it is released, or the
// node is started anew.
type Quarantine struct {
	// Digest is that of the module's bytes.
	Digest string `json:"-"`
	// Node is where, Since from when on, and Reason why.
	Node   string    `json:"node"`
	Since  time.Time `json:"since"`
	Reason string    `json:"reason"`
}

// withQuarantine adds to versions on which nodes they are in quarantine.
func (l *Library) withQuarantine(ctx context.Context, versions []Version) ([]Version, error) {
	list, err := l.store.Quarantined(ctx)
	if err != nil {
		return nil, err
	}
	for _, q := range list {
		for i := range versions {
			if v := &versions[i]; v.Digest == q.Digest {
				v.Quarantine = append(v.Quarantine, q)
			}
		}
	}
	return versions, nil
}
