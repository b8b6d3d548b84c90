package world

// Host is what a plugin's host offers. Errors are of the type [*Error].
type Host interface {
	Context
	Log(level Level, message string)
	Progress(what string, done uint64, total *uint64)
	Checkpoint(state string) error
	Secret(name string) (Secret, error)
	Send(request *Request) (Response, error)
	Run(command *Command) (int32, error)
	Spawn(command *Command) (Child, error)
	Capture(dir string) (string, error)
	Restore(digest, dir string) error
	Hosts
	Perform(parallel uint32, deeds []Deed) ([]Part, error)
	Mark(found *string, object string) (string, error)
	Registry
}

// Context is the interface context.
type Context interface {
	PackageName() string
	Version() string
	Release() string
	Step() string
	Attempt() uint32
	IdempotencyKey() string
	Environment() *string
	Deployment() *string
	Labels() [][2]string
	Setting(name string) *string
	Previous() *string
	Unfinished() *string
	StartedAt() uint64
}

// Hosts is the interface hosts.
type Hosts interface {
	HostNames() []string
	HostLabels(host string) [][2]string
	HostSetting(host, name string) *string
	Upload(host, digest, path string) error
	Fetch(host, path string, without []string) (string, error)
	ReadDir(host, path string) ([]Entry, error)
	Stat(host, path string) (*Entry, error)
	MakeDir(host, path string) error
	Symlink(host, target, path string) error
	Rename(host, old, new string) error
	ReadFile(host, path string) ([]byte, error)
	WriteFile(host, path string, data []byte) error
	Remove(host, path string) error
	Claim(host, dir string) error
	Disclaim(host, dir string) error
}

// Registry is the interface registry.
type Registry interface {
	ImageDigest(image string) (string, error)
	ImageFind(repository, name string) (*string, error)
	ImagePush(repository, image string) (string, error)
	ImageTag(repository, digest, tag string, fixed bool) error
	ImageUntag(repository, tag string) error
}

// Level is how much a line of the log matters.
type Level uint8

// The levels, in the world's order.
const (
	Trace Level = iota
	Debug
	Info
	Warn
	Failure
)

// Secret is a handle of a secret.
type Secret interface {
	Name() string
	Reveal() (string, error)
	Sign(data []byte) ([]byte, error)
}

// Request is an HTTP request to be sent.
type Request struct {
	Method, URL   string
	Headers       [][2]string
	SecretHeaders []SecretHeader
	User          string
	Password      Secret
	Body          []byte
	BodyFile      string
	Milliseconds  uint64
	// Cluster is the context and the namespace of a request to a cluster, whose URL is a path there.
	Cluster *[2]string
}

// SecretHeader is a header of a prefix and a secret.
type SecretHeader struct {
	Name, Prefix string
	Secret       Secret
}

// Response is an answer whose body is pulled.
type Response interface {
	Status() uint16
	Headers() [][2]string
	// Read gives the next bytes, none at the end.
	Read(max uint32) ([]byte, error)
	Save(path string) (uint64, error)
	// Drop lets the handle go; a second time does nothing.
	Drop()
}

// Command is a command to be run.
type Command struct {
	Program   string
	Args      []string
	Dir       string
	Env       [][2]string
	SecretEnv []SecretVariable
	Stdin     []byte
	OnHost    string
}

// SecretVariable is a variable that holds a secret.
type SecretVariable struct {
	Name   string
	Secret Secret
}

// Stream is one of a child's streams.
type Stream uint8

// The streams, in the world's order.
const (
	Stdout Stream = iota
	Stderr
)

// Child is a command that runs.
type Child interface {
	// Read gives the next bytes, none at the end.
	Read(which Stream, max uint32) ([]byte, error)
	Wait() (int32, error)
	Kill()
	// Drop ends the process tree and lets the handle go; a second time does nothing.
	Drop()
}

// FileType is what a path on a host names.
type FileType uint8

// The types, in the world's order.
const (
	File FileType = iota
	Dir
	Link
	Special
)

// Entry is one name in a directory on a host.
type Entry struct {
	Name   string
	Type   FileType
	Target *string
}

// Doing names what is to be done on a host.
type Doing uint8

// What can be done in a round.
const (
	DoClaim Doing = iota
	DoDisclaim
	DoMakeDir
	DoUpload
	DoSymlink
	DoRename
	DoWriteFile
	DoRemove
	DoRun
)

// Deed is one thing to be done on one host. First and Second are the function's texts, in its order.
type Deed struct {
	Host          string
	Doing         Doing
	First, Second string
	Data          []byte
	Command       *Command
}

// Part is what came of one host's part of a round.
type Part struct {
	Host string
	Err  error
}
