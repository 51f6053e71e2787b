package sandbox

import (
	"fmt"
	"slices"
)

// deadly is after how many deaths of its workers in a row a module is set aside.
const deadly = 5

// QuarantineError says that a module is set aside on this host.
type QuarantineError struct{ Digest string }

func (e *QuarantineError) Error() string {
	return fmt.Sprintf("the module is in quarantine: its sandbox workers died %d times in a row: push another version, or release it", deadly)
}

// died notes that a worker of a module has died of it, survived that one has not.
// It is not the module's doing where the attempt was to end.
func (p *Pool) died(digest string, ofModule bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Died++
	if ofModule {
		p.module(digest).deaths++
	}
}

func (p *Pool) survived(digest string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.module(digest).deaths = 0
}

// quarantined returns a *QuarantineError where a module is set aside.
func (p *Pool) quarantined(digest string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.module(digest).deaths >= deadly {
		return &QuarantineError{Digest: digest}
	}
	return nil
}

// Quarantined lists the modules that are set aside, by digest.
func (p *Pool) Quarantined() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var digests []string
	for digest, m := range p.modules {
		if m.deaths >= deadly {
			digests = append(digests, digest)
		}
	}
	slices.Sort(digests)
	return digests
}

// Release lets a module run again.
func (p *Pool) Release(digest string) { p.survived(digest) }
