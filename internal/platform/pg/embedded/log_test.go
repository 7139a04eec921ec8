package embedded

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestServerLog(t *testing.T) {
	var out bytes.Buffer
	log := &serverLog{logger: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
		Level:       slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr { return dropTime(a) },
	}))}
	log.read(strings.NewReader("|postmaster|1|LOG:  starting PostgreSQL 15\n" +
		"|client backend|7|ERROR:  duplicate key value violates unique constraint \"a\"\n" +
		"|client backend|7|DETAIL:  Key (id)=(1) already exists.\n" +
		"|checkpointer|3|ERROR:  could not write block 4: No space left on device\n" +
		"\tgoes on here\n" +
		"|postmaster|1|PANIC:  could not locate a valid checkpoint record\n" +
		"|autovacuum worker|5|FATAL:  terminating autovacuum process due to administrator command\n" +
		"|autovacuum worker|6|ERROR:  canceling autovacuum task\n" +
		"|startup|4|WARNING:  odd | sign\n" +
		"no line end"))
	want := `level=DEBUG msg=postgres message="starting PostgreSQL 15" process=postmaster pid=1
level=DEBUG msg=postgres message="duplicate key value violates unique constraint \"a\"" process="client backend" pid=7
level=DEBUG msg=postgres message="Key (id)=(1) already exists." process="client backend" pid=7
level=ERROR msg=postgres message="could not write block 4: No space left on device" process=checkpointer pid=3
level=DEBUG msg=postgres message="goes on here"
level=ERROR msg=postgres message="could not locate a valid checkpoint record" process=postmaster pid=1
level=DEBUG msg=postgres message="terminating autovacuum process due to administrator command" process="autovacuum worker" pid=5
level=DEBUG msg=postgres message="canceling autovacuum task" process="autovacuum worker" pid=6
level=WARN msg=postgres message="odd | sign" process=startup pid=4
level=DEBUG msg=postgres message="no line end"
`
	if out.String() != want {
		t.Errorf("logged\n%s\nwant\n%s", out.String(), want)
	}
	if tail := log.Tail(); !strings.HasSuffix(tail, "ERROR canceling autovacuum task; WARNING odd | sign; no line end") {
		t.Errorf("the tail is %q", tail)
	}
}

func dropTime(a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

func FuzzServerLog(f *testing.F) {
	f.Add("|client backend|7|ERROR:  x")
	f.Add("||||")
	f.Fuzz(func(t *testing.T, line string) {
		process, pid, severity, message := splitLine(line)
		for _, part := range []string{process, pid, severity, message} {
			if !strings.Contains(line, part) {
				t.Errorf("%q came out of %q", part, line)
			}
		}
		_ = level(process, severity, message)
		(&serverLog{logger: slog.New(slog.DiscardHandler)}).read(strings.NewReader(line))
	})
}
