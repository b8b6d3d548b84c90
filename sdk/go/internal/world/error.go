// Package world holds what the SDK and a host say to each other, in plain Go.
//
// It names no generated binding, so that the SDK is tested natively. A component's imports and the fake of relruntest are two hosts.
package world

// Kind is a kind of [Error]. It is an error itself, so that errors.Is can ask for it.
type Kind uint8

// The kinds, in the order of the plugin world's error variant.
const (
	Invalid Kind = iota
	Denied
	Missing
	TimedOut
	Cancelled
	Transient
	Permanent
	Other
)

var kindNames = [...]string{"invalid", "denied", "missing", "timed-out", "cancelled", "transient", "permanent", "other"}

// Error returns the kind's name in the plugin world.
func (k Kind) Error() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "other"
}

// CancelledMessage is what a cancelled error says, which carries no text of its own.
const CancelledMessage = "the release is being cancelled"

// Error is why a step or a call to the host failed.
type Error struct {
	Kind    Kind
	Message string
	// Cause is the Go error that it was made of, if any.
	Cause error
}

// Error returns what a person reads.
func (e *Error) Error() string { return e.Message }

// Is says whether the target is this error's kind.
func (e *Error) Is(target error) bool {
	kind, ok := target.(Kind)
	return ok && kind == e.Kind
}

// Unwrap returns the Go error that it was made of.
func (e *Error) Unwrap() error { return e.Cause }
