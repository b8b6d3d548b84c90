//go:build wasip1

package component

import (
	"relrun/internal/bindings/imports/relrun_plugin_context"
	"relrun/internal/wit/types"
)

func optional(call func() types.Option[string]) *string { return outside(call).Pointer() }

func (imports) PackageName() string { return outside(relrun_plugin_context.PackageName) }

func (imports) Version() string { return outside(relrun_plugin_context.Version) }

func (imports) Release() string { return outside(relrun_plugin_context.Release) }

func (imports) Step() string { return outside(relrun_plugin_context.Step) }

func (imports) Attempt() uint32 { return outside(relrun_plugin_context.Attempt) }

func (imports) IdempotencyKey() string { return outside(relrun_plugin_context.IdempotencyKey) }

func (imports) Environment() *string { return optional(relrun_plugin_context.Environment) }

func (imports) Deployment() *string { return optional(relrun_plugin_context.Deployment) }

func (imports) Labels() [][2]string { return pairs(outside(relrun_plugin_context.Labels)) }

func (imports) Setting(name string) *string {
	return optional(func() types.Option[string] { return relrun_plugin_context.Setting(valid(name)) })
}

func (imports) Previous() *string { return optional(relrun_plugin_context.Previous) }

func (imports) Unfinished() *string { return optional(relrun_plugin_context.Unfinished) }

func (imports) StartedAt() uint64 { return outside(relrun_plugin_context.StartedAt) }
