package main

import (
	"io"

	"relrun"
)

// drained reads to the end, in pieces of at most max bytes.
func drained(from io.Reader, max uint64) ([]byte, error) {
	if max == 0 {
		max = 64 << 10
	}
	var all []byte
	piece := make([]byte, max)
	for {
		count, err := from.Read(piece)
		all = append(all, piece[:count]...)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// host runs the actions that reach the environment's hosts.
func (a *action) host() (any, error) {
	host := relrun.HostNamed(a.Host)
	switch a.Do {
	case "hosts":
		names := []string{}
		for _, one := range relrun.Hosts() {
			names = append(names, one.Name())
		}
		return names, nil
	case "host-labels":
		return host.Labels(), nil
	case "host-setting":
		return optional(host.Setting(a.Name)), nil
	case "upload":
		return nil, host.Upload(a.Digest, a.Path)
	case "fetch":
		return host.Fetch(a.Path, a.Without...)
	case "read-dir":
		found, err := host.ReadDir(a.Path)
		entries := []any{}
		for _, one := range found {
			entries = append(entries, shown(one))
		}
		return entries, err
	case "stat":
		found, err := host.Stat(a.Path)
		if err != nil || found == nil {
			return nil, err
		}
		return shown(*found), nil
	case "make-dir":
		return nil, host.MakeDir(a.Path)
	case "remove":
		return nil, host.Remove(a.Path)
	case "claim":
		return nil, host.Claim(a.Dir)
	case "disclaim":
		return nil, host.Disclaim(a.Dir)
	case "symlink":
		return nil, host.Symlink(a.Target, a.Path)
	case "rename":
		return nil, host.Rename(a.Old, a.New)
	case "read-file":
		data, err := host.ReadFile(a.Path)
		return string(data), err
	case "write-file":
		return nil, host.WriteFile(a.Path, []byte(a.Text))
	case "round":
		return a.round()
	default:
		return nil, relrun.Errorf(relrun.ErrInvalid, "there is no action %q", a.Do)
	}
}

func shown(entry relrun.Entry) any {
	names := map[relrun.FileType]string{relrun.File: "file", relrun.Dir: "dir", relrun.Link: "link", relrun.Other: "other"}
	return map[string]any{"name": entry.Name, "type": names[entry.Type], "target": entry.Target}
}

func (a *action) round() (any, error) {
	round := relrun.NewRound(int(a.Parallel))
	for _, deed := range a.Deeds {
		host := relrun.HostNamed(deed.Host)
		switch deed.Do {
		case "claim":
			round.Claim(host, deed.Dir)
		case "disclaim":
			round.Disclaim(host, deed.Dir)
		case "make-dir":
			round.MakeDir(host, deed.Path)
		case "upload":
			round.Upload(host, deed.Digest, deed.Path)
		case "symlink":
			round.Symlink(host, deed.Target, deed.Path)
		case "rename":
			round.Rename(host, deed.Old, deed.New)
		case "write-file":
			round.WriteFile(host, deed.Path, []byte(deed.Text))
		case "remove":
			round.Remove(host, deed.Path)
		case "run":
			round.Run(host, relrun.Command(deed.Program, deed.Args...))
		default:
			return nil, relrun.Errorf(relrun.ErrInvalid, "there is no action %q in a round", deed.Do)
		}
	}
	came, err := round.Perform()
	results := []any{}
	for _, one := range came {
		if one.Err != nil {
			results = append(results, []any{one.Host.Name(), failed(one.Err)})
		} else {
			results = append(results, []any{one.Host.Name(), nil})
		}
	}
	return results, err
}
