package sqlitestore

import "time"

// SetPoll has a store that is not started yet look for tickets that rarely.
func (s *Store) SetPoll(interval time.Duration) { s.poll = interval }
