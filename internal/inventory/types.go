package inventory

import (
	"crypto/sha256"
	"encoding/base32"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/inventory/guard"
	"github.com/bodega-hq/bodega/internal/inventory/judge"
	"github.com/bodega-hq/bodega/internal/platform/fault"
	"github.com/bodega-hq/bodega/internal/platform/money"
)

// Errors that callers can tell apart.
var (
	ErrMerchantUnknown = fault.New(fault.NotFound, "no such merchant: `bodega merchant create` makes one")
	ErrStoreUnknown    = fault.New(fault.NotFound, "no such store: `bodega store create` makes one")
	ErrFeedUnknown     = fault.New(fault.NotFound, "no such feed")
	ErrItemUnknown     = fault.New(fault.NotFound, "no such item in this store: it was in no feed that was applied")
	ErrMappingUnknown  = fault.New(fault.NotFound, "no such mapping profile: `bodega mapping apply` adds one")
	// errFenceLost says that another attempt writes to the store now.
	errFenceLost = fault.New(fault.Stale, "another attempt has taken over this store")
)

// FeedID names a unit of work. Ids sort by the time they were made.
type FeedID string

// newFeedID is a version 7 UUID (RFC 9562) in a form that can be read aloud.
func newFeedID() (FeedID, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", err
	}
	return FeedID("f" + lowerBase32(id[:])), nil
}

// stableID is an id that the same parts always give, so that a step that is
// repeated makes the same thing and not a second one.
func stableID(prefix string, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return prefix + lowerBase32(sum[:15])
}

// lowerBase32 keeps the order of the bytes (RFC 4648, section 7).
func lowerBase32(b []byte) string {
	return strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(b))
}

// StoreKey names a store. A store's id alone is unique within its merchant only.
type StoreKey struct {
	Merchant string
	Store    string
}

func (k StoreKey) String() string { return k.Merchant + "/" + k.Store }

// Status is how far a unit of work has come.
type Status string

// The statuses; the last three are final.
const (
	Queued   Status = "queued"
	Running  Status = "running"
	Done     Status = "done"
	Failed   Status = "failed"
	Canceled Status = "canceled"
)

// Final says that nothing more will happen.
func (s Status) Final() bool { return s == Done || s == Failed || s == Canceled }

// Cause is what made a unit of work.
type Cause string

// The causes.
const (
	CauseFeed     Cause = "feed"
	CauseCatalog  Cause = "catalog"
	CauseSettings Cause = "settings"
	CauseSignal   Cause = "signal"
	CauseOperator Cause = "operator"
	CauseSchedule Cause = "schedule"
	CauseRollback Cause = "rollback"
)

// Account says what became of a unit's rows. It closes:
// RowsRead = Applied + Unchanged + Stale + Held + Rejected + Duplicates.
type Account struct {
	RowsRead     int64
	Applied      int64
	Unchanged    int64
	Stale        int64
	Held         int64
	Rejected     int64
	Duplicates   int64
	Removed      int64
	RemovalsHeld int64
}

// Closes says whether every row that was read is accounted for.
func (a Account) Closes() bool {
	return a.RowsRead == a.Applied+a.Unchanged+a.Stale+a.Held+a.Rejected+a.Duplicates
}

func (a *Account) add(b Account) {
	a.RowsRead += b.RowsRead
	a.Applied += b.Applied
	a.Unchanged += b.Unchanged
	a.Stale += b.Stale
	a.Held += b.Held
	a.Rejected += b.Rejected
	a.Duplicates += b.Duplicates
	a.Removed += b.Removed
	a.RemovalsHeld += b.RemovalsHeld
}

func (a *Account) count(d judge.Disposition) {
	a.RowsRead++
	switch d {
	case judge.Applied:
		a.Applied++
	case judge.Unchanged:
		a.Unchanged++
	case judge.Stale:
		a.Stale++
	case judge.Held:
		a.Held++
	case judge.Rejected:
		a.Rejected++
	case judge.Duplicate:
		a.Duplicates++
	}
}

// Merchant is a chain whose stores send feeds.
type Merchant struct {
	ID        string
	Name      string
	Currency  money.Currency
	CreatedAt time.Time
	Stores    int
	Mapping   string
}

// Store is one place of a merchant.
type Store struct {
	Key          StoreKey
	Name         string
	Region       string
	MerchantName string
	Currency     money.Currency
	Settings     Settings
	// Limits are the merchant's own, nil where it has none.
	Limits       *guard.Limits
	Watermark    time.Time
	FullInterval time.Duration
	MenuVersion  int64
	MenuKey      string
	MenuAt       time.Time
	Items        int64
	Shown        int64
	// Hidden counts hidden items by reason.
	Hidden map[string]int64
	Held   int64
}

// Late says that the store's full file is overdue by more than an eighth of
// its usual rhythm, three hours of a day, and how far it is behind.
func (s Store) Late(now time.Time) (time.Duration, bool) {
	if s.FullInterval <= 0 || s.Watermark.IsZero() {
		return 0, false
	}
	behind := now.Sub(s.Watermark) - s.FullInterval
	return behind, behind > s.FullInterval/8
}

// Settings are what a store's prices are computed with.
type Settings struct {
	InflationBasisPoints int32
	RoundToMinor         int64
}

// Feed is a unit of work.
type Feed struct {
	ID             FeedID
	Merchant       string
	MerchantName   string
	Store          string
	Region         string
	Kind           feed.Kind
	Cause          Cause
	Status         Status
	FileName       string
	SizeBytes      int64
	SHA256         string
	RawKey         string
	MappingName    string
	MappingVersion string
	SourceTime     time.Time
	SubmittedAt    time.Time
	SubmittedBy    string
	StartedAt      time.Time
	FinishedAt     time.Time
	IdempotencyKey string
	Detail         Detail
	SplitAt        time.Time
	RejectsKey     string
	Truncated      bool
	Error          string
	Account        Account
}

// Detail is what a cause other than a file is about.
type Detail struct {
	// Items are judged again, by their ids; empty for every item of the store.
	Items []string `json:"items,omitempty"`
	// GTINs are those of the catalogue's products that changed.
	GTINs []uint64 `json:"gtins,omitempty"`
	// RemovalsOf is the hold whose removals are carried out.
	RemovalsOf string `json:"removals_of,omitempty"`
	// Columns are the file's names of columns, by the names that the stages give
	// them where the mapping knows several.
	Columns map[string]string `json:"columns,omitempty"`
	// ChunkRows is how many rows that are not a file's go into a chunk. The
	// ledger knows chunks by number alone, so a unit of work keeps the size
	// that it was stored with, also where the configuration has another by now.
	ChunkRows int `json:"chunk_rows,omitempty"`
	// Note is a sentence for people: who did what.
	Note string `json:"note,omitempty"`
}

// FeedStore is a feed's part for one store.
type FeedStore struct {
	Key          StoreKey
	Name         string
	SegmentKey   string
	Rows         int64
	Chunks       int
	Planned      bool
	RemovalsKey  string
	Removals     int64
	RemovalsHeld bool
	Finished     bool
	ChunksDone   int
	Account      Account
}

// HoldState is where a hold stands.
type HoldState string

// The states of a hold.
const (
	HoldOpen       HoldState = "open"
	HoldApproved   HoldState = "approved"
	HoldDiscarded  HoldState = "discarded"
	HoldSuperseded HoldState = "superseded"
)

// Hold is a price, or a store's removals, that waits for a person.
type Hold struct {
	ID           string
	Key          StoreKey
	StoreName    string
	MerchantName string
	Item         string
	ItemName     string
	Guard        string
	Before       *int64
	After        *int64
	Median       *int64
	Currency     string
	Feed         FeedID
	Row          int64
	Detail       string
	Removals     int64
	RemovalsKey  string
	State        HoldState
	CreatedAt    time.Time
	DecidedAt    time.Time
	DecidedBy    string
	DecidedFeed  FeedID
}

// ofRemovals says that the hold keeps a full file's removals back.
func (h *Hold) ofRemovals() bool { return h.Item == "" }

// Item is one item of one store as it is stored.
type Item struct {
	Key          StoreKey
	StoreName    string
	MerchantName string
	ID           string
	State        judge.State
	Kept         feed.Row
	Mapping      mappingRef
	ChangeFeed   FeedID
	ChangeChunk  int
	ChangedAt    time.Time
	HoldID       string
}

func holdID(key StoreKey, item string, feedID FeedID, price money.Minor) string {
	return stableID("h", key.Merchant, key.Store, item, string(feedID), strconv.FormatInt(int64(price), 10))
}
