package sandbox

import (
	"fmt"
	"slices"
	"strings"
)

// deadly is after how many deaths of its workers in a row a module is set aside.
const deadly = 5

// QuarantineError says that a module is set aside on this host.
type QuarantineError struct {
	Digest string
	// Death is how the last of its workers died.
	Death string
}

func (e *QuarantineError) Error() string {
	return fmt.Sprintf("the module is in quarantine: %s: push another version, or release it", e.Reason())
}

// Reason says why.
func (e *QuarantineError) Reason() string {
	return fmt.Sprintf("its sandbox workers died %d times in a row, lastly: %s", deadly, e.Death)
}

// died notes that a worker of a module has died of it, survived that one has not.
// It is not the module's doing where the attempt was to end.
func (p *Pool) died(digest, death string, ofModule bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Died++
	if ofModule {
		m := p.module(digest)
		m.deaths++
		m.death = death
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
	if m := p.module(digest); m.deaths >= deadly {
		return &QuarantineError{Digest: digest, Death: m.death}
	}
	return nil
}

// Quarantined lists the modules that are set aside, by digest.
func (p *Pool) Quarantined() []QuarantineError {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []QuarantineError
	for digest, m := range p.modules {
		if m.deaths >= deadly {
			list = append(list, QuarantineError{Digest: digest, Death: m.death})
		}
	}
	slices.SortFunc(list, func(a, b QuarantineError) int { return strings.Compare(a.Digest, b.Digest) })
	return list
}

// Release lets a module run again.
func (p *Pool) Release(digest string) { p.survived(digest) }
