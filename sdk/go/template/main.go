// Command {{name}} is a relrun step plugin.
package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"relrun"
)

// out is where the step's artifact "greeting" is written; a test writes elsewhere.
var out = "/out/greeting"

// Config is what a manifest configures. relrun makes the JSON Schema of its tags.
type Config struct {
	// Who is greeted.
	Who string `json:"who" doc:"Whom to greet" relrun:"minlen=1"`
}

// Outputs is what other steps may refer to: ${step.NAME.bytes}.
type Outputs struct {
	// Bytes is how long the greeting is.
	Bytes int `json:"bytes" doc:"How long the greeting is, in bytes"`
}

var plugin = relrun.Plugin[Config, Outputs, relrun.Nothing]{
	Name:    "{{name}}",
	Version: "0.1.0",
	Summary: "Writes a greeting to /out/greeting",
	Apply:   apply,
}

func init() { relrun.Export(plugin) }

// main is never called: relrun calls the plugin's operations.
func main() {}

func apply(config Config) (done relrun.Outcome[Outputs, relrun.Nothing], err error) {
	slog.Info("greeting " + config.Who)
	text := fmt.Sprintf("Hello %s!\n", config.Who)
	if err := os.WriteFile(filepath.Join(out, "index.txt"), []byte(text), 0o644); err != nil {
		return done, fmt.Errorf("write the greeting: %w", err)
	}
	done.Summary = "greeted " + config.Who
	done.Outputs.Bytes = len(text)
	return done, nil
}
