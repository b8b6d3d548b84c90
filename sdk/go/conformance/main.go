// Command conformance is the conformance plugin of the Go SDK: tests/conformance/README.md says what it does.
package main

import (
	"encoding/json"
	"strings"

	"relrun"
)

// script is what the config says of one operation.
type script struct {
	Do       []json.RawMessage
	Summary  *string
	Outputs  map[string]json.RawMessage
	Receipt  json.RawMessage
	Changes  []struct{ Summary, Detail string }
	Recovery string
	Health   string
}

// config is the whole script. It takes any JSON: what it knows is picked out of it.
type config struct{ json.RawMessage }

// JSONSchema says that anything more is taken too.
func (config) JSONSchema() map[string]any {
	texts := map[string]any{"type": "array", "items": map[string]any{"type": "string"}}
	return map[string]any{"type": "object", "properties": map[string]any{"needs": texts}}
}

// of picks what the config says of an operation.
func (c config) of(operation string) (made script, err error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(c.RawMessage, &all); err != nil {
		return made, err
	}
	if all[operation] == nil {
		return made, nil
	}
	return made, json.Unmarshal(all[operation], &made)
}

type (
	outputs = map[string]json.RawMessage
	receipt = json.RawMessage
)

var plugin = relrun.Plugin[config, outputs, receipt]{
	Name:    "conformance",
	Version: "0.1.0",
	Summary: "Does what its config says",
	Resolve: resolve,
	Plan:    plan,
	Apply:   apply,
	Recover: recoverIt,
	Verify:  verify,
	Undo:    func(config config, given receipt) (string, error) { return back(config, "undo", given) },
	Destroy: func(config config, given receipt) (string, error) { return back(config, "destroy", given) },
}

func init() { relrun.Export(plugin) }

func main() {}

func resolve(config config) (relrun.Needs, error) {
	known := struct {
		Kind       string
		Idempotent *bool
		Needs      []string
		Resolve    string
	}{}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(config.RawMessage, &all); err != nil {
		return relrun.Needs{}, err
	}
	for name, into := range map[string]any{"kind": &known.Kind, "idempotent": &known.Idempotent, "needs": &known.Needs, "resolve": &known.Resolve} {
		if text := all[name]; text != nil && name != "resolve" || strings.HasPrefix(string(text), `"`) {
			if err := json.Unmarshal(text, into); err != nil {
				return relrun.Needs{}, err
			}
		}
	}
	if known.Resolve == "refuse" {
		return relrun.Needs{}, relrun.Errorf(relrun.ErrInvalid, "refused")
	}
	needs := relrun.Effect()
	if known.Kind == "pure" {
		needs = relrun.Pure()
	} else if known.Idempotent == nil || *known.Idempotent {
		needs = needs.Idempotent()
	}
	for _, capability := range known.Needs {
		needs = needs.With(relrun.NeedOf(capability).Because("the script asks for it"))
	}
	return needs, nil
}

// run runs the actions of an operation, and gives the transcript as JSON.
func run(config config, operation string, given receipt) (made script, transcript json.RawMessage, err error) {
	if made, err = config.of(operation); err != nil {
		return made, nil, err
	}
	entries := []any{}
	for _, text := range made.Do {
		entry, err := perform(text, given)
		if err != nil {
			return made, nil, err
		}
		entries = append(entries, entry)
	}
	transcript, err = json.Marshal(entries)
	return made, transcript, err
}

func outcome(made script, transcript json.RawMessage) relrun.Outcome[outputs, receipt] {
	done := relrun.Outcome[outputs, receipt]{Summary: "done", Outputs: outputs{}}
	for name, value := range made.Outputs {
		done.Outputs[name] = value
	}
	done.Outputs["transcript"] = transcript
	if made.Summary != nil {
		done.Summary = *made.Summary
	}
	if made.Receipt != nil {
		done.Receipt = &made.Receipt
	}
	return done
}

func apply(config config) (relrun.Outcome[outputs, receipt], error) {
	made, transcript, err := run(config, "apply", nil)
	return outcome(made, transcript), err
}

func changes(made script, transcript json.RawMessage) []relrun.Change {
	var all []relrun.Change
	for _, change := range made.Changes {
		all = append(all, relrun.Change{Summary: change.Summary, Detail: change.Detail})
	}
	return append(all, relrun.Change{Summary: "transcript", Detail: string(transcript)})
}

func plan(config config) ([]relrun.Change, error) {
	made, transcript, err := run(config, "plan", nil)
	return changes(made, transcript), err
}

func recoverIt(config config, came relrun.Came[receipt]) (found relrun.Recovery[outputs, receipt], err error) {
	var given receipt
	if came.Saved != nil {
		given = *came.Saved
	}
	made, transcript, err := run(config, "recover", given)
	switch made.Recovery {
	case "done":
		done := outcome(made, transcript)
		found.Done = &done
	case "partly":
		if found.Partly = &made.Receipt; made.Receipt == nil {
			partly, _ := json.Marshal(outputs{"transcript": transcript}) // what was JSON once is JSON again
			*found.Partly = partly
		}
	}
	return found, err
}

func verify(config config, given receipt) (relrun.Health, error) {
	made, transcript, err := run(config, "verify", given)
	switch made.Health {
	case "gone":
		return relrun.Health{Gone: true}, err
	case "drifted":
		return relrun.Health{Drifted: changes(made, transcript)}, err
	default:
		return relrun.Health{}, err
	}
}

func back(config config, operation string, given receipt) (string, error) {
	made, transcript, err := run(config, operation, given)
	if made.Summary != nil {
		return *made.Summary, err
	}
	return string(transcript), err
}
