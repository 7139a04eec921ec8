package pg

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Staging is a permanent table that loads are copied into before they are
// merged, each row marked with the load it belongs to.
type Staging struct {
	// Schema of the table; empty means the first of the search_path that has it.
	Schema string
	Table  string
	// LoadColumn holds the load's key.
	LoadColumn string
	// Columns are filled from the rows, in their order.
	Columns []string
}

// Stage replaces the rows of one load by rows, inside tx, and returns how many
// there are now. It is the fast way to bring a file in (COPY), and safe to
// repeat: a second run with the same rows leaves the same table.
func Stage(ctx context.Context, tx pgx.Tx, s Staging, load any, rows pgx.CopyFromSource) (int64, error) {
	name := pgx.Identifier{s.Table}
	if s.Schema != "" {
		name = pgx.Identifier{s.Schema, s.Table}
	}
	clear := `DELETE FROM ` + name.Sanitize() + ` WHERE ` + pgx.Identifier{s.LoadColumn}.Sanitize() + ` = $1`
	if _, err := tx.Exec(ctx, clear, load); err != nil {
		return 0, fmt.Errorf("clear staged rows of load %v in %s: %w", load, s.Table, err)
	}
	columns := append([]string{s.LoadColumn}, s.Columns...)
	source := &marked{CopyFromSource: rows, load: load}
	n, err := tx.CopyFrom(ctx, name, columns, source)
	if source.err != nil {
		// The server only repeats its text.
		err = source.err
	}
	if err != nil {
		return 0, fmt.Errorf("copy rows of load %v into %s: %w", load, s.Table, err)
	}
	return n, nil
}

// marked puts the load's key before the values of every row.
type marked struct {
	pgx.CopyFromSource
	load any
	row  []any
	err  error // of the rows
}

func (m *marked) Values() ([]any, error) {
	values, err := m.CopyFromSource.Values()
	if err != nil {
		m.err = err
		return nil, err
	}
	// CopyFrom is done with a row before it asks for the next.
	m.row = append(append(m.row[:0], m.load), values...)
	return m.row, nil
}

func (m *marked) Err() error {
	if err := m.CopyFromSource.Err(); err != nil {
		m.err = err
	}
	return m.err
}
