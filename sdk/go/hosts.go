package relrun

import (
	"strings"

	"relrun/internal/world"
)

// FileType is what a path on a host names.
type FileType = world.FileType

// What a path on a host names.
const (
	File  = world.File
	Dir   = world.Dir
	Link  = world.Link // A link is not followed.
	Other = world.Special
)

// Entry is one name in a directory on a host: Name is the last part of its path, and Target where a link points, as written in it.
type Entry = world.Entry

// Host is one of the environment's hosts. Paths are absolute there; what no host grant covers is denied.
type Host struct{ name string }

// Hosts returns the hosts of the environment that the grants name, in the manifest's order.
func Hosts() []Host {
	names := host().HostNames()
	all := make([]Host, 0, len(names))
	for _, name := range names {
		all = append(all, Host{name})
	}
	return all
}

// HostsWith returns the hosts that have the labels of a selector: role=web,zone=a; an empty one and * select all of them.
func HostsWith(selector string) []Host {
	var chosen []Host
	for _, one := range Hosts() {
		if one.Is(selector) {
			chosen = append(chosen, one)
		}
	}
	return chosen
}

// HostNamed names a host, which may be one of a receipt's; whether it is there shows at the first call.
func HostNamed(name string) Host { return Host{name} }

// Name returns its name.
func (h Host) Name() string { return h.name }

// Labels returns its labels.
func (h Host) Labels() map[string]string { return mapped(host().HostLabels(h.name)) }

// Setting returns what the environment sets for it under this name.
func (h Host) Setting(name string) (value string, ok bool) {
	return present(host().HostSetting(h.name, name))
}

// Is says whether it has the labels of a selector, as phases select environments: key=value,key=value.
func (h Host) Is(selector string) bool {
	labels := h.Labels()
	for part := range strings.SplitSeq(selector, ",") {
		part = strings.TrimSpace(part)
		if part == "" || part == "*" {
			continue
		}
		key, value, ok := strings.Cut(part, "=")
		if has, there := labels[key]; !ok || !there || has != value {
			return false
		}
	}
	return true
}

// Upload lays a tree into a new directory; what the host already has is not sent again. A half-made one is removed on failure.
func (h Host) Upload(digest, path string) error {
	return changing(func() error { return host().Upload(h.name, digest, path) })
}

// Fetch records a directory as a tree, and changes nothing there; gives its digest. What lies at the paths of without, relative to it, is left
// out.
func (h Host) Fetch(path string, without ...string) (string, error) {
	return host().Fetch(h.name, path, without)
}

// ReadDir lists a directory, sorted by name.
func (h Host) ReadDir(path string) ([]Entry, error) { return host().ReadDir(h.name, path) }

// Stat returns what is at the path, or nil. A link is not followed.
func (h Host) Stat(path string) (*Entry, error) { return host().Stat(h.name, path) }

// MakeDir makes a directory and its parents; one that is there is no error.
func (h Host) MakeDir(path string) error {
	return changing(func() error { return host().MakeDir(h.name, path) })
}

// Symlink makes a link at path; fails where something is there.
func (h Host) Symlink(target, path string) error {
	return changing(func() error { return host().Symlink(h.name, target, path) })
}

// Rename replaces what is at new in one step, or fails.
func (h Host) Rename(old, new string) error {
	return changing(func() error { return host().Rename(h.name, old, new) })
}

// ReadFile returns a file's bytes, at most 16 MiB.
func (h Host) ReadFile(path string) ([]byte, error) { return host().ReadFile(h.name, path) }

// WriteFile writes a file in one step: a temporary name beside it, then a rename.
func (h Host) WriteFile(path string, data []byte) error {
	return changing(func() error { return host().WriteFile(h.name, path, data) })
}

// Remove removes a file, a link, or a directory with all that is in it; what is not there is no error.
func (h Host) Remove(path string) error {
	return changing(func() error { return host().Remove(h.name, path) })
}

// Claim puts this ledger's mark into a directory, before the first change to it. Another ledger's mark, or a newer fence, is denied until the
// user says --adopt.
func (h Host) Claim(dir string) error {
	return changing(func() error { return host().Claim(h.name, dir) })
}

// Disclaim takes the mark away, last thing of a Destroy.
func (h Host) Disclaim(dir string) error {
	return changing(func() error { return host().Disclaim(h.name, dir) })
}

func changing(call func() error) error {
	if err := mutation(); err != nil {
		return err
	}
	return call()
}
