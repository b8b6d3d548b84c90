package relrun

import "relrun/internal/world"

// Round is work on several hosts at once: what is queued for a host is done in order, and the hosts' parts are done side by side. A host's part
// ends with the first thing that fails; those of the others go on.
type Round struct {
	parallel uint32
	deeds    []world.Deed
}

// HostResult is what came of one host's part of a round.
type HostResult struct {
	Host Host
	Err  error
}

// NewRound starts an empty round. At most that many hosts are worked on at once; 0 leaves it to relrun.
func NewRound(parallel int) *Round { return &Round{parallel: uint32(max(parallel, 0))} }

func (r *Round) add(host Host, doing world.Doing, first, second string) *Round {
	r.deeds = append(r.deeds, world.Deed{Host: host.name, Doing: doing, First: first, Second: second})
	return r
}

// Claim queues [Host.Claim].
func (r *Round) Claim(host Host, dir string) *Round { return r.add(host, world.DoClaim, dir, "") }

// Disclaim queues [Host.Disclaim].
func (r *Round) Disclaim(host Host, dir string) *Round { return r.add(host, world.DoDisclaim, dir, "") }

// MakeDir queues [Host.MakeDir].
func (r *Round) MakeDir(host Host, path string) *Round { return r.add(host, world.DoMakeDir, path, "") }

// Upload queues [Host.Upload].
func (r *Round) Upload(host Host, digest, path string) *Round {
	return r.add(host, world.DoUpload, digest, path)
}

// Symlink queues [Host.Symlink].
func (r *Round) Symlink(host Host, target, path string) *Round {
	return r.add(host, world.DoSymlink, target, path)
}

// Rename queues [Host.Rename].
func (r *Round) Rename(host Host, old, new string) *Round {
	return r.add(host, world.DoRename, old, new)
}

// Remove queues [Host.Remove].
func (r *Round) Remove(host Host, path string) *Round { return r.add(host, world.DoRemove, path, "") }

// WriteFile queues [Host.WriteFile].
func (r *Round) WriteFile(host Host, path string, data []byte) *Round {
	r.deeds = append(r.deeds, world.Deed{Host: host.name, Doing: world.DoWriteFile, First: path, Data: data})
	return r
}

// Run queues a command on the host; another exit code than 0 is an error.
func (r *Round) Run(host Host, command *Cmd) *Round {
	made := command.made
	r.deeds = append(r.deeds, world.Deed{Host: host.name, Doing: world.DoRun, Command: &made})
	return r
}

// Perform does all of it, and empties the round. It gives what came of each host's part, in the order in which the hosts were first named.
func (r *Round) Perform() ([]HostResult, error) {
	if err := mutation(); err != nil {
		return nil, err
	}
	deeds := r.deeds
	r.deeds = nil
	parts, err := host().Perform(r.parallel, deeds)
	results := make([]HostResult, 0, len(parts))
	for _, part := range parts {
		results = append(results, HostResult{Host{part.Host}, part.Err})
	}
	return results, err
}
