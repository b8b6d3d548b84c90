package relruntest

import (
	"maps"
	"path"
	"slices"
	"strings"

	"relrun"
	"relrun/internal/world"
)

// machine is one of the environment's hosts, with its files by their absolute paths.
type machine struct {
	name     string
	labels   [][2]string
	settings map[string]string
	nodes    map[string]node
}

type node struct {
	kind world.FileType
	text string // of a file its text, of a link its target
}

// AddHost adds a host of the environment, with nothing on it. Labels are as key=value.
func (h *Host) AddHost(name string, labels ...string) *Host {
	made := &machine{name: name, settings: map[string]string{}, nodes: map[string]node{}}
	for _, label := range labels {
		key, value, _ := strings.Cut(label, "=")
		made.labels = append(made.labels, [2]string{key, value})
	}
	h.hosts = append(h.hosts, made)
	return h
}

// SetHostSetting sets something for a host.
func (h *Host) SetHostSetting(host, name, value string) *Host {
	if found, err := h.machine(host); err == nil {
		found.settings[name] = value
	}
	return h
}

// Put writes a file on a host, and makes its directories.
func (h *Host) Put(host, file, text string) *Host {
	if found, err := h.machine(host); err == nil {
		found.makeDirs(path.Dir(file))
		found.nodes[file] = node{world.File, text}
	}
	return h
}

// Content returns a file's text on a host; links are followed.
func (h *Host) Content(host, file string) (string, error) {
	data, err := h.ReadFile(host, file)
	return string(data), err
}

// Claimed says whether a directory on a host carries a mark.
func (h *Host) Claimed(host, dir string) bool { return h.marks[[2]string{host, dir}] != "" }

// Stranger puts another ledger's mark into a directory.
func (h *Host) Stranger(host, dir string) *Host {
	h.marks[[2]string{host, dir}] = "stranger"
	return h
}

func (h *Host) machine(name string) (*machine, error) {
	for _, one := range h.hosts {
		if one.name == name {
			return one, nil
		}
	}
	return nil, relrun.Errorf(relrun.ErrMissing, "there is no host %q", name)
}

// real returns the path with the links of its parents followed.
func (m *machine) real(file string) string {
	file = path.Clean("/" + file)
	for range 16 {
		again := ""
		for dir := path.Dir(file); dir != "/"; dir = path.Dir(dir) {
			if found := m.nodes[dir]; found.kind == world.Link {
				again = absolute(dir, found.text) + strings.TrimPrefix(file, dir)
			}
		}
		if again == "" {
			return file
		}
		file = path.Clean(again)
	}
	return file
}

// followed returns the path with every link followed.
func (m *machine) followed(file string) string {
	file = m.real(file)
	for range 16 {
		found, ok := m.nodes[file]
		if !ok || found.kind != world.Link {
			break
		}
		file = m.real(absolute(file, found.text))
	}
	return file
}

func absolute(link, target string) string {
	if path.IsAbs(target) {
		return target
	}
	return path.Join(path.Dir(link), target)
}

func (m *machine) makeDirs(dir string) {
	for ; dir != "/" && dir != "."; dir = path.Dir(dir) {
		if _, ok := m.nodes[dir]; !ok {
			m.nodes[dir] = node{kind: world.Dir}
		}
	}
}

func (m *machine) below(dir string) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(m.nodes)) {
		if strings.HasPrefix(name, dir+"/") {
			names = append(names, name)
		}
	}
	return names
}

func missing(file string) error { return relrun.Errorf(relrun.ErrMissing, "%s is not there", file) }

func (m *machine) entry(file string) world.Entry {
	found := m.nodes[file]
	made := world.Entry{Name: path.Base(file), Type: found.kind}
	if found.kind == world.Link {
		made.Target = &found.text
	}
	return made
}

// on runs a change on a host.
func (h *Host) on(host string, run func(*machine) error, words ...string) error {
	if err := h.change(words...); err != nil {
		return err
	}
	found, err := h.machine(host)
	if err != nil {
		return err
	}
	return run(found)
}

// HostNames gives the hosts in the order in which they were added.
func (h *Host) HostNames() []string {
	var names []string
	for _, one := range h.hosts {
		names = append(names, one.name)
	}
	return names
}

// HostLabels gives a host's labels.
func (h *Host) HostLabels(host string) [][2]string {
	if found, err := h.machine(host); err == nil {
		return found.labels
	}
	return nil
}

// HostSetting gives what is set for a host.
func (h *Host) HostSetting(host, name string) *string {
	found, err := h.machine(host)
	if err != nil {
		return nil
	}
	if value, ok := found.settings[name]; ok {
		return &value
	}
	return nil
}

// Upload lays a tree that [Host.Tree] has added.
func (h *Host) Upload(host, digest, dir string) error {
	return h.on(host, func(m *machine) error {
		files, ok := h.trees[digest]
		if !ok {
			return relrun.Errorf(relrun.ErrMissing, "there is no tree %s", digest)
		}
		dir := m.real(dir)
		if _, there := m.nodes[dir]; there {
			return relrun.Errorf(relrun.ErrPermanent, "%s: something is there", dir)
		}
		m.makeDirs(dir)
		for name, text := range files {
			m.makeDirs(path.Dir(path.Join(dir, name)))
			m.nodes[path.Join(dir, name)] = node{world.File, text}
		}
		return nil
	}, "upload", host, dir)
}

// Fetch gives the digest of a tree that has just these files, or one that no tree has.
func (h *Host) Fetch(host, dir string, without []string) (string, error) {
	found, err := h.machine(host)
	if err != nil {
		return "", err
	}
	dir = found.followed(dir)
	files := map[string]string{}
	for _, name := range found.below(dir) {
		short := strings.TrimPrefix(name, dir+"/")
		left := func(out string) bool { return short == out || strings.HasPrefix(short, out+"/") }
		if found.nodes[name].kind == world.File && !slices.ContainsFunc(without, left) {
			files[short] = found.nodes[name].text
		}
	}
	for digest, tree := range h.trees {
		if maps.Equal(tree, files) {
			return digest, nil
		}
	}
	return "unknown", nil
}

// ReadDir lists a directory.
func (h *Host) ReadDir(host, dir string) ([]world.Entry, error) {
	found, err := h.machine(host)
	if err != nil {
		return nil, err
	}
	dir = found.followed(dir)
	if found.nodes[dir].kind != world.Dir {
		return nil, missing(dir)
	}
	var entries []world.Entry
	for _, name := range found.below(dir) {
		if path.Dir(name) == dir {
			entries = append(entries, found.entry(name))
		}
	}
	return entries, nil
}

// Stat gives what is at the path.
func (h *Host) Stat(host, file string) (*world.Entry, error) {
	found, err := h.machine(host)
	if err != nil {
		return nil, err
	}
	file = found.real(file)
	if _, ok := found.nodes[file]; !ok {
		return nil, nil
	}
	made := found.entry(file)
	return &made, nil
}

// MakeDir makes a directory and its parents.
func (h *Host) MakeDir(host, dir string) error {
	return h.on(host, func(m *machine) error {
		m.makeDirs(m.real(dir))
		return nil
	}, "make-dir", host, dir)
}

// Symlink makes a link where nothing is.
func (h *Host) Symlink(host, target, link string) error {
	return h.on(host, func(m *machine) error {
		link := m.real(link)
		if _, there := m.nodes[link]; there {
			return relrun.Errorf(relrun.ErrPermanent, "%s: something is there", link)
		}
		m.nodes[link] = node{world.Link, target}
		return nil
	}, "symlink", host, link, "->", target)
}

// Rename replaces what is at new.
func (h *Host) Rename(host, old, new string) error {
	return h.on(host, func(m *machine) error {
		old, new := m.real(old), m.real(new)
		found, ok := m.nodes[old]
		if !ok {
			return missing(old)
		}
		if m.nodes[new].kind == world.Dir {
			return relrun.Errorf(relrun.ErrPermanent, "%s is a directory", new)
		}
		for _, name := range m.below(old) {
			m.nodes[new+strings.TrimPrefix(name, old)] = m.nodes[name]
			delete(m.nodes, name)
		}
		delete(m.nodes, old)
		m.nodes[new] = found
		return nil
	}, "rename", host, new)
}

// ReadFile gives a file's bytes.
func (h *Host) ReadFile(host, file string) ([]byte, error) {
	found, err := h.machine(host)
	if err != nil {
		return nil, err
	}
	at, ok := found.nodes[found.followed(file)]
	if !ok {
		return nil, missing(file)
	}
	if at.kind != world.File {
		return nil, relrun.Errorf(relrun.ErrPermanent, "%s is no file", file)
	}
	return []byte(at.text), nil
}

// WriteFile writes a file into a directory that is there.
func (h *Host) WriteFile(host, file string, data []byte) error {
	return h.on(host, func(m *machine) error {
		file := m.real(file)
		if parent := path.Dir(file); parent != "/" && m.nodes[parent].kind != world.Dir {
			return missing(parent)
		}
		m.nodes[file] = node{world.File, string(data)}
		return nil
	}, "write-file", host, file)
}

// Remove removes what is there.
func (h *Host) Remove(host, file string) error {
	return h.on(host, func(m *machine) error {
		file := m.real(file)
		for _, name := range m.below(file) {
			delete(m.nodes, name)
		}
		delete(m.nodes, file)
		return nil
	}, "remove", host, file)
}

// Claim puts the release's mark.
func (h *Host) Claim(host, dir string) error {
	return h.on(host, func(*machine) error {
		if mark := h.marks[[2]string{host, dir}]; strings.HasPrefix(mark, "stranger") {
			return relrun.Errorf(relrun.ErrDenied, "%s on %s belongs to %s", dir, host, mark)
		}
		h.marks[[2]string{host, dir}] = h.facts.release
		return nil
	}, "claim", host, dir)
}

// Disclaim takes the mark away.
func (h *Host) Disclaim(host, dir string) error {
	return h.on(host, func(*machine) error {
		delete(h.marks, [2]string{host, dir})
		return nil
	}, "disclaim", host, dir)
}

// Perform does one host's part after the other, so that a test knows what comes when.
func (h *Host) Perform(_ uint32, deeds []world.Deed) ([]world.Part, error) {
	var parts []world.Part
	for _, deed := range deeds {
		index := slices.IndexFunc(parts, func(part world.Part) bool { return part.Host == deed.Host })
		if index < 0 {
			index = len(parts)
			parts = append(parts, world.Part{Host: deed.Host})
		}
		if parts[index].Err == nil {
			parts[index].Err = h.perform(&deed)
		}
	}
	return parts, nil
}

func (h *Host) perform(deed *world.Deed) error {
	switch deed.Doing {
	case world.DoClaim:
		return h.Claim(deed.Host, deed.First)
	case world.DoDisclaim:
		return h.Disclaim(deed.Host, deed.First)
	case world.DoMakeDir:
		return h.MakeDir(deed.Host, deed.First)
	case world.DoUpload:
		return h.Upload(deed.Host, deed.First, deed.Second)
	case world.DoSymlink:
		return h.Symlink(deed.Host, deed.First, deed.Second)
	case world.DoRename:
		return h.Rename(deed.Host, deed.First, deed.Second)
	case world.DoWriteFile:
		return h.WriteFile(deed.Host, deed.First, deed.Data)
	case world.DoRemove:
		return h.Remove(deed.Host, deed.First)
	default:
		command := *deed.Command
		command.OnHost = deed.Host
		code, err := h.Run(&command)
		if err == nil && code != 0 {
			err = relrun.Errorf(relrun.ErrPermanent, "`%s` ended with exit code %d", strings.Join(append([]string{command.Program}, command.Args...), " "), code)
		}
		return err
	}
}
