//go:build wasip1

package component

import (
	"relrun/internal/bindings/imports/relrun_plugin_process"
	bound "relrun/internal/bindings/imports/relrun_plugin_types"
	"relrun/internal/wit/types"
	"relrun/internal/world"
)

// made makes a command of the host's. The caller drops it.
func made(command *world.Command) *relrun_plugin_process.Command {
	return outside(func() *relrun_plugin_process.Command {
		args := make([]string, 0, len(command.Args))
		for _, arg := range command.Args {
			args = append(args, valid(arg))
		}
		made := relrun_plugin_process.MakeCommand(valid(command.Program), args)
		if command.Dir != "" {
			made.Dir(valid(command.Dir))
		}
		for _, variable := range command.Env {
			made.Env(valid(variable[0]), valid(variable[1]))
		}
		for _, variable := range command.SecretEnv {
			made.SecretEnv(valid(variable.Name), handleOf(variable.Secret))
		}
		if command.Stdin != nil {
			made.Stdin(command.Stdin)
		}
		if command.OnHost != "" {
			made.OnHost(valid(command.OnHost))
		}
		return made
	})
}

func (imports) Run(command *world.Command) (int32, error) {
	made := made(command)
	defer tell(made.Drop)
	return ask(made.Run)
}

func (imports) Spawn(command *world.Command) (world.Child, error) {
	made := made(command)
	defer tell(made.Drop)
	handle, err := ask(made.Spawn)
	if err != nil {
		return nil, err
	}
	return &child{handle}, nil
}

type child struct{ handle *relrun_plugin_process.Child }

func (c *child) Read(which world.Stream, max uint32) ([]byte, error) {
	return ask(func() types.Result[[]byte, bound.Error] {
		return c.handle.Read(relrun_plugin_process.Output(which), max)
	})
}

func (c *child) Wait() (int32, error) { return ask(c.handle.Wait) }

func (c *child) Kill() { tell(c.handle.Kill) }

func (c *child) Drop() { tell(c.handle.Drop) }
