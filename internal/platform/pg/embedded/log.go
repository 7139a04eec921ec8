package embedded

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
)

// logPrefix starts every message of the server: its kind of process and its
// id, between marks that make it known from the lines that follow on.
const logPrefix = "|%b|%p|"

// serverLog turns the server's lines into log records and keeps the last of
// them for an error message.
type serverLog struct {
	logger *slog.Logger

	mu   sync.Mutex
	tail []string
}

const tailLines = 12

// read takes lines until the last process of the server has closed its end.
func (l *serverLog) read(r io.Reader) {
	lines := bufio.NewReaderSize(r, 64<<10)
	for {
		// A longer line comes in parts, each of them a record.
		line, _, err := lines.ReadLine()
		if err != nil {
			return
		}
		l.line(string(line))
	}
}

func (l *serverLog) line(line string) {
	process, pid, severity, message := splitLine(line)
	l.mu.Lock()
	l.tail = append(l.tail, strings.TrimSpace(severity+" "+message))
	if len(l.tail) > tailLines {
		l.tail = l.tail[1:]
	}
	l.mu.Unlock()
	attrs := []slog.Attr{slog.String("message", message)}
	if process != "" {
		attrs = append(attrs, slog.String("process", process), slog.String("pid", pid))
	}
	l.logger.LogAttrs(context.Background(), level(process, severity, message), "postgres", attrs...)
}

// Tail returns the last lines.
func (l *serverLog) Tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.tail, "; ")
}

// splitLine takes a line of the server apart. A line that does not start a
// message comes back whole, as the message.
func splitLine(line string) (process, pid, severity, message string) {
	parts := strings.SplitN(line, "|", 4)
	if len(parts) == 4 && parts[0] == "" {
		severity, message, found := strings.Cut(parts[3], ":  ")
		if found && strings.ToUpper(severity) == severity {
			return parts[1], parts[2], severity, message
		}
	}
	return "", "", "", strings.TrimSpace(line)
}

// level ranks a message. An error of a session is an error of the statement
// that its client sent, who has it already; an error of the server's own
// processes is the operator's, unless it says that it made way for a stop or
// for somebody's lock.
func level(process, severity, message string) slog.Level {
	session := process == "client backend" ||
		strings.HasSuffix(message, "due to administrator command") || message == "canceling autovacuum task"
	switch severity {
	case "PANIC":
		return slog.LevelError
	case "FATAL", "ERROR":
		if session {
			return slog.LevelDebug
		}
		return slog.LevelError
	case "WARNING":
		if session {
			return slog.LevelDebug
		}
		return slog.LevelWarn
	}
	return slog.LevelDebug
}
