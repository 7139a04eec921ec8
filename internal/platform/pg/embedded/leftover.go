package embedded

import (
	"context"
	"log/slog"
)

func clearLeftovers(ctx context.Context, pgdata string, logger *slog.Logger) error { return nil }
