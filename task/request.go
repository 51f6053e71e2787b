package task

import (
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of a request.
const (
	// MaxTags bounds the number of tags of a task, MaxTagBytes each key and
	// each value.
	MaxTags     = 32
	MaxTagBytes = 256
	// MaxIdempotencyKeyBytes bounds an idempotency key.
	MaxIdempotencyKeyBytes = 256
	// MaxEnqueueDelay bounds how far ahead a task may be enqueued.
	MaxEnqueueDelay = 366 * 24 * time.Hour
)

// Request asks for one run of a definition.
type Request struct {
	// Name is the definition's.
	Name string
	// Args are the arguments, as JSON unless ArgsType says otherwise. None
	// stand for {} where the definition has a schema. They may have as many bytes
	// as the definition allows, 1 MiB unless it says otherwise.
	Args []byte
	// ArgsType is the content type of Args. Defaults to application/json.
	ArgsType string
	EnqueueOptions
	// Source defaults to [Manual].
	Source Source
	// Parent is the task that enqueues this one, zero for none.
	Parent ID
}

// EnqueueOptions are the choices of one call. The zero value takes the
// definition's.
type EnqueueOptions struct {
	// IdempotencyKey makes the call safe to repeat: while a task of the same
	// definition with this key is pending, running or has succeeded, its id is
	// returned and nothing is enqueued. Other arguments with the same key are a
	// [*KeyConflictError]. At most [MaxIdempotencyKeyBytes].
	IdempotencyKey string
	// IdempotencyTTL is how long the key holds at least, after this call, where its
	// task may be deleted sooner. Defaults to the definition's.
	IdempotencyTTL time.Duration
	// Unique returns the id of the earlier task, and enqueues nothing, while one is
	// pending or running: of the same definition, or with the same arguments too.
	// Defaults to the definition's.
	Unique Unique
	// Tags are shown with the task and can be searched. See [MaxTags].
	Tags map[string]string
	// Priority is from 1 to 10. Defaults to the definition's.
	Priority int
	// Delay postpones the first attempt. It excludes RunAt.
	Delay time.Duration
	// RunAt is the earliest time of the first attempt. It excludes Delay.
	RunAt time.Time
	// Timeout bounds each attempt. Defaults to the definition's.
	Timeout time.Duration
	// ExpiresAfter bounds the task as a whole, from when it is first due. Defaults to
	// the definition's.
	ExpiresAfter time.Duration
	// Version is the version of the module to run, with the options and the schema
	// that it declares. Defaults to the one that is live. A Go function has none.
	Version int
	// Eager says whether a task that is added during a request is enqueued at once,
	// and not when its handler has returned. Nil stands for the definition's choice.
	Eager *bool
}

// Validate reports the first field whose value is not allowed.
func (r *Request) Validate() error {
	if err := ValidateName(r.Name); err != nil {
		return err
	}
	if r.Priority != 0 {
		if err := ValidatePriority(r.Priority); err != nil {
			return err
		}
	}
	switch {
	case len(r.Args) > MaxArgsBytes:
		return &InvalidError{Field: "args", Problem: sizeProblem(len(r.Args), MaxArgsBytes), TooLarge: true}
	case r.Delay < 0:
		return invalid("delay", "must not be negative, is %v", r.Delay)
	case r.Delay != 0 && !r.RunAt.IsZero():
		return invalid("run_at", "cannot be combined with delay: give one of them")
	case r.Delay > MaxEnqueueDelay:
		return invalid("delay", "must be at most %v, is %v", MaxEnqueueDelay, r.Delay)
	case time.Until(r.RunAt) > MaxEnqueueDelay:
		return invalid("run_at", "must be at most %v ahead", MaxEnqueueDelay)
	case r.Timeout != 0 && (r.Timeout < time.Millisecond || r.Timeout > MaxTimeout):
		return invalid("timeout", "must be from 1ms to %v, is %v", MaxTimeout, r.Timeout)
	case r.Version < 0:
		return invalid("version", "must not be negative, is %d", r.Version)
	case r.IdempotencyTTL != 0 && r.IdempotencyKey == "":
		return invalid("idempotency_ttl", "is of use with an idempotency_key only: give both, or neither")
	case len(r.IdempotencyKey) > MaxIdempotencyKeyBytes:
		return invalid("idempotency_key", "is %d bytes long, at most %d are allowed", len(r.IdempotencyKey), MaxIdempotencyKeyBytes)
	case len(r.ArgsType) > MaxTagBytes:
		return invalid("args_type", "is %d bytes long, at most %d are allowed", len(r.ArgsType), MaxTagBytes)
	case !isText(r.IdempotencyKey):
		return invalid("idempotency_key", notText)
	case !isText(r.ArgsType):
		return invalid("args_type", notText)
	}
	if err := validateLife(r.ExpiresAfter, r.Unique, r.IdempotencyTTL); err != nil {
		return err
	}
	return validateTags(r.Tags)
}

func validateTags(tags map[string]string) error {
	if len(tags) > MaxTags {
		return invalid("tags", "are %d, at most %d are allowed", len(tags), MaxTags)
	}
	for key, value := range tags {
		switch {
		case key == "":
			return invalid("tags", "hold an empty key")
		case len(key) > MaxTagBytes || len(value) > MaxTagBytes:
			return invalid("tags", "key %.40q or its value is longer than %d bytes", key, MaxTagBytes)
		case !isText(key) || !isText(value):
			return invalid("tags", "key %.40q or its value "+notText, key)
		}
	}
	return nil
}

const notText = "is not UTF-8, or holds a NUL"

// isText reports whether a database takes s as text.
func isText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }
