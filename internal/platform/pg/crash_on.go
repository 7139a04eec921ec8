//go:build faults

package pg

import (
	"context"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/bodega-hq/bodega/internal/platform/crash"
)

// atCrashPoints makes a crash point of everything that a connection commits:
// each transaction that wrote, and each statement that writes outside of one.
func atCrashPoints(pgx.QueryTracer) pgx.QueryTracer { return commits{} }

// commits sees every statement of a connection. What a transaction wrote is
// kept with its connection, and names its commit.
type commits struct{}

const wroteKey = "crash.wrote"

type pendingWrite struct{}

func (commits) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	kept := conn.PgConn().CustomData()
	wrote, _ := kept[wroteKey].([]string)
	switch idle := conn.PgConn().TxStatus() == 'I'; {
	case data.SQL == "commit" && len(wrote) > 0:
		return context.WithValue(ctx, pendingWrite{}, crash.Before("commit "+strings.Join(wrote, ", ")))
	case strings.HasPrefix(data.SQL, "begin"):
		kept[wroteKey] = []string(nil)
	default:
		found := written(data.SQL)
		if len(found) > 0 && idle {
			return context.WithValue(ctx, pendingWrite{}, crash.Before("commit "+strings.Join(found, ", ")))
		}
		kept[wroteKey] = append(wrote, found...)
	}
	return ctx
}

func (commits) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	if w, ok := ctx.Value(pendingWrite{}).(crash.Write); ok && data.Err == nil {
		w.After()
	}
}

func (commits) TraceCopyFromStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceCopyFromStartData) context.Context {
	kept := conn.PgConn().CustomData()
	wrote, _ := kept[wroteKey].([]string)
	kept[wroteKey] = append(wrote, "copy "+data.TableName.Sanitize())
	return ctx
}

func (commits) TraceCopyFromEnd(context.Context, *pgx.Conn, pgx.TraceCopyFromEndData) {}

var writing = regexp.MustCompile(`(?i)\b(insert\s+into|update|delete\s+from)\s+"?([a-z_.]+)`)

// written lists what a statement writes: the verb and the table. "DO UPDATE
// SET" and "FOR UPDATE SKIP LOCKED" name none.
func written(sql string) []string {
	var found []string
	for _, m := range writing.FindAllStringSubmatch(sql, -1) {
		if !strings.EqualFold(m[2], "set") && !strings.EqualFold(m[2], "skip") {
			found = append(found, strings.ToLower(strings.Fields(m[1])[0]+" "+m[2]))
		}
	}
	return found
}
