package task

import "time"

// Unique says which other tasks keep a task from being enqueued: those of the same
// definition that were enqueued with the same choice, and are pending or running.
type Unique string

// The choices.
const (
	// NotUnique lets any number of tasks be.
	NotUnique Unique = "none"
	// UniqueName allows one task of the definition.
	UniqueName Unique = "name"
	// UniqueArgs allows one task of the definition with the same arguments.
	UniqueArgs Unique = "args"
)

// Enqueued is what became of a request.
type Enqueued struct {
	// ID is the task's: that of an earlier one where Duplicate is set.
	ID ID
	// Duplicate says that nothing was stored, because an earlier task has the
	// request's idempotency key, or is the one that the request's Unique allows.
	Duplicate bool
}

// validateLife reports the first of some options, of a definition or a call, whose
// value is not allowed. Zero values are.
func validateLife(expiresAfter time.Duration, unique Unique, idempotencyTTL time.Duration) error {
	switch {
	case expiresAfter != 0 && (expiresAfter < time.Millisecond || expiresAfter > MaxExpiresAfter):
		return invalid("expires_after", "must be from 1ms to %v, is %v", MaxExpiresAfter, expiresAfter)
	case idempotencyTTL < 0 || idempotencyTTL > MaxIdempotencyTTL:
		return invalid("idempotency_ttl", "must be from 0 to %v, is %v", MaxIdempotencyTTL, idempotencyTTL)
	}
	switch unique {
	case "", NotUnique, UniqueName, UniqueArgs:
		return nil
	default:
		return invalid("unique", "must be name, args or none, is %.40q", string(unique))
	}
}
