// Package telemetry makes a process's logger and its metrics. Both are
// injected; nothing here is global.
package telemetry

import (
	"fmt"
	"io"
	"log/slog"
)

// LogConfig says how a process logs.
type LogConfig struct {
	Format string `name:"log-format" enum:"text,json" default:"text" help:"How log lines look: ${enum}."`
	Level  string `name:"log-level" enum:"debug,info,warn,error" default:"info" help:"The least severe level that is logged: ${enum}."`
}

// Validate says what is wrong with the configuration.
func (c LogConfig) Validate() error {
	_, err := NewLogger(io.Discard, c)
	return err
}

// NewLogger writes lines of the configured format and level to w.
func NewLogger(w io.Writer, c LogConfig) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		return nil, fmt.Errorf("log level %q: one of debug, info, warn, error", c.Level)
	}
	options := &slog.HandlerOptions{Level: level}
	switch c.Format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	default:
		return nil, fmt.Errorf("log format %q: one of text, json", c.Format)
	}
}
