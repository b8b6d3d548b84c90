//go:build wasip1

// Package export_relrun_plugin_adoption is the exported interface adoption, as the generated exports call it.
package export_relrun_plugin_adoption

import (
	"relrun/internal/bindings/exports/export_relrun_plugin_step"
	bound "relrun/internal/bindings/imports/relrun_plugin_types"
	"relrun/internal/wit/types"
	"relrun/internal/world"
)

// Find answers find.
func Find(config string) types.Result[bound.Outcome, bound.Error] {
	return export_relrun_plugin_step.Outcome(func() (world.Outcome, error) { return world.Exported.Find(config) })
}
