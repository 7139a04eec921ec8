package inventory

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/platform/fault"
	"github.com/bodega-hq/bodega/internal/platform/pg"
)

// Submission is what a sender says of a feed.
type Submission struct {
	Merchant       string
	Store          string
	Region         string
	Kind           feed.Kind
	Mapping        string
	SourceTime     time.Time
	FileName       string
	IdempotencyKey string
	By             string
	Cause          Cause
}

// Receipt is what a sender gets once the feed is on durable storage.
type Receipt struct {
	Feed   FeedID
	Resend bool
	SHA256 string
}

var errEmptyFeed = fault.New(fault.Invalid, "the feed is empty: nothing was stored")

// Submit makes a feed's bytes durable, stores the unit of work and starts it.
// What is the newest feed of its store, kind and mapping already is that feed.
// When it returns, the bytes survive a crash of process and machine.
func (s *Service) Submit(ctx context.Context, sub Submission, body io.Reader) (Receipt, error) {
	started := s.deps.Now()
	receipt, err := s.takeIn(ctx, sub, body)
	s.deps.Metrics.stage("intake", s.deps.Now().Sub(started))
	result := "stored"
	switch {
	case err != nil:
		result = "refused"
	case receipt.Resend:
		result = "resend"
	}
	s.deps.Metrics.intakeFeeds.WithLabelValues(result).Inc()
	return receipt, err
}

func (s *Service) takeIn(ctx context.Context, sub Submission, body io.Reader) (Receipt, error) {
	mapping, err := s.checkSubmission(ctx, &sub)
	if err != nil {
		return Receipt{}, err
	}
	id, err := newFeedID()
	if err != nil {
		return Receipt{}, err
	}
	rawKey := s.key(ctx, "raw", sub.Merchant, string(id))
	digest := &digester{r: body, h: sha256.New()}
	size, err := s.deps.Bucket.Put(ctx, rawKey, digest)
	if err != nil {
		if digest.err != nil {
			return Receipt{}, fault.Wrap(fault.Invalid, err, "the upload broke off: nothing was stored; send it again")
		}
		return Receipt{}, fmt.Errorf("store feed: %w", err)
	}
	drop := func(err error) error {
		return errors.Join(err, s.deps.Bucket.Delete(context.WithoutCancel(ctx), rawKey))
	}
	if size == 0 {
		return Receipt{}, drop(errEmptyFeed)
	}
	s.deps.Metrics.intakeBytes.Add(float64(size))
	now := s.now()
	f := &Feed{
		ID: id, Merchant: sub.Merchant, Store: sub.Store, Region: sub.Region, Kind: sub.Kind, Cause: sub.Cause, Status: Queued,
		FileName: sub.FileName, SizeBytes: size, SHA256: hex.EncodeToString(digest.h.Sum(nil)), RawKey: rawKey,
		MappingName: mapping.Name, MappingVersion: mapping.Version, SourceTime: sub.SourceTime, SubmittedAt: now,
		SubmittedBy: sub.By, IdempotencyKey: sub.IdempotencyKey, Detail: Detail{ChunkRows: s.cfg.ChunkRows},
	}
	if f.SourceTime.IsZero() {
		f.SourceTime = now
	}
	same, err := s.record(ctx, f, sub.SourceTime)
	if errors.Is(err, pg.ErrAmbiguousCommit) {
		// The feed may be stored: its bytes stay, and the sweep starts it. The
		// sender gets no id and sends it again, which then is the same feed.
		return Receipt{}, fmt.Errorf("store feed %s: %w", id, err)
	}
	if err != nil {
		return Receipt{}, drop(err)
	}
	if same != "" {
		// Its workflow may have been lost between storing and starting.
		s.start(ctx, same)
		return Receipt{Feed: same, Resend: true, SHA256: f.SHA256}, drop(nil)
	}
	s.start(ctx, id)
	return Receipt{Feed: id, SHA256: f.SHA256}, nil
}

// latestSourceTime is how far a sender's clock may run ahead.
const latestSourceTime = 15 * time.Minute

func (s *Service) checkSubmission(ctx context.Context, sub *Submission) (*feed.Mapping, error) {
	switch sub.Kind {
	case feed.KindFull, feed.KindDelta, feed.KindAvailability:
	default:
		return nil, fault.Errorf(fault.Invalid, "kind %q: want full, delta or availability", sub.Kind)
	}
	if sub.Store != "" && sub.Region != "" {
		return nil, fault.New(fault.Invalid, "a feed addresses a store or a region, not both")
	}
	if now := s.now(); sub.SourceTime.Sub(now) > latestSourceTime {
		return nil, fault.Errorf(fault.Invalid, "source time %s is ahead of this server's clock, which says %s: check the sender's clock and time zone",
			sub.SourceTime.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	if _, err := s.store.merchant(ctx, sub.Merchant); err != nil {
		return nil, err
	}
	if sub.Store != "" {
		if _, err := s.store.storeByKey(ctx, StoreKey{sub.Merchant, sub.Store}); err != nil {
			return nil, err
		}
	}
	if sub.Region != "" {
		ids, err := s.store.storeIDs(ctx, sub.Merchant, sub.Region)
		if err != nil {
			return nil, err
		}
		if len(ids) == 0 {
			return nil, fault.Errorf(fault.NotFound, "merchant %s has no store in region %q", sub.Merchant, sub.Region)
		}
	}
	sub.SourceTime = sub.SourceTime.UTC().Truncate(time.Microsecond)
	return s.mappings.resolve(ctx, sub.Merchant, sub.Mapping)
}

// record stores the unit of work, unless it is a resend: then it says of what.
// Submissions of one merchant take turns here, so that two equal ones at once
// are one.
func (s *Service) record(ctx context.Context, f *Feed, sourceTime time.Time) (same FeedID, err error) {
	pool, err := s.store.pool(ctx)
	if err != nil {
		return "", err
	}
	err = pg.RunTx(ctx, pool, func(tx pgx.Tx) error {
		same = ""
		if _, err := tx.Exec(ctx, `SELECT merchant_id FROM merchant WHERE merchant_id = $1 FOR UPDATE`, f.Merchant); err != nil {
			return fmt.Errorf("take turns in merchant %s: %w", f.Merchant, err)
		}
		if f.IdempotencyKey != "" {
			have, err := s.store.feedByKey(ctx, tx, f.Merchant, f.IdempotencyKey)
			switch {
			case err == nil && have.SHA256 == f.SHA256 && have.Kind == f.Kind && have.Store == f.Store && have.Region == f.Region:
				same = have.ID
				return nil
			case err == nil:
				return fault.Errorf(fault.AlreadyExists, "the idempotency key %q was used for other content, by feed %s", f.IdempotencyKey, have.ID)
			case !errors.Is(err, ErrFeedUnknown):
				return err
			}
		}
		newest, err := s.store.feedWhere(ctx, tx, `
f.merchant_id = $1 AND f.store_id = $2 AND f.region = $3 AND f.kind = $4 AND f.mapping_version = $5 AND f.cause = $6
AND f.status NOT IN ('failed', 'canceled') ORDER BY f.submitted_at DESC, f.feed_id DESC`,
			f.Merchant, f.Store, f.Region, f.Kind, f.MappingVersion, f.Cause)
		if err != nil && !errors.Is(err, ErrFeedUnknown) {
			return err
		}
		// A source time that the sender gives and that is another one says
		// something new about the same content: that it still holds.
		if err == nil && newest.SHA256 == f.SHA256 && f.Cause == CauseFeed && (sourceTime.IsZero() || sourceTime.Equal(newest.SourceTime)) {
			same = newest.ID
			if f.IdempotencyKey == "" {
				return nil
			}
			// The key is taken all the same: with other content it is an error.
			return s.store.insertResend(ctx, tx, f.Merchant, f.IdempotencyKey, newest.ID)
		}
		if err := s.store.insertFeed(ctx, tx, f); err != nil {
			return err
		}
		if f.Store == "" {
			return nil
		}
		// The store's queue is joined at once, so that files apply in the order
		// of intake.
		return s.store.insertFeedStores(ctx, tx, f.ID, f.Merchant, []FeedStore{{Key: StoreKey{f.Merchant, f.Store}}})
	})
	return same, err
}

// digester hashes what is read through it, and remembers how reading ended.
type digester struct {
	r   io.Reader
	h   hash.Hash
	err error
}

func (d *digester) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	d.h.Write(p[:n])
	if err != nil && !errors.Is(err, io.EOF) {
		d.err = err
	}
	return n, err
}
