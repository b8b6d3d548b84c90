package relrun

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"relrun/internal/world"
)

// mostOutput is how much Output reads of each stream.
const mostOutput = 64 << 20

// Cmd is a command on the host machine being made. Each argument is checked against the grants; there is no shell. Its methods return the
// command itself.
type Cmd struct {
	made     world.Command
	readonly bool
}

// Command names a program, found on the host's fixed path, and its arguments.
func Command(program string, args ...string) *Cmd {
	return &Cmd{made: world.Command{Program: program, Args: slices.Clone(args)}}
}

// Args adds arguments.
func (c *Cmd) Args(args ...string) *Cmd {
	c.made.Args = append(c.made.Args, args...)
	return c
}

// Dir says where it starts, relative to /work.
func (c *Cmd) Dir(path string) *Cmd {
	c.made.Dir = path
	return c
}

// Env sets a variable. The loader's and interpreters' own variables need a grant by name.
func (c *Cmd) Env(name, value string) *Cmd {
	c.made.Env = append(c.made.Env, [2]string{name, value})
	return c
}

// Environ sets variables, in the order of their names.
func (c *Cmd) Environ(variables map[string]string) *Cmd {
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		c.Env(name, variables[name])
	}
	return c
}

// SecretEnv sets a variable to a secret that was granted to this command.
func (c *Cmd) SecretEnv(name string, secret *Secret) *Cmd {
	c.made.SecretEnv = append(c.made.SecretEnv, world.SecretVariable{Name: name, Secret: secret.handle})
	return c
}

// Stdin gives it these bytes to read. Without, it reads nothing.
func (c *Cmd) Stdin(data []byte) *Cmd {
	if data == nil {
		data = []byte{}
	}
	c.made.Stdin = data
	return c
}

// OnHost runs it on one of the environment's hosts instead.
func (c *Cmd) OnHost(host Host) *Cmd {
	c.made.OnHost = host.name
	return c
}

// Readonly says that it changes nothing, so that it needs no checkpoint. The host still asks for a grant with readonly in Plan and Verify.
func (c *Cmd) Readonly() *Cmd {
	c.readonly = true
	return c
}

// String returns the command's words.
func (c *Cmd) String() string {
	return strings.Join(append([]string{c.made.Program}, c.made.Args...), " ")
}

// ExitError is a command that ended with another exit code than 0.
type ExitError struct {
	// Command is its words.
	Command string
	// Code is the exit code, or 128 plus the signal.
	Code int
	// Stderr is what it wrote to its standard error, where [Cmd.Output] ran it.
	Stderr []byte
}

// Error names the command and the code, and the last line that it wrote.
func (e *ExitError) Error() string {
	message := fmt.Sprintf("`%s` ended with exit code %d", e.Command, e.Code)
	lines := strings.Split(strings.TrimSpace(string(e.Stderr)), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return message + ": " + last
	}
	return message
}

// Run runs it to the end; its output goes to the log as it comes. Another exit code than 0 is an [*ExitError].
func (c *Cmd) Run() error {
	code, err := c.Status()
	if err == nil && code != 0 {
		return &ExitError{Command: c.String(), Code: code}
	}
	return err
}

// Status runs it to the end, and gives the exit code, or 128 plus the signal.
func (c *Cmd) Status() (int, error) {
	if err := c.guard(); err != nil {
		return 0, err
	}
	code, err := host().Run(&c.made)
	return int(code), err
}

// Output runs it to the end, and gives what it wrote to its standard output, at most 64 MiB. Another exit code than 0 is an
// [*ExitError].
func (c *Cmd) Output() ([]byte, error) {
	child, err := c.Start()
	if err != nil {
		return nil, err
	}
	defer child.Close()
	// Standard output first, then standard error: the host keeps what is not yet read.
	stdout, err := all(child.Stdout, mostOutput)
	if err != nil {
		return nil, err
	}
	stderr, err := all(child.Stderr, mostOutput)
	if err != nil {
		return nil, err
	}
	code, err := child.Wait()
	if err == nil && code != 0 {
		return stdout, &ExitError{Command: c.String(), Code: code, Stderr: stderr}
	}
	return stdout, err
}

// Start starts it, for reading its output. Close the child.
func (c *Cmd) Start() (*Child, error) {
	if err := c.guard(); err != nil {
		return nil, err
	}
	handle, err := host().Spawn(&c.made)
	if err != nil {
		return nil, err
	}
	stream := func(which world.Stream) io.Reader {
		return &reader{pull: func(max uint32) ([]byte, error) { return handle.Read(which, max) }}
	}
	return &Child{Stdout: stream(world.Stdout), Stderr: stream(world.Stderr), handle: handle}, nil
}

func (c *Cmd) guard() error {
	if c.readonly {
		return nil
	}
	return mutation()
}

// Child is a command that runs.
type Child struct {
	// Stdout is what it writes to its standard output.
	Stdout io.Reader
	// Stderr is what it writes to its standard error.
	Stderr io.Reader
	handle world.Child
}

// Wait waits for its end, and gives the exit code, or 128 plus the signal.
func (c *Child) Wait() (int, error) {
	code, err := c.handle.Wait()
	return int(code), err
}

// Kill ends its whole process tree.
func (c *Child) Kill() { c.handle.Kill() }

// Close ends its whole process tree, if it still runs, and lets it go. A second time does nothing.
func (c *Child) Close() error {
	c.handle.Drop()
	return nil
}
