package task

import (
	"errors"
	"fmt"
	"strings"
)

// Errors that callers match with errors.Is.
var (
	// ErrNotFound is returned for a task, module or version that is not there.
	ErrNotFound = errors.New("not found")
	// ErrNotFinished is returned for the result of a task that has not ended.
	ErrNotFinished = errors.New("the task has not finished")
	// ErrUnavailable is returned while the database cannot be used: it is
	// locked, full, or not there. The call can be repeated.
	ErrUnavailable = errors.New("the database cannot be used at the moment")
	// ErrCancelled is the cause with which an attempt's context ends when its task
	// was cancelled: context.Cause tells a Go function so.
	ErrCancelled = errors.New("the task was cancelled")
	// ErrFull is an ErrUnavailable that ends once somebody has made room.
	ErrFull = fmt.Errorf("%w: its disk is full", ErrUnavailable)
	// ErrStopped is returned by calls on a host or store that was stopped.
	ErrStopped = errors.New("the host has been stopped")
)

// InvalidError reports a value that is not allowed, by the name that the field
// has in JSON.
type InvalidError struct {
	Field   string
	Problem string
	// TooLarge is set where the value is too big rather than wrong.
	TooLarge bool
}

func (e *InvalidError) Error() string { return e.Field + " " + e.Problem }

func invalid(field, format string, args ...any) error {
	return &InvalidError{Field: field, Problem: fmt.Sprintf(format, args...)}
}

func sizeProblem(have, limit int) string {
	return fmt.Sprintf("are %d bytes, at most %d are allowed: pass a reference to large data instead of the data", have, limit)
}

// ArgumentError reports arguments that do not satisfy their definition's
// schema. Nothing was stored.
type ArgumentError struct {
	// Name is the definition's.
	Name string
	// Problems says what is wrong, one place in the arguments each.
	Problems []ArgumentProblem
}

// ArgumentProblem is one place in the arguments that is wrong.
type ArgumentProblem struct {
	// Path is a JSON Pointer into the arguments, empty for the whole.
	Path    string `json:"path"`
	Problem string `json:"problem"`
}

func (e *ArgumentError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "arguments of %s are not valid: ", e.Name)
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteString("; ")
		}
		if p.Path != "" {
			b.WriteString(p.Path + ": ")
		}
		b.WriteString(p.Problem)
	}
	return b.String()
}

// UnknownNameError reports a definition that nobody declared.
type UnknownNameError struct {
	Name string
	// Near are declared names that look alike, the most likely first.
	Near []string
}

func (e *UnknownNameError) Error() string {
	text := fmt.Sprintf("there is no task named %q", e.Name)
	if len(e.Near) > 0 {
		return text + "; did you mean " + strings.Join(e.Near, " or ") + "?"
	}
	return text + ": push a module that declares it, or register it"
}

// Is makes an UnknownNameError an [ErrNotFound].
func (e *UnknownNameError) Is(target error) bool { return target == ErrNotFound }

// ConflictError reports a request that contradicts what is stored.
type ConflictError struct {
	// Code is one word for programs, such as [CodeAlreadyFinished]. It is empty
	// where there is nothing to tell apart.
	Code    string
	Problem string
	// Task is the task that is in the way, or zero.
	Task ID
}

// Codes of conflicts, and why a call for many tasks has left some of them as they
// were.
const (
	// CodeAlreadyFinished: the task has ended, so it cannot be cancelled.
	CodeAlreadyFinished = "already_finished"
	// CodeAlreadyCancelled: the task was cancelled before, which is no error.
	CodeAlreadyCancelled = "already_cancelled"
	// CodeNotRetryable: the task has not ended, or has succeeded.
	CodeNotRetryable = "not_retryable"
	// CodeAlreadyRetried: the task was retried before.
	CodeAlreadyRetried = "already_retried"
	// CodeModuleGone: the module version of the task is not there any more.
	CodeModuleGone = "module_gone"
	// CodeKeyTaken: another task has the idempotency key of the task.
	CodeKeyTaken = "key_taken"
	// CodeUniqueTaken: a task that excludes another of its kind waits or runs.
	CodeUniqueTaken = "unique_taken"
	// CodeKeyMissing: the task's arguments are sealed under a key that was not given.
	CodeKeyMissing = "key_missing"
	// CodeDamaged: the task's arguments are not what was sealed.
	CodeDamaged = "damaged"
	// CodeNotFound: there is no such task.
	CodeNotFound = "not_found"
)

func (e *ConflictError) Error() string { return e.Problem }

// KeyConflictError reports an idempotency key that stands for other arguments.
// Nothing was stored.
type KeyConflictError struct {
	// Name is the definition's.
	Name string
	Key  string
}

func (e *KeyConflictError) Error() string {
	return fmt.Sprintf("the idempotency key %.80q was used for %s with other arguments: use another key for another task", e.Key, e.Name)
}

// Failure is why an attempt did not succeed.
type Failure struct {
	Cause   Cause
	Message string
	// Trace is the guest's or function's own account of where it happened.
	Trace string
	// Permanent failures are not retried.
	Permanent bool
}

func (f *Failure) Error() string { return f.Message }

// permanentError marks an error as permanent and is otherwise transparent.
type permanentError struct{ err error }

func (e permanentError) Error() string { return e.err.Error() }
func (e permanentError) Unwrap() error { return e.err }

// Permanent marks err so that a Go function that returns it is not retried.
// It returns nil for nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanentError{err}
}

// IsPermanent reports whether err, or one that it wraps, was marked by
// [Permanent].
func IsPermanent(err error) bool {
	return errors.As(err, new(permanentError))
}

// SealedError reports data that is stored encrypted and cannot be read here. It is
// not lost: it can be read where its key is given.
type SealedError struct {
	// What cannot be read, such as "the result".
	What string
	// KeyID names the key that it is sealed under.
	KeyID string
	// Damaged is set where the key is there, and what is stored is not what was
	// sealed under it: somebody has changed or moved it.
	Damaged bool
}

// Code is [CodeKeyMissing] or [CodeDamaged].
func (e *SealedError) Code() string {
	if e.Damaged {
		return CodeDamaged
	}
	return CodeKeyMissing
}

func (e *SealedError) Error() string {
	if e.Damaged {
		return e.What + " cannot be opened: what is stored was changed, or belongs elsewhere: see who else can write to the database"
	}
	return e.What + " is sealed under the key " + e.KeyID + ", which was not given here: add it behind the first of the encryption keys, and try again"
}
