package relruntest

import "strings"

// facts is what the context answers.
type facts struct {
	pkg, version, release, step string
	environment, deployment     *string
	previous, unfinished        *string
	labels                      [][2]string
	settings                    map[string]string
	started                     uint64
}

func standardFacts() facts {
	environment, deployment := "test", "shop"
	return facts{
		pkg: "acme/shop", version: "1.0.0", release: "r1", step: "step", environment: &environment, deployment: &deployment,
		settings: map[string]string{}, started: 1_700_000_000,
	}
}

// SetRelease sets the release's id.
func (h *Host) SetRelease(id string) *Host {
	h.facts.release = id
	return h
}

// SetVersion sets the package's version.
func (h *Host) SetVersion(version string) *Host {
	h.facts.version = version
	return h
}

// SetLabel sets a label of the environment.
func (h *Host) SetLabel(name, value string) *Host {
	h.facts.labels = append(h.facts.labels, [2]string{name, value})
	return h
}

// SetSetting sets what the environment sets.
func (h *Host) SetSetting(name, value string) *Host {
	h.facts.settings[name] = value
	return h
}

// SetPrevious sets what this deployment's last apply left, as JSON.
func (h *Host) SetPrevious(receipt any) *Host {
	saved := text(receipt)
	h.facts.previous = &saved
	return h
}

// SetUnfinished sets the last checkpoint of an earlier attempt, as JSON.
func (h *Host) SetUnfinished(checkpoint any) *Host {
	saved := text(checkpoint)
	h.facts.unfinished = &saved
	return h
}

// SetPure makes the context that of a pure step: empty.
func (h *Host) SetPure() *Host {
	h.facts = facts{settings: map[string]string{}}
	return h
}

// PackageName and those that follow answer the world's context.
func (h *Host) PackageName() string { return h.facts.pkg }

// Version answers context.version.
func (h *Host) Version() string { return h.facts.version }

// Release answers context.release.
func (h *Host) Release() string { return h.facts.release }

// Step answers context.step.
func (h *Host) Step() string { return h.facts.step }

// Attempt answers context.attempt.
func (h *Host) Attempt() uint32 { return 1 }

// IdempotencyKey answers context.idempotency-key.
func (h *Host) IdempotencyKey() string { return strings.Repeat("0", 64) }

// Environment answers context.environment.
func (h *Host) Environment() *string { return h.facts.environment }

// Deployment answers context.deployment.
func (h *Host) Deployment() *string { return h.facts.deployment }

// Labels answers context.labels.
func (h *Host) Labels() [][2]string { return h.facts.labels }

// Setting answers context.setting.
func (h *Host) Setting(name string) *string {
	if value, ok := h.facts.settings[name]; ok {
		return &value
	}
	return nil
}

// Previous answers context.previous.
func (h *Host) Previous() *string { return h.facts.previous }

// Unfinished answers context.unfinished.
func (h *Host) Unfinished() *string { return h.facts.unfinished }

// StartedAt answers context.started-at.
func (h *Host) StartedAt() uint64 { return h.facts.started }
