// Package relrun is the SDK for relrun step plugins in Go.
//
// A plugin is a [Plugin] value that the main package hands to [Export]:
//
//	type Config struct {
//		Who string `json:"who" doc:"Whom to greet" relrun:"minlen=1"`
//	}
//
//	var plugin = relrun.Plugin[Config, relrun.Nothing, relrun.Nothing]{
//		Name: "greet", Version: "0.1.0", Summary: "Writes a greeting",
//		Apply: func(config Config) (relrun.Outcome[relrun.Nothing, relrun.Nothing], error) { … },
//	}
//
//	func init() { relrun.Export(plugin) }
//	func main() {}
//
// relrun plugin build makes a component of it. Natively, as in go test, the host's functions are answered by the package relruntest.
package relrun

import (
	"relrun/internal/world"
)

// Export makes the plugin the component's. Call it once, in an init function of the main package.
func Export[C, O, R any](plugin Plugin[C, O, R]) {
	world.Exported = plugin.Operations()
	exported()
}

// host returns what answers the host's functions.
func host() world.Host {
	if world.Current == nil {
		panic("relrun: no host: natively, a test begins with relruntest.New(t)")
	}
	return world.Current
}
