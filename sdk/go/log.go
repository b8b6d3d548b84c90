package relrun

import (
	"bytes"
	"context"
	"log/slog"
	"sync"

	"relrun/internal/world"
)

// LevelTrace is below slog's debug: for the plugin's author.
const LevelTrace = slog.Level(-8)

// LogHandler writes to the step's log. In a component it is slog's default from [Export] on, so that slog.Info and log.Printf go there.
func LogHandler(least slog.Leveler) slog.Handler {
	line := new(line)
	text := slog.NewTextHandler(&line.Buffer, &slog.HandlerOptions{Level: least, ReplaceAttr: withoutFrame})
	return logHandler{text, line, least}
}

// logHandler lets slog's own handler write the attributes, and puts the message before them.
type logHandler struct {
	attributes slog.Handler
	line       *line
	least      slog.Leveler
}

// line is what the attributes of one record are written to.
type line struct {
	sync.Mutex
	bytes.Buffer
}

// withoutFrame leaves out what the host's log has of its own.
func withoutFrame(groups []string, attribute slog.Attr) slog.Attr {
	framed := attribute.Key == slog.TimeKey || attribute.Key == slog.LevelKey || attribute.Key == slog.MessageKey
	if len(groups) == 0 && framed {
		return slog.Attr{}
	}
	return attribute
}

func (h logHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.least.Level()
}

func (h logHandler) Handle(ctx context.Context, record slog.Record) error {
	message, err := h.text(ctx, record)
	if err == nil {
		host().Log(levelOf(record.Level), message)
	}
	return err
}

// text returns the message, and the attributes behind it.
func (h logHandler) text(ctx context.Context, record slog.Record) (string, error) {
	h.line.Lock()
	defer h.line.Unlock()
	h.line.Reset()
	if err := h.attributes.Handle(ctx, record); err != nil {
		return "", err
	}
	if attributes := bytes.TrimSpace(h.line.Bytes()); len(attributes) > 0 {
		return record.Message + " " + string(attributes), nil
	}
	return record.Message, nil
}

func (h logHandler) WithAttrs(attributes []slog.Attr) slog.Handler {
	h.attributes = h.attributes.WithAttrs(attributes)
	return h
}

func (h logHandler) WithGroup(name string) slog.Handler {
	h.attributes = h.attributes.WithGroup(name)
	return h
}

func levelOf(level slog.Level) world.Level {
	switch {
	case level < slog.LevelDebug:
		return world.Trace
	case level < slog.LevelInfo:
		return world.Debug
	case level < slog.LevelWarn:
		return world.Info
	case level < slog.LevelError:
		return world.Warn
	default:
		return world.Failure
	}
}

// Progress says how far something has come; a total of 0 is one that is not known yet.
func Progress(what string, done, total uint64) {
	if total == 0 {
		host().Progress(what, done, nil)
		return
	}
	host().Progress(what, done, &total)
}
