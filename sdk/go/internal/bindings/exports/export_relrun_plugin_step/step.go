//go:build wasip1

// Package export_relrun_plugin_step is the exported interface step, as the generated exports call it. Its name is the generator's.
package export_relrun_plugin_step

import (
	"errors"
	"strings"

	bound "relrun/internal/bindings/imports/relrun_plugin_types"
	"relrun/internal/wit/runtime"
	"relrun/internal/wit/types"
	"relrun/internal/world"
)

// Describe answers describe.
func Describe() bound.Description {
	runtime.Enter()
	defer runtime.Leave()
	if world.Exported == nil {
		return bound.Description{Name: "nameless", Version: "0.0.0", Summary: "Calls relrun.Export in no init function", ConfigSchema: "{}", OutputsSchema: "{}"}
	}
	known := world.Exported.Describe()
	return bound.Description{
		Name: text(known.Name), Version: text(known.Version), Summary: text(known.Summary),
		ConfigSchema: text(known.ConfigSchema), OutputsSchema: text(known.OutputsSchema),
	}
}

// Resolve answers resolve.
func Resolve(config string) types.Result[bound.Needs, bound.Error] {
	return answered(func() (world.Needs, error) { return world.Exported.Resolve(config) }, func(needs world.Needs) bound.Needs {
		made := bound.Needs{Kind: bound.Kind_Pure, Idempotent: needs.Idempotent}
		if needs.Effect {
			made.Kind = bound.Kind_Effect
		}
		for _, need := range needs.Requests {
			made.Requests = append(made.Requests, bound.Need{Capability: text(need.Capability), Reason: text(need.Reason)})
		}
		return made
	})
}

// Plan answers plan.
func Plan(config string) types.Result[[]bound.Change, bound.Error] {
	return answered(func() ([]world.Change, error) { return world.Exported.Plan(config) }, changes)
}

// Apply answers apply.
func Apply(config string) types.Result[bound.Outcome, bound.Error] {
	return Outcome(func() (world.Outcome, error) { return world.Exported.Apply(config) })
}

// Recover answers recover.
func Recover(config string, checkpoint types.Option[string]) types.Result[bound.Recovery, bound.Error] {
	ask := func() (world.Recovery, error) { return world.Exported.Recover(config, checkpoint.Pointer()) }
	return answered(ask, func(found world.Recovery) bound.Recovery {
		switch {
		case found.Done != nil:
			return bound.MakeRecoveryDone(outcome(*found.Done))
		case found.Partly != nil:
			return bound.MakeRecoveryPartly(text(*found.Partly))
		default:
			return bound.MakeRecoveryNotDone()
		}
	})
}

// Verify answers verify.
func Verify(config, receipt string) types.Result[bound.Health, bound.Error] {
	return answered(func() (world.Health, error) { return world.Exported.Verify(config, receipt) }, func(health world.Health) bound.Health {
		switch health.State {
		case world.Drifted:
			return bound.MakeHealthDrifted(changes(health.Changes))
		case world.Gone:
			return bound.MakeHealthGone()
		default:
			return bound.MakeHealthIntact()
		}
	})
}

// Undo answers undo.
func Undo(config, receipt string) types.Result[bound.Outcome, bound.Error] {
	return Outcome(func() (world.Outcome, error) { return world.Exported.Undo(config, receipt) })
}

// Destroy answers destroy.
func Destroy(config, receipt string) types.Result[bound.Outcome, bound.Error] {
	return Outcome(func() (world.Outcome, error) { return world.Exported.Destroy(config, receipt) })
}

// Outcome runs an operation that leaves one.
func Outcome(run func() (world.Outcome, error)) types.Result[bound.Outcome, bound.Error] {
	return answered(run, outcome)
}

// answered runs an operation, and makes the world's words of its answer.
func answered[T, B any](run func() (T, error), made func(T) B) types.Result[B, bound.Error] {
	runtime.Enter()
	defer runtime.Leave()
	if world.Exported == nil {
		return types.Err[B](bound.MakeErrorPermanent("the plugin calls relrun.Export in no init function"))
	}
	answer, err := run()
	if err != nil {
		return types.Err[B](fault(err))
	}
	return types.Ok[B, bound.Error](made(answer))
}

func outcome(done world.Outcome) bound.Outcome {
	made := bound.Outcome{Summary: text(done.Summary), Outputs: text(done.Outputs)}
	if done.Receipt != nil {
		made.Receipt = types.Some(text(*done.Receipt))
	}
	return made
}

func changes(all []world.Change) []bound.Change {
	made := make([]bound.Change, 0, len(all))
	for _, change := range all {
		one := bound.Change{Summary: text(change.Summary)}
		if change.Detail != nil {
			one.Detail = types.Some(text(*change.Detail))
		}
		made = append(made, one)
	}
	return made
}

func fault(err error) bound.Error {
	kind, message := world.Permanent, text(err.Error())
	var known *world.Error
	if errors.As(err, &known) {
		kind = known.Kind
	}
	switch kind {
	case world.Invalid:
		return bound.MakeErrorInvalid(message)
	case world.Denied:
		return bound.MakeErrorDenied(message)
	case world.Missing:
		return bound.MakeErrorMissing(message)
	case world.TimedOut:
		return bound.MakeErrorTimedOut(message)
	case world.Cancelled:
		return bound.MakeErrorCancelled()
	case world.Transient:
		return bound.MakeErrorTransient(message)
	case world.Permanent:
		return bound.MakeErrorPermanent(message)
	default:
		return bound.MakeErrorOther(message)
	}
}

// text returns the text in UTF-8: any other would be a trap in the host.
func text(from string) string { return strings.ToValidUTF8(from, "\uFFFD") }
