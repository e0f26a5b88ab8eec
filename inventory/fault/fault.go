// Package fault holds errors that say what the caller can do about them. Only
// the control API turns their kinds into statuses.
package fault

import (
	"errors"
	"fmt"
)

// A Kind says what sort of mistake an error is.
type Kind int

// The kinds. Internal is what every error without a kind is.
const (
	Internal     Kind = iota // ours: logged, and told without details
	Malformed                // the input cannot be read at all
	Invalid                  // a value breaks a rule
	NotFound                 // what the input names does not exist, or is invisible
	Conflict                 // it exists already
	Unauthorized             // who is asking is not known
	Denied                   // who is asking may not
	TooLarge                 // over a limit of size
	Busy                     // try again later
)

// An Error is a message that the caller may see, without internals.
type Error struct {
	Kind Kind
	Msg  string
}

// New returns an error of a kind with a message for the caller.
func New(k Kind, format string, args ...any) error {
	return &Error{Kind: k, Msg: fmt.Sprintf(format, args...)}
}

// Error returns the message.
func (e *Error) Error() string { return e.Msg }

// Of returns the kind of err and the message for the caller. An error that has
// no kind is Internal, and its text is not for the caller.
func Of(err error) (Kind, string) {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind, e.Msg
	}
	return Internal, "internal error"
}
