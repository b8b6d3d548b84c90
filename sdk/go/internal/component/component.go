//go:build wasip1

// Package component is the host of a component: its imports. It is the only one that names the generated imports, and every call goes through
// [outside], which keeps the rules of the component's edge.
package component

import (
	"strings"
	"unicode/utf8"

	_ "relrun/internal/bindings/exports/wit_exports" // the exports
	"relrun/internal/bindings/imports/relrun_plugin_checkpoint"
	"relrun/internal/bindings/imports/relrun_plugin_log"
	"relrun/internal/bindings/imports/relrun_plugin_secrets"
	"relrun/internal/bindings/imports/relrun_plugin_trees"
	bound "relrun/internal/bindings/imports/relrun_plugin_types"
	"relrun/internal/wit/runtime"
	"relrun/internal/wit/types"
	"relrun/internal/world"
)

type imports struct{}

func init() { world.Current = imports{} }

// outside runs a call to the host that cannot fail.
func outside[T any](call func() T) T { return runtime.Outside(call) }

// tell runs a call to the host that answers nothing.
func tell(call func()) {
	runtime.Outside(func() types.Unit {
		call()
		return types.Unit{}
	})
}

// ask runs a call to the host, and makes a Go error of its error. The texts that are its arguments must be UTF-8: any other is a trap in the host.
func ask[T any](call func() types.Result[T, bound.Error], texts ...string) (T, error) {
	var none T
	for _, text := range texts {
		if !utf8.ValidString(text) {
			return none, &world.Error{Kind: world.Invalid, Message: "not UTF-8: " + valid(text)}
		}
	}
	answer := runtime.Outside(call)
	if answer.IsErr() {
		return none, fault(answer.Err())
	}
	return answer.Ok(), nil
}

// do runs a call to the host that answers nothing but an error.
func do(call func() types.Result[types.Unit, bound.Error], texts ...string) error {
	_, err := ask(call, texts...)
	return err
}

func valid(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

func fault(err bound.Error) error {
	switch err.Tag() {
	case bound.Error_Invalid:
		return &world.Error{Kind: world.Invalid, Message: err.Invalid()}
	case bound.Error_Denied:
		return &world.Error{Kind: world.Denied, Message: err.Denied()}
	case bound.Error_Missing:
		return &world.Error{Kind: world.Missing, Message: err.Missing()}
	case bound.Error_TimedOut:
		return &world.Error{Kind: world.TimedOut, Message: err.TimedOut()}
	case bound.Error_Cancelled:
		return &world.Error{Kind: world.Cancelled, Message: world.CancelledMessage}
	case bound.Error_Transient:
		return &world.Error{Kind: world.Transient, Message: err.Transient()}
	case bound.Error_Permanent:
		return &world.Error{Kind: world.Permanent, Message: err.Permanent()}
	default:
		return &world.Error{Kind: world.Other, Message: err.Other()}
	}
}

func pairs(from []types.Tuple2[string, string]) [][2]string {
	all := make([][2]string, 0, len(from))
	for _, pair := range from {
		all = append(all, [2]string{pair.F0, pair.F1})
	}
	return all
}

func (imports) Log(level world.Level, message string) {
	tell(func() { relrun_plugin_log.Write(relrun_plugin_log.Level(level), valid(message)) })
}

func (imports) Progress(what string, done uint64, total *uint64) {
	tell(func() { relrun_plugin_log.Progress(valid(what), done, types.Optional(total)) })
}

func (imports) Checkpoint(state string) error {
	return do(func() types.Result[types.Unit, bound.Error] { return relrun_plugin_checkpoint.Save(state) }, state)
}

func (imports) Capture(dir string) (string, error) {
	return ask(func() types.Result[string, bound.Error] { return relrun_plugin_trees.Capture(dir) }, dir)
}

func (imports) Restore(digest, dir string) error {
	return do(func() types.Result[types.Unit, bound.Error] { return relrun_plugin_trees.Restore(digest, dir) }, digest, dir)
}

// secret is a handle that lives as long as the instance: a request keeps the secrets that it will send.
type secret struct{ handle *relrun_plugin_secrets.Secret }

func (imports) Secret(name string) (world.Secret, error) {
	handle, err := ask(func() types.Result[*relrun_plugin_secrets.Secret, bound.Error] {
		return relrun_plugin_secrets.Get(name)
	}, name)
	if err != nil {
		return nil, err
	}
	return secret{handle}, nil
}

func (s secret) Name() string { return outside(s.handle.Name) }

func (s secret) Reveal() (string, error) { return ask(s.handle.Reveal) }

func (s secret) Sign(data []byte) ([]byte, error) {
	return ask(func() types.Result[[]byte, bound.Error] { return s.handle.Sign(data) })
}

// handleOf returns the handle of a secret that this host gave.
func handleOf(from world.Secret) *relrun_plugin_secrets.Secret {
	known, ok := from.(secret)
	if !ok {
		panic("relrun: a secret that this host did not give")
	}
	return known.handle
}
