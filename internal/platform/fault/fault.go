// Package fault sorts errors by what they mean to the one who meets them. An
// error carries a Kind, from which the transport's code and the decision to
// retry follow, and a message for the user, which is kept apart from the text
// that the operator reads in the log.
//
// A sentinel is made once, wrapped with the operation and the identifier on
// its way up, and read where it leaves the process:
//
//	var ErrFeedUnknown = fault.New(fault.NotFound, "this feed does not exist")
//
//	return fmt.Errorf("load feed %s: %w", id, ErrFeedUnknown)
//
// The user sees "this feed does not exist", the operator the whole chain.
package fault

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Kind is what an error means, whatever made it.
type Kind uint8

// The kinds. Internal is the zero value, so that an error nobody sorted is
// treated as a defect of this program.
const (
	// Internal is a defect, or an error that nobody sorted. Its text never
	// reaches the user.
	Internal Kind = iota
	// Invalid is a request that is wrong by itself, whatever the state.
	Invalid
	// NotFound is a thing that does not exist, or that the caller may not know of.
	NotFound
	// AlreadyExists is a thing that exists already with other content.
	AlreadyExists
	// PermissionDenied is a known caller who may not do this.
	PermissionDenied
	// Unauthenticated is a caller who is not known.
	Unauthenticated
	// FailedPrecondition is a valid request that the present state forbids; the
	// state has to change first.
	FailedPrecondition
	// ResourceExhausted is a limit reached: a rate, a quota, a size.
	ResourceExhausted
	// Unavailable is a part that is down, starting or draining.
	Unavailable
	// Stale is a write that lost against another one: read again, then retry.
	Stale
	// Timeout is a deadline that passed; whether the work was done is unknown.
	Timeout
	// Canceled is work that its caller gave up.
	Canceled
)

var kindNames = [...]string{
	Internal:           "internal",
	Invalid:            "invalid",
	NotFound:           "not_found",
	AlreadyExists:      "already_exists",
	PermissionDenied:   "permission_denied",
	Unauthenticated:    "unauthenticated",
	FailedPrecondition: "failed_precondition",
	ResourceExhausted:  "resource_exhausted",
	Unavailable:        "unavailable",
	Stale:              "stale",
	Timeout:            "timeout",
	Canceled:           "canceled",
}

// Kinds lists every kind, Internal first.
func Kinds() []Kind {
	kinds := make([]Kind, len(kindNames))
	for i := range kinds {
		kinds[i] = Kind(i)
	}
	return kinds
}

// String is the kind's name in logs and metrics, in snake_case.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind_%d", uint8(k))
}

// fault is the error that carries a kind.
type fault struct {
	kind  Kind
	user  string
	cause error
	after time.Duration
}

func (f *fault) Error() string {
	switch {
	case f.cause == nil:
		return f.user
	case f.user == "":
		return f.cause.Error()
	default:
		return f.user + ": " + f.cause.Error()
	}
}

func (f *fault) Unwrap() error { return f.cause }

// New makes an error whose text the user sees. It is meant for sentinels:
// every call makes an error of its own for errors.Is.
func New(kind Kind, text string) error {
	return &fault{kind: kind, user: text}
}

// Errorf makes an error whose formatted text the user sees. It does not take
// %w: what the user may not see goes through Wrap.
func Errorf(kind Kind, format string, args ...any) error {
	return &fault{kind: kind, user: fmt.Sprintf(format, args...)}
}

// Wrap gives err a kind and the text that the user sees instead of err's own,
// which stays for the operator. A nil err stays nil.
func Wrap(kind Kind, err error, userMessage string) error {
	if err == nil {
		return nil
	}
	return &fault{kind: kind, user: userMessage, cause: err}
}

// Explain gives err another text for the user and keeps its kind. A nil err
// stays nil.
func Explain(err error, userMessage string) error {
	return Wrap(KindOf(err), err, userMessage)
}

// After tells the caller when a retry makes sense. Kind and text stay as they
// are; a nil err stays nil.
func After(err error, wait time.Duration) error {
	if err == nil {
		return nil
	}
	return &fault{kind: KindOf(err), cause: err, after: wait}
}

// KindOf is the kind of the outermost error in the chain that has one. A
// context's errors have theirs; everything else is Internal.
func KindOf(err error) Kind {
	var f *fault
	switch {
	case errors.As(err, &f):
		return f.kind
	case errors.Is(err, context.Canceled):
		return Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	default:
		return Internal
	}
}

// UserMessage is what the user may read of err: the outermost text that was
// written for them. It is empty for an error that nobody sorted and for every
// Internal one, whose text could give away what the user may not know.
func UserMessage(err error) string {
	if KindOf(err) == Internal {
		return ""
	}
	var f *fault
	for e := err; errors.As(e, &f); e = f.cause {
		if f.user != "" {
			return f.user
		}
	}
	switch KindOf(err) {
	case Canceled:
		return "the call was canceled"
	case Timeout:
		return "the call took longer than its deadline"
	default:
		return ""
	}
}

// RetryAfter is the wait that the outermost After in the chain asks for, and
// false where none does.
func RetryAfter(err error) (time.Duration, bool) {
	var f *fault
	for e := err; errors.As(e, &f); e = f.cause {
		if f.after > 0 {
			return f.after, true
		}
	}
	return 0, false
}

// Retryable says that the same call may succeed later although nobody changes
// anything. It says nothing about whether repeating it is harmless.
func Retryable(kind Kind) bool {
	switch kind {
	case Unavailable, ResourceExhausted, Stale, Timeout:
		return true
	default:
		return false
	}
}

// RetryActivity says whether a durable activity that ended in err is tried
// again. Errors that nobody sorted are, since most of them are passing faults
// of a network or a disk; the activity's own policy bounds how often. So is
// one that was canceled: its worker was stopped, or could not send a
// heartbeat, and where it is the workflow that was, nobody asks.
func RetryActivity(err error) bool {
	kind := KindOf(err)
	return kind == Internal || kind == Canceled || Retryable(kind)
}
