package relrun

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime/debug"

	"relrun/internal/world"
)

// Operations returns the plugin as a component exports it: with JSON texts, and with panics as permanent errors. Tests call it through
// relruntest.
func (p Plugin[C, O, R]) Operations() world.Operations { return operations[C, O, R]{p} }

type operations[C, O, R any] struct{ plugin Plugin[C, O, R] }

func (o operations[C, O, R]) Describe() world.Description {
	return world.Description{
		Name: o.plugin.Name, Version: o.plugin.Version, Summary: o.plugin.Summary,
		ConfigSchema: schemaText[C](true), OutputsSchema: schemaText[O](false),
	}
}

func (o operations[C, O, R]) Resolve(text string) (world.Needs, error) {
	return caught(o.plugin.Name, "resolve", func() (needs world.Needs, err error) {
		config, err := readConfig[C](text)
		if err != nil {
			return needs, err
		}
		found, err := o.resolved(config)
		return found.world(), err
	})
}

func (o operations[C, O, R]) resolved(config C) (Needs, error) {
	if o.plugin.Resolve == nil {
		return Pure(), nil
	}
	return o.plugin.Resolve(config)
}

func (o operations[C, O, R]) Plan(text string) ([]world.Change, error) {
	return caught(o.plugin.Name, "plan", func() ([]world.Change, error) {
		config, err := readConfig[C](text)
		if err != nil || o.plugin.Plan == nil {
			return nil, err
		}
		changes, err := o.plugin.Plan(config)
		return worldChanges(changes), err
	})
}

func (o operations[C, O, R]) Apply(text string) (world.Outcome, error) {
	return caught(o.plugin.Name, "apply", func() (world.Outcome, error) {
		config, err := readConfig[C](text)
		if err != nil {
			return world.Outcome{}, err
		}
		needs, err := o.resolved(config)
		if err != nil {
			return world.Outcome{}, err
		}
		armed = needs.effect
		defer func() { armed = false }()
		outcome, err := o.plugin.Apply(config)
		if err != nil {
			return world.Outcome{}, err
		}
		return answer(outcome)
	})
}

func (o operations[C, O, R]) Recover(text string, checkpoint *string) (world.Recovery, error) {
	return caught(o.plugin.Name, "recover", func() (found world.Recovery, err error) {
		config, err := readConfig[C](text)
		if err != nil {
			return found, err
		}
		came := Came[R]{Begun: checkpoint != nil}
		if checkpoint != nil {
			if came.Saved, err = readReceipt[R](*checkpoint); err != nil {
				return found, err
			}
		}
		recovery, err := o.recovered(config, came)
		if err != nil {
			return found, err
		}
		if recovery.Done != nil {
			outcome, err := answer(*recovery.Done)
			return world.Recovery{Done: &outcome}, err
		}
		if recovery.Partly != nil {
			receipt, err := jsonText(recovery.Partly)
			return world.Recovery{Partly: &receipt}, err
		}
		return found, nil
	})
}

func (o operations[C, O, R]) recovered(config C, came Came[R]) (Recovery[O, R], error) {
	switch {
	case o.plugin.Recover != nil:
		return o.plugin.Recover(config, came)
	case !came.Begun:
		return Recovery[O, R]{}, nil
	case came.Saved != nil:
		return Recovery[O, R]{Partly: came.Saved}, nil
	default:
		return Recovery[O, R]{}, Errorf(ErrOther, "it had begun to change something, and left no checkpoint that tells how far it came")
	}
}

func (o operations[C, O, R]) Verify(text, receipt string) (world.Health, error) {
	return caught(o.plugin.Name, "verify", func() (found world.Health, err error) {
		if leavesNothing[R]() {
			receipt = "{}" // A plugin that leaves no receipts may still be able to look.
		}
		config, recorded, err := o.read(text, receipt)
		if err != nil {
			return found, err
		}
		if recorded == nil {
			return found, o.unrecorded()
		}
		if o.plugin.Verify == nil {
			return found, Errorf(ErrPermanent, "%s cannot verify what it did", o.plugin.Name)
		}
		health, err := o.plugin.Verify(config, *recorded)
		return health.world(), err
	})
}

func (o operations[C, O, R]) Undo(text, receipt string) (world.Outcome, error) {
	return o.back("undo", "undone", "undo what it did", o.plugin.Undo, text, receipt)
}

func (o operations[C, O, R]) Destroy(text, receipt string) (world.Outcome, error) {
	return o.back("destroy", "removed", "remove what it deployed", o.plugin.Destroy, text, receipt)
}

func (o operations[C, O, R]) back(name, done, able string, run func(C, R) (string, error), text, receipt string) (world.Outcome, error) {
	return caught(o.plugin.Name, name, func() (none world.Outcome, err error) {
		config, recorded, err := o.read(text, receipt)
		switch {
		case err != nil:
			return none, err
		case recorded == nil && leavesNothing[R]():
			return bare("nothing that can be " + done + " was recorded"), nil
		case recorded == nil:
			return none, o.unrecorded()
		case run == nil:
			return none, Errorf(ErrPermanent, "%s cannot %s", o.plugin.Name, able)
		}
		summary, err := run(config, *recorded)
		return bare(summary), err
	})
}

func (o operations[C, O, R]) Find(text string) (world.Outcome, error) {
	return caught(o.plugin.Name, "find", func() (none world.Outcome, err error) {
		config, err := readConfig[C](text)
		if err != nil {
			return none, err
		}
		if o.plugin.Find == nil {
			return none, Errorf(ErrMissing, "%s cannot take over what stands without relrun's doing", o.plugin.Name)
		}
		standing, err := o.plugin.Find(config)
		if err != nil {
			return none, err
		}
		if standing.Outputs == nil {
			standing.Outputs = map[string]any{}
		}
		return answer(standing)
	})
}

func (o operations[C, O, R]) read(text, receipt string) (config C, recorded *R, err error) {
	if recorded, err = readReceipt[R](receipt); err != nil {
		return config, nil, err
	}
	config, err = readConfig[C](text)
	return config, recorded, err
}

func (o operations[C, O, R]) unrecorded() error {
	return Errorf(ErrPermanent, "%s had begun to change something, and recorded nothing that says what", o.plugin.Name)
}

// caught runs an operation, and makes what it panics with an error: a panic that leaves a component is a trap without a message.
func caught[T any](plugin, operation string, run func() (T, error)) (result T, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			slog.Debug(string(debug.Stack()))
			var none T
			result, err = none, &Error{Kind: ErrPermanent, Message: fmt.Sprintf("%s panicked in %s: %v", plugin, operation, fault)}
		}
	}()
	if result, err = run(); err != nil {
		var none T
		return none, leaving(err)
	}
	return result, nil
}

// readReceipt reads a receipt; null is the empty checkpoint that the guard saves. Unknown fields are left alone, because a newer version of the
// plugin may have left them.
func readReceipt[R any](text string) (*R, error) {
	var receipt *R
	if err := json.Unmarshal([]byte(text), &receipt); err != nil {
		return nil, Errorf(ErrPermanent, "receipt: %w", err)
	}
	return receipt, nil
}

func leavesNothing[R any]() bool {
	var none R
	_, ok := any(none).(Nothing)
	return ok
}

func answer[O, R any](outcome Outcome[O, R]) (none world.Outcome, err error) {
	outputs, err := jsonText(outcome.Outputs)
	if err != nil {
		return none, Errorf(ErrPermanent, "outputs: %w", err)
	}
	made := world.Outcome{Summary: outcome.Summary, Outputs: outputs}
	if outcome.Receipt != nil {
		receipt, err := jsonText(outcome.Receipt)
		if err != nil {
			return none, Errorf(ErrPermanent, "receipt: %w", err)
		}
		made.Receipt = &receipt
	}
	return made, nil
}

func jsonText(value any) (string, error) {
	text, err := json.Marshal(value)
	return string(text), err
}

func bare(summary string) world.Outcome { return world.Outcome{Summary: summary, Outputs: "{}"} }

func (h Health) world() world.Health {
	switch {
	case h.Gone:
		return world.Health{State: world.Gone}
	case len(h.Drifted) > 0:
		return world.Health{State: world.Drifted, Changes: worldChanges(h.Drifted)}
	default:
		return world.Health{State: world.Intact}
	}
}

func worldChanges(changes []Change) []world.Change {
	all := make([]world.Change, 0, len(changes))
	for _, change := range changes {
		one := world.Change{Summary: change.Summary}
		if change.Detail != "" {
			one.Detail = &change.Detail
		}
		all = append(all, one)
	}
	return all
}
