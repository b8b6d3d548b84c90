package relrun

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"relrun/internal/world"
)

// Kind says what happens next after an [Error]: only a transient one is tried again. It is an error itself, for errors.Is:
//
//	if errors.Is(err, relrun.ErrMissing) { … }
type Kind = world.Kind

// The kinds of an error, as the plugin world names them.
const (
	// ErrInvalid is the manifest's author's mistake; another try cannot help.
	ErrInvalid = world.Invalid
	// ErrDenied is what no grant covers, or policy forbids.
	ErrDenied = world.Denied
	// ErrMissing is something that should be there and is not.
	ErrMissing = world.Missing
	// ErrTimedOut is what took longer than it may.
	ErrTimedOut = world.TimedOut
	// ErrCancelled is a release that is being cancelled: clean up and return.
	ErrCancelled = world.Cancelled
	// ErrTransient may go away with another try; the host tries again where the step's retry says so.
	ErrTransient = world.Transient
	// ErrPermanent does not go away with another try.
	ErrPermanent = world.Permanent
	// ErrOther is a kind that this version does not know.
	ErrOther = world.Other
)

// Error is why a call to the host failed, or why a plugin does. Wrap it with fmt.Errorf and %w: the kind stays, and the whole text is shown.
type Error = world.Error

// Errorf makes an error of a kind. As in fmt.Errorf, %w keeps what it was made of.
func Errorf(kind Kind, format string, args ...any) error {
	made := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Message: made.Error(), Cause: errors.Unwrap(made)}
}

// KindOf returns the kind with which an error leaves the plugin. An error that says nothing of one is permanent.
func KindOf(err error) Kind {
	var known *Error
	var kind Kind
	var syntax *json.SyntaxError
	var shape *json.UnmarshalTypeError
	switch {
	case errors.As(err, &known):
		return known.Kind
	case errors.As(err, &kind):
		return kind
	case errors.Is(err, fs.ErrNotExist), outside(err):
		return ErrMissing
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return ErrDenied
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return ErrTimedOut
	case errors.Is(err, context.Canceled):
		return ErrCancelled
	case errors.As(err, &syntax), errors.As(err, &shape), errors.Is(err, fs.ErrInvalid):
		return ErrInvalid
	default:
		return ErrPermanent
	}
}

// outside says whether a path lies in none of the step's directories: WASI has no better word for it than a bad descriptor.
func outside(err error) bool {
	var path *fs.PathError
	return errors.As(err, &path) && errors.Is(path.Err, syscall.EBADF)
}

// leaving turns an error into the one that leaves the plugin.
func leaving(err error) *Error {
	if known, ok := err.(*Error); ok {
		return known
	}
	return &Error{Kind: KindOf(err), Message: err.Error(), Cause: err}
}
