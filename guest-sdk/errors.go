package guest

import "errors"

// Permanent marks err as one that no further attempt will mend: the task fails
// at once, whatever retries it has left. The mark survives wrapping, and
// errors.Is and errors.As see through it. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

// IsPermanent reports whether err, or an error that it wraps, was marked with
// [Permanent].
func IsPermanent(err error) bool {
	var mark *permanentError
	return errors.As(err, &mark)
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }
