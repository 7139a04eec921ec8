package app

import (
	"context"

	"github.com/bodega-hq/bodega/internal/app/term"
)

func (p *process) fillDemo(ctx context.Context, t *term.Terminal, base, secret string) error {
	return nil
}
