package inventory

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/inventory/guard"
	"github.com/bodega-hq/bodega/internal/inventory/judge"
	"github.com/bodega-hq/bodega/internal/inventory/normalize"
)

// Story is why an item is, or is not, shown.
type Story struct {
	Item     Item
	Stages   []StoryStage
	Changes  []StoryChange
	Source   []SourceColumn
	FileName string
	Hold     *Hold
}

// StoryStage is one stage's part of it.
type StoryStage struct {
	Stage, Verdict, Rule, Detail, Fix string
	Feed                              FeedID
	Row                               int64
	At                                time.Time
}

// StoryChange is one earlier state of the item.
type StoryChange struct {
	At    time.Time
	Feed  FeedID
	Cause Cause
	State judge.State
}

// SourceColumn is one value of the kept row.
type SourceColumn struct{ Field, Value string }

// maxStoryChanges bounds how far back a story goes.
const maxStoryChanges = 10

// explain tells an item's story: the stages are pure, so it is told by running
// them once more on the kept row, over what was known before the row came.
func (s *Service) explain(ctx context.Context, key StoreKey, id string) (*Story, error) {
	it, err := s.store.item(ctx, key, id)
	if err != nil {
		return s.explainUnknown(ctx, key, id, err)
	}
	story := &Story{Item: it}
	source, err := s.store.feed(ctx, FeedID(it.State.FeedID))
	if err != nil {
		return nil, fmt.Errorf("read the feed of item %s: %w", id, err)
	}
	story.FileName = source.FileName
	story.Stages = append(story.Stages, s.intakeStages(&source, &it)...)
	if err := s.addJudgement(ctx, story, &source); err != nil {
		return nil, err
	}
	if err := s.addLatestReject(ctx, story); err != nil {
		return nil, err
	}
	if err := s.addOutcome(ctx, story); err != nil {
		return nil, err
	}
	if err := s.addChanges(ctx, story); err != nil {
		return nil, err
	}
	for f, v := range it.Kept.Values {
		if v != "" {
			story.Source = append(story.Source, SourceColumn{feed.Field(f).String(), v})
		}
	}
	story.Hold, err = s.store.openHold(ctx, key, id)
	return story, err
}

func (s *Service) intakeStages(f *Feed, it *Item) []StoryStage {
	detail := fmt.Sprintf("%s sent %s feed %s for %s.", f.SubmittedBy, article(string(f.Kind)), f.FileName, f.target())
	if f.FileName == "" {
		detail = fmt.Sprintf("%s sent the item by hand.", f.SubmittedBy)
	}
	stages := []StoryStage{{
		Stage: "intake", Verdict: "passed", Rule: "stored", Feed: f.ID, Row: it.State.Row, At: f.SubmittedAt, Detail: detail,
	}}
	read := StoryStage{
		Stage: "read", Verdict: "passed", Rule: "mapped", Feed: f.ID, Row: it.State.Row, At: f.SplitAt,
		Detail: fmt.Sprintf("Row %d was read with the mapping %s.", it.State.Row, f.MappingName),
	}
	if f.Truncated {
		read.Verdict, read.Rule = "warned", "truncated"
		read.Detail += " " + f.Error
	}
	return append(stages, read)
}

func article(kind string) string {
	if strings.HasPrefix(kind, "a") {
		return "an " + kind
	}
	return "a " + kind
}

func (f *Feed) target() string {
	switch {
	case f.Store != "":
		return "store " + f.Merchant + "/" + f.Store
	case f.Region != "":
		return "region " + f.Region + " of " + f.Merchant
	}
	return "stores of " + f.Merchant
}

// addJudgement runs the stages on the kept row.
func (s *Service) addJudgement(ctx context.Context, story *Story, source *Feed) error {
	it := &story.Item
	st, err := s.store.storeByKey(ctx, it.Key)
	if err != nil {
		return err
	}
	pool, err := s.store.pool(ctx)
	if err != nil {
		return err
	}
	known, _, err := s.store.known(ctx, pool, it.Key, []string{it.ID}, withKept)
	if err != nil {
		return err
	}
	categories, err := s.store.histories(ctx, pool, it.Key, []string{it.ID}, known)
	if err != nil {
		return err
	}
	mapping, err := s.mappings.byVersion(ctx, it.Key.Merchant, string(it.Mapping))
	if err != nil {
		return err
	}
	wanted := map[normalize.GTIN]struct{}{}
	collectGTINs([]feed.Row{it.Kept}, wanted)
	products, err := s.lookUp(ctx, pool, wanted)
	if err != nil {
		return err
	}
	k := known[it.ID]
	if err := s.rewind(ctx, it, &k); err != nil {
		return err
	}
	known[it.ID] = k
	row := it.Kept
	row.Number = it.State.Row
	in := judge.Inputs{
		Store: it.Key.Store, FeedID: it.State.FeedID, Kind: feed.KindFull, Cause: judge.Arrived, Mapping: mapping,
		SourceTime: it.State.SourceTime, Now: s.now(), Settings: priceSettings(&st), Limits: s.limits(&st),
		Availability: s.cfg.availabilityPolicy(), Predictor: s.deps.Predictor, Categories: categories, Products: products, Known: known,
	}
	told, outcome := judge.Explain(&row, &in)
	for _, step := range told.Steps {
		if step.Stage == judge.StageResult {
			continue // what is stored now is told, not what this run came to
		}
		if step.Stage == judge.StageGuard && step.Verdict == judge.OnHold && it.State.Hold == nil && outcome.State.Hold != nil {
			if err := s.addDecision(ctx, &step, it, int64(outcome.State.Hold.Price.Effective)); err != nil {
				return err
			}
		}
		at := atOr(step.At, source.SubmittedAt)
		if at.Equal(in.Now) {
			at = it.ChangedAt // when it was judged so, not when it was asked for
		}
		story.Stages = append(story.Stages, StoryStage{
			Stage: string(step.Stage), Verdict: string(step.Verdict), Rule: step.Rule, Detail: step.Detail, Fix: step.Fix,
			Feed: FeedID(it.State.FeedID), Row: it.State.Row, At: at,
		})
	}
	return nil
}

// addDecision tells what became of a price that was held when its row came and
// is not any more.
func (s *Service) addDecision(ctx context.Context, step *judge.Step, it *Item, held int64) error {
	h, err := s.store.closedHold(ctx, it.Key, it.ID, held)
	if err != nil {
		return err
	}
	state := HoldSuperseded
	if h != nil {
		state = h.State
		step.At = h.DecidedAt
	}
	switch state {
	case HoldApproved:
		step.Verdict, step.Rule, step.Fix = judge.Passed, string(guard.ApprovedBefore), ""
		step.Detail += fmt.Sprintf(" %s approved it.", h.DecidedBy)
	case HoldDiscarded:
		step.Verdict, step.Rule = judge.Remark, string(guard.DiscardedBefore)
		step.Detail += fmt.Sprintf(" %s discarded it.", h.DecidedBy)
		step.Fix = "ask the merchant to correct the price; a different one is judged afresh"
	default:
		step.Verdict, step.Fix = judge.Remark, ""
		step.Detail += " What the price is judged by has changed since, and it is not held any more."
	}
	return nil
}

// rewind takes what is known of an item back to before its row was judged, so
// that the guard compares with what it compared with then.
func (s *Service) rewind(ctx context.Context, it *Item, k *judge.Known) error {
	id, chunk := it.ChangeFeed, it.ChangeChunk
	for range maxStoryChanges {
		line, err := s.changeOf(ctx, id, it.Key.Store, chunk, it.ID)
		if err != nil || line == nil {
			return err
		}
		before, err := line.before()
		if err != nil {
			return err
		}
		k.State, k.Kept, k.Confirmed, k.ConfirmedAvailability = before, nil, time.Time{}, time.Time{}
		if before == nil {
			return nil
		}
		if before.FeedID != it.State.FeedID {
			return nil
		}
		id, chunk = line.PreviousFeed, line.PreviousChunk
	}
	return nil
}

func atOr(t, other time.Time) time.Time {
	if t.IsZero() {
		return other
	}
	return t
}

// addOutcome tells where the item stands now, and since when.
func (s *Service) addOutcome(ctx context.Context, story *Story) error {
	it := &story.Item
	apply := StoryStage{
		Stage: "apply", Verdict: "passed", Rule: "merged", Feed: it.ChangeFeed, Row: it.State.Row, At: it.ChangedAt,
		Detail: "The item was written last by " + string(it.ChangeFeed) + ".",
	}
	changed, err := s.store.feed(ctx, it.ChangeFeed)
	if err != nil {
		return err
	}
	if changed.Cause != CauseFeed {
		apply.Detail = fmt.Sprintf("The item was written last because of the %s: %s.", changed.Cause, changed.Detail.Note)
	}
	story.Stages = append(story.Stages, apply)
	st, err := s.store.storeByKey(ctx, it.Key)
	if err != nil {
		return err
	}
	publish := StoryStage{Stage: "publish", Feed: it.ChangeFeed, Row: it.State.Row, At: st.MenuAt, Verdict: "shown", Rule: "on_menu"}
	publish.Detail = fmt.Sprintf("Version %d of the store's menu shows the item.", st.MenuVersion)
	if !it.State.Shown() {
		publish.Verdict, publish.Rule = "hidden", string(it.State.Hidden)
		publish.Detail, publish.Fix = whyHidden(&it.State)
	}
	story.Stages = append(story.Stages, publish)
	return nil
}

// whyHidden is the straight answer to why an item is not shown, and what to do.
func whyHidden(st *judge.State) (detail, fix string) {
	switch st.Hidden {
	case judge.HiddenDelisted:
		return "The store's newest full file does not list the item.", "Send a file that lists it."
	case judge.HiddenNoPrice:
		if st.Hold != nil {
			return "Its only price is held and no good one was known before: " + st.Hold.Verdict.Sentence(&st.Hold.Price),
				"Approve the held price if it is right, or send the right one."
		}
		if len(st.Discarded) == 0 {
			return "Its sale is over, and its row gives no other price.", "Send the price that holds now."
		}
		return "Its only price was discarded and no good one was known before.", "Send the right price."
	case judge.HiddenMerchant:
		return "The merchant says that it is out of stock.", "Send it as available once it is back."
	case judge.HiddenPredicted:
		return fmt.Sprintf("Shoppers did not find it lately: the chance of finding it is about %d%%.", st.Percent),
			"Put it back on the shelf; the next shopper who finds it brings it back."
	}
	return "", ""
}

// addChanges walks the item's before/after objects back.
func (s *Service) addChanges(ctx context.Context, story *Story) error {
	it := &story.Item
	id, chunk, state, at := it.ChangeFeed, it.ChangeChunk, it.State, it.ChangedAt
	for range maxStoryChanges {
		f, err := s.store.feed(ctx, id)
		if err != nil {
			return err
		}
		if at.IsZero() {
			at = f.SubmittedAt
		}
		story.Changes = append(story.Changes, StoryChange{At: at, Feed: id, Cause: f.Cause, State: state})
		line, err := s.changeOf(ctx, id, it.Key.Store, chunk, it.ID)
		if err != nil {
			return err
		}
		if line == nil {
			return nil
		}
		before, err := line.before()
		if err != nil {
			return err
		}
		if before == nil {
			return nil
		}
		id, chunk, state, at = line.PreviousFeed, line.PreviousChunk, *before, time.Time{}
	}
	return nil
}

// addLatestReject tells where the newest feed of the store refused the item's
// row: what is shown then is older than what the merchant sent.
func (s *Service) addLatestReject(ctx context.Context, story *Story) error {
	f, r, err := s.latestReject(ctx, story.Item.Key, story.Item.ID)
	if err != nil || r == nil || f.ID <= FeedID(story.Item.State.FeedID) {
		return err
	}
	story.Stages = append(story.Stages, rejectStage(f, r))
	return nil
}

func rejectStage(f *Feed, r *Reject) StoryStage {
	detail := r.Reason
	if r.Column != "" && r.Value != "" {
		detail = fmt.Sprintf("Column %q: %q %s.", r.Column, r.Value, r.Reason)
	}
	return StoryStage{
		Stage: "normalize", Verdict: "rejected", Rule: r.Rule, Feed: f.ID, Row: r.Row, At: f.SubmittedAt, Fix: r.Fix,
		Detail: "A newer row was rejected and changed nothing. " + detail,
	}
}

// latestReject finds the item among the rejected rows of the store's newest
// feeds.
func (s *Service) latestReject(ctx context.Context, key StoreKey, id string) (*Feed, *Reject, error) {
	feeds, err := s.store.feeds(ctx, feedFilter{Merchant: key.Merchant, Store: key.Store, Statuses: []string{string(Done)}, Limit: 3})
	if err != nil {
		return nil, nil, err
	}
	for i := range feeds {
		if feeds[i].Account.Rejected == 0 {
			continue
		}
		keys, err := s.store.rejectObjects(ctx, &feeds[i])
		if err != nil {
			return nil, nil, err
		}
		for _, k := range keys {
			var found *Reject
			err := s.eachChange(ctx, k, func(l *changeLine) error {
				if l.Reject != nil && l.Reject.Item == id && l.Reject.Store == key.Store {
					found = l.Reject
					return errStop
				}
				return nil
			})
			if err != nil {
				return nil, nil, err
			}
			if found != nil {
				return &feeds[i], found, nil
			}
		}
	}
	return nil, nil, nil
}

// explainUnknown tells of an item that has no state: every row of it was
// rejected, or none came.
func (s *Service) explainUnknown(ctx context.Context, key StoreKey, id string, unknown error) (*Story, error) {
	st, err := s.store.storeByKey(ctx, key)
	if err != nil {
		return nil, err
	}
	f, r, err := s.latestReject(ctx, key, id)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, unknown
	}
	stage := rejectStage(f, r)
	return &Story{
		Item: Item{Key: key, StoreName: st.Name, MerchantName: st.MerchantName, ID: id, State: judge.State{
			SKU: id, Hidden: hiddenRejected, FeedID: string(f.ID), Row: r.Row,
		}},
		FileName: f.FileName,
		Stages: append(s.intakeStages(f, &Item{State: judge.State{Row: r.Row}}), stage, StoryStage{
			Stage: "publish", Verdict: "hidden", Rule: string(hiddenRejected), Feed: f.ID, Row: r.Row, At: f.FinishedAt,
			Detail: "Every row of the item was rejected, so that there is nothing to show.", Fix: r.Fix,
		}),
	}, nil
}

// hiddenRejected is why an item is not shown whose every row was rejected.
const hiddenRejected judge.Hidden = "rejected"
