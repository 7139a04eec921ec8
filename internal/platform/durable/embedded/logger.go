package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	temporallog "go.temporal.io/server/common/log"
	"go.temporal.io/server/common/log/tag"
)

// serverLogger hands the server's lines to slog. The server counts a great
// deal of its ordinary life as information, and warns of things that a single
// process does by design, so its lines come one level lower.
type serverLogger struct{ slog *slog.Logger }

func newLogger(l *slog.Logger) temporallog.Logger {
	return serverLogger{l.With(slog.String("component", "temporal"))}
}

func (l serverLogger) log(level slog.Level, msg string, tags []tag.Tag) {
	if !l.slog.Enabled(context.Background(), level) {
		return
	}
	attrs := make([]slog.Attr, len(tags))
	for i, t := range tags {
		attrs[i] = slog.Any(t.Key(), t.Value())
	}
	//nolint:sloglint // the server's own messages are what is handed on
	l.slog.LogAttrs(context.Background(), level, msg, attrs...)
}

func (l serverLogger) Debug(msg string, tags ...tag.Tag) { l.log(slog.LevelDebug-4, msg, tags) }
func (l serverLogger) Info(msg string, tags ...tag.Tag)  { l.log(slog.LevelDebug, msg, tags) }
func (l serverLogger) Warn(msg string, tags ...tag.Tag)  { l.log(slog.LevelDebug, msg, tags) }
func (l serverLogger) Error(msg string, tags ...tag.Tag) { l.log(errorLevel(tags), msg, tags) }

// errorLevel keeps what a stop interrupts, which the server reports as errors
// by the dozen, out of sight.
func errorLevel(tags []tag.Tag) slog.Level {
	for _, t := range tags {
		if text := fmt.Sprint(t.Value()); strings.Contains(text, "context canceled") || strings.Contains(text, "shutting down") {
			return slog.LevelDebug
		}
	}
	return slog.LevelWarn
}

func (l serverLogger) DPanic(msg string, tags ...tag.Tag) {
	l.log(slog.LevelError, msg, tags)
}
func (l serverLogger) Panic(msg string, tags ...tag.Tag) {
	l.log(slog.LevelError, msg, tags)
	panic(msg)
}

// Fatal panics instead of ending the process here: PostgreSQL and the running
// requests get their orderly end.
func (l serverLogger) Fatal(msg string, tags ...tag.Tag) {
	l.log(slog.LevelError, msg, tags)
	panic(msg)
}
