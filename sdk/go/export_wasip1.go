//go:build wasip1

package relrun

import (
	"log/slog"

	_ "relrun/internal/component" // the component's imports and exports
)

// exported sends the program's own logging to the step's log.
func exported() { slog.SetDefault(slog.New(LogHandler(LevelTrace))) }
