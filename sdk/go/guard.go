package relrun

import "encoding/json"

// armed says that an effect's Apply is running and has saved no checkpoint. A component does one thing at a time.
var armed bool

// Checkpoint records how far an Apply has come; it is durable when the call returns. Call it before each change: the last one is what Recover
// and Undo get after a crash.
func Checkpoint(state any) error {
	text, err := json.Marshal(state)
	if err != nil {
		return Errorf(ErrInvalid, "checkpoint: %w", err)
	}
	if err := host().Checkpoint(string(text)); err != nil {
		return err
	}
	armed = false
	return nil
}

// mutation says that the next call may change something. So a crash never leaves a changed world behind an empty ledger.
func mutation() error {
	if !armed {
		return nil
	}
	return Checkpoint(nil)
}
