package world

// Operations is a plugin as a component exports it: JSON texts in, JSON texts out. Errors are of the type [*Error], and no call panics.
type Operations interface {
	Describe() Description
	Resolve(config string) (Needs, error)
	Plan(config string) ([]Change, error)
	Apply(config string) (Outcome, error)
	Recover(config string, checkpoint *string) (Recovery, error)
	Verify(config, receipt string) (Health, error)
	Undo(config, receipt string) (Outcome, error)
	Destroy(config, receipt string) (Outcome, error)
	Find(config string) (Outcome, error)
}

// Description is what every config of a plugin has in common; the schemas are JSON.
type Description struct {
	Name, Version, Summary, ConfigSchema, OutputsSchema string
}

// Needs is what one config needs.
type Needs struct {
	Effect, Idempotent bool
	Requests           []Need
}

// Need is one capability that a plugin needs.
type Need struct {
	Capability, Reason string
}

// Change is one thing that would change, or has drifted.
type Change struct {
	Summary string
	Detail  *string
}

// Outcome is what an operation that changed something leaves; outputs and receipt are JSON.
type Outcome struct {
	Summary, Outputs string
	Receipt          *string
}

// Recovery is how far an apply came: not done where nothing is set.
type Recovery struct {
	Done   *Outcome
	Partly *string
}

// State is whether what a receipt names still stands.
type State uint8

// The states, in the world's order.
const (
	Intact State = iota
	Drifted
	Gone
)

// Health is whether what a receipt names still stands.
type Health struct {
	State   State
	Changes []Change
}

// Current is the host that answers, and Exported the plugin that a component exports.
var (
	Current  Host
	Exported Operations
)
