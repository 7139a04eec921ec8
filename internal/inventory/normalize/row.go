package normalize

import (
	"time"

	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/platform/money"
)

// Rules are what the texts of a file mean.
type Rules struct {
	// Mapping tells decimal styles, minor units and words; nil reads every
	// field in the automatic way.
	Mapping *feed.Mapping
	// Currency is the one that the store sells in. A row in another currency is
	// rejected: nothing here converts.
	Currency money.Currency
	// Rounding is for prices finer than the currency's minor unit.
	Rounding money.Rounding
	// FileTime is the file's source time, which rows without a time of their
	// own take.
	FileTime time.Time
	// Location reads times that name no zone; nil is UTC.
	Location *time.Location
	// Latest is the latest source time that is believed; a row's own time
	// beyond it is replaced by FileTime. Zero believes every time.
	Latest time.Time
	// Kind is feed.KindAvailability where only availability columns count, so
	// that a bad price cannot reject the row.
	Kind feed.Kind
}

// Row reads one row. ok is false where the row cannot stand; the problem of
// severity Rejected says why. Problems are appended to problems, so that a
// caller's slice serves many rows.
func Row(row *feed.Row, rules *Rules, problems []Problem) (item Item, out []Problem, ok bool) {
	panic("not written yet")
}
