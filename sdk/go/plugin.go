package relrun

import "encoding/json"

// Plugin is a step plugin: C is its config, O its outputs, R its receipt; each a struct, or [Nothing].
//
// Only Name, Version, Summary and Apply must be set. Hand it to [Export] in an init function of the main package.
type Plugin[C, O, R any] struct {
	// Name is the plugin's own name, kebab-case.
	Name string
	// Version is the plugin's version (SemVer 2).
	Version string
	// Summary is one line, without a full stop.
	Summary string

	// Resolve says what this config needs. It reaches nothing. By default nothing, and the step is pure.
	//
	// A reference whose value is not known yet stands in the config as the text ${…}: a field that may hold one is a string.
	Resolve func(config C) (Needs, error)
	// Plan says what Apply would change, and changes nothing. By default no line.
	Plan func(config C) ([]Change, error)
	// Apply does it. An effect calls [Checkpoint] before each change.
	Apply func(config C) (Outcome[O, R], error)
	// Recover says how far an Apply came that never answered. By default: not done where it was untouched, partly done as its last
	// checkpoint says, and an error where it had begun and saved none, because then nobody can tell.
	Recover func(config C, came Came[R]) (Recovery[O, R], error)
	// Verify says whether what the receipt names still stands, and changes nothing. By default an error that says that it cannot.
	Verify func(config C, receipt R) (Health, error)
	// Undo restores what stood before the Apply that gave the receipt, and says in one line what it did. Doing it twice does no harm.
	// By default an error: who writes receipts also says how they are undone.
	Undo func(config C, receipt R) (string, error)
	// Destroy removes the deployment, whatever its history, and says in one line what it did. Doing it twice does no harm.
	Destroy func(config C, receipt R) (string, error)
	// Find looks at what stands at the target without relrun's doing, and changes nothing: for relrun adopt. Its outputs say for each
	// reference that stands in the config as its text (${step.site.dist}) what it would have to be for Apply to make what stands; the
	// receipt is what [Previous] gives that Apply. By default an error that says that it cannot.
	Find func(config C) (Outcome[map[string]any, R], error)
}

// Nothing is no outputs, or no receipt.
type Nothing struct{}

// Outcome is what an Apply leaves.
type Outcome[O, R any] struct {
	// Summary is one line: what was done.
	Summary string
	// Outputs is what other steps may refer to as ${step.NAME.KEY}.
	Outputs O
	// Receipt is what Undo needs. Nil where nothing can be undone.
	Receipt *R
}

// Change is one thing that would change, or has drifted.
type Change struct {
	// Summary is one line.
	Summary string
	// Detail is a unified diff or a longer text, where there is one.
	Detail string
}

// Came is how far an interrupted Apply came, by its last checkpoint. Untouched can be trusted: the SDK saves an empty checkpoint before the
// first call that may change something, unless the plugin has saved one of its own.
type Came[R any] struct {
	// Begun says that it may have changed something.
	Begun bool
	// Saved is the last checkpoint, where it saved one of its own.
	Saved *R
}

// Recovery is what Recover found out. Without Done and Partly nothing was changed, and it may run again.
type Recovery[O, R any] struct {
	// Done is the outcome of an Apply that came to its end.
	Done *Outcome[O, R]
	// Partly is what stands of one that did not, as a receipt that Undo understands.
	Partly *R
}

// Health is whether what a receipt names still stands: as it was left where nothing is set.
type Health struct {
	// Drifted says what differs.
	Drifted []Change
	// Gone says that nothing of it is there.
	Gone bool
}

// Previous returns what this deployment's last Apply left as its receipt; nil where there was none.
func Previous[R any]() (*R, error) {
	return recorded[R](host().Previous(), "the previous receipt")
}

// Unfinished returns, in Apply, the last checkpoint of an earlier attempt in this release that did not end well and was not undone; nil where there
// was none. What stands at the target is partly this release's own doing then: what stood before it is what that checkpoint says.
func Unfinished[R any]() (*R, error) {
	return recorded[R](host().Unfinished(), "the checkpoint of an earlier attempt")
}

func recorded[R any](text *string, what string) (*R, error) {
	if text == nil {
		return nil, nil
	}
	var receipt *R // an empty checkpoint stays nil
	if err := json.Unmarshal([]byte(*text), &receipt); err != nil {
		return nil, Errorf(ErrPermanent, "read %s: %w", what, err)
	}
	return receipt, nil
}
