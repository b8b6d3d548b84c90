// Package relruntest is a host in memory, for testing a plugin's logic with go test, without a component.
//
// It keeps to the plugin world's words, not to the host's gates: whether a component asks for what it uses shows in relrun plugin test.
package relruntest

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"relrun"
	"relrun/internal/world"
)

// Host is a host in memory. It is the program's only one until the test ends, so tests that use it do not run in parallel, and it takes one call at a
// time: a plugin whose goroutines call the host is tested as a component, where they take turns.
type Host struct {
	facts       facts
	secrets     map[string]string
	answers     []answer
	commands    []script
	trees       map[string]map[string]string
	hosts       []*machine
	tags        map[[2]string]string
	marks       map[[2]string]string
	faults      []fault
	checkpoints []string
	lines       []string
	calls       []string
	left        int
	crashed     bool
}

type fault struct {
	call string
	err  error
}

// New puts an empty host in place until the test ends.
func New(t testing.TB) *Host {
	t.Helper()
	host := &Host{
		facts:   standardFacts(),
		secrets: map[string]string{},
		trees:   map[string]map[string]string{},
		tags:    map[[2]string]string{},
		marks:   map[[2]string]string{},
		left:    -1,
	}
	before, logger := world.Current, slog.Default()
	world.Current = host
	slog.SetDefault(slog.New(relrun.LogHandler(relrun.LevelTrace)))
	t.Cleanup(func() {
		world.Current = before
		slog.SetDefault(logger)
	})
	return host
}

// SetSecret adds a secret.
func (h *Host) SetSecret(name, value string) *Host {
	h.secrets[name] = value
	return h
}

// Answer adds the answer to the next HTTP request that has none yet. A request without one is refused, as by a closed port.
func (h *Host) Answer(status int, body string) *Host {
	h.answers = append(h.answers, answer{status: uint16(status), body: []byte(body)})
	return h
}

// Command says how a command ends and what it writes, from now on; one that nothing is said of ends with 0 and writes nothing.
func (h *Host) Command(words string, code int, stdout string) *Host {
	h.commands = append(h.commands, script{words: words, code: int32(code), stdout: stdout})
	return h
}

// CommandError says how a command ends and what it writes to its standard error, from now on.
func (h *Host) CommandError(words string, code int, stderr string) *Host {
	h.commands = append(h.commands, script{words: words, code: int32(code), stderr: stderr})
	return h
}

// Fail fails the next call whose record begins with these words, once.
func (h *Host) Fail(call string, err error) *Host {
	h.faults = append(h.faults, fault{call, err})
	return h
}

// CrashAfter lets that many changes through from now on, then none, nor any checkpoint: the world as a crash leaves it.
func (h *Host) CrashAfter(changes int) *Host {
	h.left, h.crashed = changes, false
	return h
}

// Restart starts again after a crash.
func (h *Host) Restart() *Host {
	h.left, h.crashed = -1, false
	return h
}

// Tree adds a tree of files by its digest.
func (h *Host) Tree(digest string, files map[string]string) *Host {
	h.trees[digest] = files
	return h
}

// Calls returns the calls that were recorded, and forgets them.
func (h *Host) Calls() []string {
	calls := h.calls
	h.calls = nil
	return calls
}

// Checkpoints returns the checkpoints as JSON, oldest first, and forgets them.
func (h *Host) Checkpoints() []string {
	checkpoints := h.checkpoints
	h.checkpoints = nil
	return checkpoints
}

// Lines returns the lines of the log, each with its level before it.
func (h *Host) Lines() []string { return h.lines }

// call notes a call, and fails it where the test says so.
func (h *Host) call(words ...string) error {
	call := strings.Join(words, " ")
	h.calls = append(h.calls, call)
	for i, fault := range h.faults {
		if strings.HasPrefix(call, fault.call) {
			h.faults = append(h.faults[:i:i], h.faults[i+1:]...)
			return fault.err
		}
	}
	return nil
}

// change notes a call that changes something. After a crash nothing changes any more.
func (h *Host) change(words ...string) error {
	if h.left == 0 {
		h.crashed = true
	}
	if h.crashed {
		return relrun.Errorf(relrun.ErrCancelled, "crashed")
	}
	if h.left > 0 {
		h.left--
	}
	return h.call(words...)
}

// Plugin is a [relrun.Plugin] of any types.
type Plugin interface{ Operations() world.Operations }

// The answers of a plugin's operations, with JSON texts.
type (
	Description = world.Description
	Needs       = world.Needs
	Change      = world.Change
	Outcome     = world.Outcome
	Recovery    = world.Recovery
	Health      = world.Health
)

// Whether what a receipt names still stands.
const (
	Intact  = world.Intact
	Drifted = world.Drifted
	Gone    = world.Gone
)

// Describe calls describe.
func (h *Host) Describe(plugin Plugin) Description { return plugin.Operations().Describe() }

// Resolve calls resolve. A config is JSON: a text, or a value that is made a text of.
func (h *Host) Resolve(plugin Plugin, config any) (Needs, error) {
	return plugin.Operations().Resolve(text(config))
}

// Plan calls plan.
func (h *Host) Plan(plugin Plugin, config any) ([]Change, error) {
	return plugin.Operations().Plan(text(config))
}

// Apply calls apply.
func (h *Host) Apply(plugin Plugin, config any) (Outcome, error) {
	return plugin.Operations().Apply(text(config))
}

// Recover calls recover; a checkpoint of nil is one that was never saved.
func (h *Host) Recover(plugin Plugin, config, checkpoint any) (Recovery, error) {
	if checkpoint == nil {
		return plugin.Operations().Recover(text(config), nil)
	}
	saved := text(checkpoint)
	return plugin.Operations().Recover(text(config), &saved)
}

// Verify calls verify.
func (h *Host) Verify(plugin Plugin, config, receipt any) (Health, error) {
	return plugin.Operations().Verify(text(config), text(receipt))
}

// Undo calls undo.
func (h *Host) Undo(plugin Plugin, config, receipt any) (Outcome, error) {
	return plugin.Operations().Undo(text(config), text(receipt))
}

// Destroy calls destroy.
func (h *Host) Destroy(plugin Plugin, config, receipt any) (Outcome, error) {
	return plugin.Operations().Destroy(text(config), text(receipt))
}

// Find calls adoption's find.
func (h *Host) Find(plugin Plugin, config any) (Outcome, error) {
	return plugin.Operations().Find(text(config))
}

// text returns a value's JSON; a string is JSON already.
func text(value any) string {
	switch value := value.(type) {
	case string:
		return value
	case *string:
		return *value
	}
	made, err := json.Marshal(value)
	if err != nil {
		panic("relruntest: no JSON: " + err.Error())
	}
	return string(made)
}
