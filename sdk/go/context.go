package relrun

import "time"

// Facts says which release this is. A pure step gets empty answers and an attempt of 1.
type Facts struct{}

// Context returns the facts of the running step.
func Context() Facts { return Facts{} }

// Package returns the package, owner/name.
func (Facts) Package() string { return host().PackageName() }

// Version returns the package's version, or its rule where none is claimed yet.
func (Facts) Version() string { return host().Version() }

// Release returns the release's id, r7.
func (Facts) Release() string { return host().Release() }

// Step returns the step's name.
func (Facts) Step() string { return host().Step() }

// Attempt returns the attempt, counted from 1.
func (Facts) Attempt() int { return int(host().Attempt()) }

// IdempotencyKey returns the key that is stable over all retries of one step in one release: 64 hexadecimal digits.
func (Facts) IdempotencyKey() string { return host().IdempotencyKey() }

// Environment returns the environment's name, where the step is bound to one.
func (Facts) Environment() (name string, ok bool) { return present(host().Environment()) }

// Deployment returns the deployment's name; by default the package's.
func (Facts) Deployment() (name string, ok bool) { return present(host().Deployment()) }

// Labels returns the environment's labels.
func (Facts) Labels() map[string]string { return mapped(host().Labels()) }

// Setting returns what the environment sets under this name, as text.
func (Facts) Setting(name string) (value string, ok bool) { return present(host().Setting(name)) }

// StartedAt returns the moment the release began; the Unix epoch for a pure step.
func (Facts) StartedAt() time.Time { return time.Unix(int64(host().StartedAt()), 0).UTC() }

func present(text *string) (string, bool) {
	if text == nil {
		return "", false
	}
	return *text, true
}

func mapped(pairs [][2]string) map[string]string {
	all := make(map[string]string, len(pairs))
	for _, pair := range pairs {
		all[pair[0]] = pair[1]
	}
	return all
}
