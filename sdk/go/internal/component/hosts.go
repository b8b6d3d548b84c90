//go:build wasip1

package component

import (
	"relrun/internal/bindings/imports/relrun_plugin_hosts"
	"relrun/internal/bindings/imports/relrun_plugin_rounds"
	bound "relrun/internal/bindings/imports/relrun_plugin_types"
	"relrun/internal/wit/types"
	"relrun/internal/world"
)

type (
	unit   = types.Result[types.Unit, bound.Error]
	text   = types.Result[string, bound.Error]
	handed = types.Tuple2[string, types.Result[types.Unit, bound.Error]]
)

func (imports) HostNames() []string { return outside(relrun_plugin_hosts.Names) }

func (imports) HostLabels(host string) [][2]string {
	return pairs(outside(func() []types.Tuple2[string, string] { return relrun_plugin_hosts.LabelsOf(valid(host)) }))
}

func (imports) HostSetting(host, name string) *string {
	return optional(func() types.Option[string] { return relrun_plugin_hosts.SettingOf(valid(host), valid(name)) })
}

func (imports) Upload(host, digest, path string) error {
	return do(func() unit { return relrun_plugin_hosts.Upload(host, digest, path) }, host, digest, path)
}

func (imports) Fetch(host, path string, without []string) (string, error) {
	texts := append([]string{host, path}, without...)
	return ask(func() text { return relrun_plugin_hosts.Fetch(host, path, without) }, texts...)
}

func (imports) ReadDir(host, path string) ([]world.Entry, error) {
	found, err := ask(func() types.Result[[]relrun_plugin_hosts.Entry, bound.Error] {
		return relrun_plugin_hosts.ReadDir(host, path)
	}, host, path)
	entries := make([]world.Entry, 0, len(found))
	for _, one := range found {
		entries = append(entries, entry(one))
	}
	return entries, err
}

func (imports) Stat(host, path string) (*world.Entry, error) {
	found, err := ask(func() types.Result[types.Option[relrun_plugin_hosts.Entry], bound.Error] {
		return relrun_plugin_hosts.Stat(host, path)
	}, host, path)
	if err != nil || found.Pointer() == nil {
		return nil, err
	}
	one := entry(found.Some())
	return &one, nil
}

func entry(from relrun_plugin_hosts.Entry) world.Entry {
	return world.Entry{Name: from.Name, Type: world.FileType(from.FileType), Target: from.Target.Pointer()}
}

func (imports) MakeDir(host, path string) error {
	return do(func() unit { return relrun_plugin_hosts.MakeDir(host, path) }, host, path)
}

func (imports) Symlink(host, target, path string) error {
	return do(func() unit { return relrun_plugin_hosts.Symlink(host, target, path) }, host, target, path)
}

func (imports) Rename(host, old, new string) error {
	return do(func() unit { return relrun_plugin_hosts.Rename(host, old, new) }, host, old, new)
}

func (imports) ReadFile(host, path string) ([]byte, error) {
	return ask(func() types.Result[[]byte, bound.Error] { return relrun_plugin_hosts.ReadFile(host, path) }, host, path)
}

func (imports) WriteFile(host, path string, data []byte) error {
	return do(func() unit { return relrun_plugin_hosts.WriteFile(host, path, data) }, host, path)
}

func (imports) Remove(host, path string) error {
	return do(func() unit { return relrun_plugin_hosts.Remove(host, path) }, host, path)
}

func (imports) Claim(host, dir string) error {
	return do(func() unit { return relrun_plugin_hosts.Claim(host, dir) }, host, dir)
}

func (imports) Disclaim(host, dir string) error {
	return do(func() unit { return relrun_plugin_hosts.Disclaim(host, dir) }, host, dir)
}

func (imports) Perform(parallel uint32, deeds []world.Deed) ([]world.Part, error) {
	round := outside(func() *relrun_plugin_rounds.Round { return relrun_plugin_rounds.MakeRound(parallel) })
	defer tell(round.Drop)
	for i := range deeds {
		queue(round, &deeds[i])
	}
	came, err := ask(func() types.Result[[]handed, bound.Error] { return round.Perform() })
	parts := make([]world.Part, 0, len(came))
	for _, one := range came {
		part := world.Part{Host: one.F0}
		if one.F1.IsErr() {
			part.Err = fault(one.F1.Err())
		}
		parts = append(parts, part)
	}
	return parts, err
}

func queue(round *relrun_plugin_rounds.Round, deed *world.Deed) {
	if deed.Doing == world.DoRun {
		command := made(deed.Command)
		defer tell(command.Drop)
		tell(func() { round.Run(valid(deed.Host), command) })
		return
	}
	host, first, second := valid(deed.Host), valid(deed.First), valid(deed.Second)
	tell(func() {
		switch deed.Doing {
		case world.DoClaim:
			round.Claim(host, first)
		case world.DoDisclaim:
			round.Disclaim(host, first)
		case world.DoMakeDir:
			round.MakeDir(host, first)
		case world.DoUpload:
			round.Upload(host, first, second)
		case world.DoSymlink:
			round.Symlink(host, first, second)
		case world.DoRename:
			round.Rename(host, first, second)
		case world.DoWriteFile:
			round.WriteFile(host, first, deed.Data)
		case world.DoRemove:
			round.Remove(host, first)
		}
	})
}
