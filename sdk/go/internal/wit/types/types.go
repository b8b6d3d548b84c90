// Package types holds the generic types that the generated bindings are written with.
package types

// The tags of an option.
const (
	OptionNone = 0
	OptionSome = 1
)

// The tags of a result.
const (
	ResultOk  = 0
	ResultErr = 1
)

// Option is a value that may be absent.
type Option[T any] struct {
	some  bool
	value T
}

// None is an absent value.
func None[T any]() Option[T] { return Option[T]{} }

// Some is a present value.
func Some[T any](value T) Option[T] { return Option[T]{some: true, value: value} }

// Tag returns OptionNone or OptionSome.
func (o Option[T]) Tag() uint8 {
	if o.some {
		return OptionSome
	}
	return OptionNone
}

// Some returns the value, or the zero value of one that is absent.
func (o Option[T]) Some() T { return o.value }

// Pointer returns the value, or nil.
func (o Option[T]) Pointer() *T {
	if !o.some {
		return nil
	}
	return &o.value
}

// Optional makes an option of a pointer.
func Optional[T any](value *T) Option[T] {
	if value == nil {
		return None[T]()
	}
	return Some(*value)
}

// Result is a value or an error. The side that is not there is its type's zero value: nothing here panics, and no message is lost.
type Result[T, U any] struct {
	failed bool
	value  T
	fault  U
}

// Ok is a value.
func Ok[T, U any](value T) Result[T, U] { return Result[T, U]{value: value} }

// Err is an error.
func Err[T, U any](fault U) Result[T, U] { return Result[T, U]{failed: true, fault: fault} }

// Tag returns ResultOk or ResultErr.
func (r Result[T, U]) Tag() uint8 {
	if r.failed {
		return ResultErr
	}
	return ResultOk
}

// IsErr says whether it is an error.
func (r Result[T, U]) IsErr() bool { return r.failed }

// Ok returns the value.
func (r Result[T, U]) Ok() T { return r.value }

// Err returns the error.
func (r Result[T, U]) Err() U { return r.fault }

// Unit is no value.
type Unit struct{}

// Tuple2 is two values.
type Tuple2[T, U any] struct {
	F0 T
	F1 U
}
