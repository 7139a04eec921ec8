package inventory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/bodega-hq/bodega/internal/platform/durable"
	"github.com/bodega-hq/bodega/internal/platform/tenant"
)

// step is one attempt at a step of a workflow.
type step struct {
	Name    string // Begin, ApplyStore, Finish
	Store   string
	Attempt int32
}

func (s step) String() string { return strings.TrimSuffix(s.Name+" "+s.Store, " ") }

// stage runs FeedWorkflow in Temporal's test environment, where time passes
// at once, on the real steps over a real database.
type stage struct {
	*world
	env *testsuite.TestWorkflowEnvironment
	// around stands between the workflow and a step; nil lets it happen.
	around func(ctx context.Context, s step, do func() error) error
	real   *Activities

	mu    sync.Mutex
	taken []step
}

func newStage(t *testing.T) *stage { return stageOf(t, newWorld(t)) }

// stageOf is one more run of the workflow in the same world.
func stageOf(t *testing.T, w *world) *stage {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quietLogger{})
	s := &stage{world: w, env: suite.NewTestWorkflowEnvironment()}
	s.env.SetTestTimeout(5 * time.Minute)
	// The environment runs steps where the workflow runs, so that a step on a
	// busy machine would look like a workflow that hangs.
	s.env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: 5 * time.Minute})
	s.env.RegisterWorkflow(FeedWorkflow)
	real := &Activities{service: w.service}
	s.real = real
	name := func(n string) activity.RegisterOptions { return activity.RegisterOptions{Name: n} }
	s.env.RegisterActivityWithOptions(func(ctx context.Context, in FeedInput) (begun Begun, err error) {
		err = s.take(ctx, step{Name: "Begin"}, func() error { begun, err = real.Begin(ctx, in); return err })
		return begun, err
	}, name("Begin"))
	s.env.RegisterActivityWithOptions(func(ctx context.Context, in FeedInput, store string) (busy bool, err error) {
		err = s.take(ctx, step{Name: "ApplyStore", Store: store}, func() error { busy, err = real.ApplyStore(ctx, in, store); return err })
		return busy, err
	}, name("ApplyStore"))
	s.env.RegisterActivityWithOptions(func(ctx context.Context, in FeedInput, end Ending) error {
		return s.take(ctx, step{Name: "Finish"}, func() error { return real.Finish(ctx, in, end) })
	}, name("Finish"))
	return s
}

func (s *stage) take(ctx context.Context, at step, do func() error) error {
	at.Attempt = activity.GetInfo(ctx).Attempt
	s.mu.Lock()
	s.taken = append(s.taken, at)
	s.mu.Unlock()
	if s.around != nil {
		return s.around(ctx, at, do)
	}
	return do()
}

func (s *stage) input(id FeedID) FeedInput {
	return FeedInput{Tenant: string(tenant.Prod), Feed: id, StoresAtOnce: 2, Heartbeat: 10 * time.Second}
}

// perform runs the feed's workflow to its end and returns its error.
func (s *stage) perform(id FeedID) error {
	s.t.Helper()
	s.env.ExecuteWorkflow(FeedWorkflow, s.input(id))
	if !s.env.IsWorkflowCompleted() {
		s.t.Fatal("the workflow does not come to its end")
	}
	return s.env.GetWorkflowError()
}

func (s *stage) mustPerform(id FeedID) Feed {
	s.t.Helper()
	if err := s.perform(id); err != nil {
		s.t.Fatal(err)
	}
	return s.feed(id)
}

// order lists the steps that were taken, attempts of one as one.
func (s *stage) order() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, at := range s.taken {
		if at.Attempt == 1 {
			names = append(names, at.String())
		}
	}
	return names
}

// threeStores is a full file of 120 items in each of three stores at a price.
func threeStores(price string) string {
	var b strings.Builder
	b.WriteString("store_id,item_id,name,price,category\n")
	for store := 1; store <= 3; store++ {
		for i := range 120 {
			fmt.Fprintf(&b, "%d,%05d,Item %d,%s,Shelf %d\n", store, i, i, price, i%3)
		}
	}
	return b.String()
}

func (w *world) threeStores(price string) FeedID {
	w.t.Helper()
	receipt, err := w.submit(submission{Stores: true}, threeStores(price))
	if err != nil {
		w.t.Fatal(err)
	}
	return receipt.Feed
}

// left is what feeds leave: what shoppers see, and what the ledger and the
// fences say.
type left struct {
	Status Status
	Sum    Account
	Chunks string
	Fences string
	Menus  [3]map[string]int64
}

func (w *world) left(id FeedID) left {
	w.t.Helper()
	if err := w.service.publishChanged(w.ctx); err != nil {
		w.t.Fatal(err)
	}
	f := w.feed(id)
	l := left{Status: f.Status, Sum: f.Account}
	pool, err := w.service.store.pool(w.ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := pool.QueryRow(w.ctx, `
SELECT coalesce(string_agg(format('%s/%s:%s/%s', c.store_id, c.chunk, c.applied, coalesce(o.changes, 0)), ' ' ORDER BY c.store_id, c.chunk), '')
FROM feed_chunk c LEFT JOIN inventory_outbox o ON o.feed_id = c.feed_id AND o.store_id = c.store_id AND o.chunk = c.chunk
WHERE c.feed_id = $1`, id).Scan(&l.Chunks); err != nil {
		w.t.Fatal(err)
	}
	if err := pool.QueryRow(w.ctx, `
SELECT string_agg(format('%s:%s/%s/%s', store_id, feed_id, writes, published), ' ' ORDER BY store_id) FROM store_fence`).Scan(&l.Fences); err != nil {
		w.t.Fatal(err)
	}
	for i := range l.Menus {
		l.Menus[i] = w.menu(fmt.Sprint(i + 1))
	}
	return l
}

func sameLeft(t *testing.T, got, want left) {
	t.Helper()
	for i := range got.Menus {
		if !maps.Equal(got.Menus[i], want.Menus[i]) {
			t.Errorf("menu of store %d: %d items %v\nwant %d items %v", i+1, len(got.Menus[i]), got.Menus[i], len(want.Menus[i]), want.Menus[i])
		}
	}
	got.Menus, want.Menus = [3]map[string]int64{}, [3]map[string]int64{}
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("left  %+v\nwants %+v", got, want)
	}
}

// smooth is what a feed of threeStores leaves where nothing goes wrong.
func smooth(t *testing.T) left {
	t.Helper()
	s := newStage(t)
	id := s.threeStores("2.00")
	if f := s.mustPerform(id); f.Status != Done {
		t.Fatalf("feed is %s: %s", f.Status, f.Error)
	}
	return s.left(id)
}

func TestFeedWorkflowSucceeds(t *testing.T) {
	s := newStage(t)
	id := s.threeStores("2.00")
	if f := s.mustPerform(id); f.Status != Done || f.Account.Applied != 360 || !f.Account.Closes() {
		t.Fatalf("feed is %s: %s %+v", f.Status, f.Error, f.Account)
	}
	order := s.order()
	if len(order) != 5 || order[0] != "Begin" || order[4] != "Finish" {
		t.Fatalf("steps %q", order)
	}
	if stores := slices.Sorted(slices.Values(order[1:4])); !slices.Equal(stores, []string{"ApplyStore 1", "ApplyStore 2", "ApplyStore 3"}) {
		t.Fatalf("steps %q", order)
	}
	l := s.left(id)
	for i, m := range l.Menus {
		if len(m) != 120 || m["00007"] != 200 {
			t.Errorf("menu of store %d has %d items, 00007 at %d", i+1, len(m), m["00007"])
		}
	}
	// A run of a feed that has ended touches nothing.
	again := stageOf(t, s.world)
	again.mustPerform(id)
	if slices.Contains(again.order(), "ApplyStore 1") {
		t.Errorf("steps of a feed that has ended: %q", again.order())
	}
	sameLeft(t, again.left(id), l)
}

var errScripted = errors.New("scripted")

// steps are all of a feed of threeStores.
var steps = []string{"Begin", "ApplyStore 1", "ApplyStore 2", "ApplyStore 3", "Finish"}

// A feed that fails for good at any step, before or after the step had its
// effect, says so, frees what it holds, and is in nobody's way.
func TestFeedWorkflowUnwindsFromEveryStep(t *testing.T) {
	for _, failing := range steps[:4] {
		for _, when := range []string{"before", "after"} {
			t.Run(failing+" "+when, func(t *testing.T) {
				s := newStage(t)
				s.around = func(_ context.Context, at step, do func() error) error {
					if at.String() != failing {
						return do()
					}
					if when == "after" {
						if err := do(); err != nil {
							return err
						}
					}
					return temporal.NewNonRetryableApplicationError("the step is scripted to fail", "Invalid", errScripted)
				}
				id := s.threeStores("2.00")
				f := s.mustPerform(id)
				if f.Status != Failed || f.Error != "the step is scripted to fail" {
					t.Fatalf("feed is %s: %q", f.Status, f.Error)
				}
				l := s.left(id)
				if strings.Contains(l.Fences, string(id)) {
					t.Errorf("the feed has ended and holds a fence: %s", l.Fences)
				}
				// What was applied by then is in the account, and shoppers see it.
				shown := 0
				for _, m := range l.Menus {
					shown += len(m)
				}
				if int64(shown) != f.Account.Applied {
					t.Errorf("%d items are applied, %d shown", f.Account.Applied, shown)
				}
				next := stageOf(t, s.world)
				after := s.threeStores("2.10")
				if f := next.mustPerform(after); f.Status != Done || f.Account.RowsRead != 360 || !f.Account.Closes() {
					t.Fatalf("the next feed is %s: %s %+v", f.Status, f.Error, f.Account)
				}
				for i, m := range next.left(after).Menus {
					if len(m) != 120 || m["00007"] != 210 {
						t.Errorf("menu of store %d has %d items, 00007 at %d", i+1, len(m), m["00007"])
					}
				}
			})
		}
	}
}

// Where even closing the account fails for good, the workflow fails and the
// feed stays open: the sweep runs it again, to its end.
func TestFeedWorkflowThatCannotFinishIsRunAgain(t *testing.T) {
	want := smooth(t)
	s := newStage(t)
	s.around = func(_ context.Context, at step, do func() error) error {
		if at.Name == "Finish" {
			return temporal.NewNonRetryableApplicationError("scripted", "Invalid", errScripted)
		}
		return do()
	}
	id := s.threeStores("2.00")
	if err := s.perform(id); err == nil {
		t.Fatal("the workflow hides that the account was not closed")
	}
	if f := s.feed(id); f.Status != Running {
		t.Fatalf("feed is %s", f.Status)
	}
	again := stageOf(t, s.world)
	if f := again.mustPerform(id); f.Status != Done {
		t.Fatalf("feed is %s: %s", f.Status, f.Error)
	}
	if slices.Contains(again.order(), "ApplyStore 1") {
		t.Errorf("stores that had finished were applied again: %q", again.order())
	}
	sameLeft(t, again.left(id), want)
}

// Unwinding twice, and finishing after it, changes nothing more.
func TestFeedWorkflowUnwindsTwice(t *testing.T) {
	s := newStage(t)
	s.around = func(_ context.Context, at step, do func() error) error {
		if at.String() == "ApplyStore 2" {
			return temporal.NewNonRetryableApplicationError("first reason", "Invalid", errScripted)
		}
		return do()
	}
	id := s.threeStores("2.00")
	first := s.mustPerform(id)
	l := s.left(id)
	for _, end := range []Ending{{Failed, "second reason"}, {Canceled, "third reason"}, {Done, ""}} {
		if err := s.service.finish(s.ctx, id, end.Status, end.Reason); err != nil {
			t.Fatal(err)
		}
	}
	if f := s.feed(id); f.Status != Failed || f.Error != first.Error || !f.FinishedAt.Equal(first.FinishedAt) {
		t.Errorf("feed is %s: %q since %s", f.Status, f.Error, f.FinishedAt)
	}
	sameLeft(t, s.left(id), l)
}

// Every step is repeated after it had its effect, as when the word of it was
// lost: nothing shows it.
func TestFeedWorkflowRepeatsEveryStep(t *testing.T) {
	want := smooth(t)
	for _, repeated := range append(slices.Clone(steps), "all") {
		t.Run(repeated, func(t *testing.T) {
			s := newStage(t)
			s.around = func(_ context.Context, at step, do func() error) error {
				if err := do(); err != nil {
					return err
				}
				if at.Attempt < 3 && (repeated == "all" || repeated == at.String()) {
					return errScripted
				}
				return nil
			}
			id := s.threeStores("2.00")
			s.mustPerform(id)
			sameLeft(t, s.left(id), want)
		})
	}
}

// A step that is cut off at any object that it makes durable goes on from
// there.
func TestFeedWorkflowGoesOnFromEveryObject(t *testing.T) {
	want := smooth(t)
	for _, object := range []string{"/segments/", "/changes/", "/menus/"} {
		for nth := 1; nth <= 3; nth++ {
			t.Run(fmt.Sprintf("%s%d", object, nth), func(t *testing.T) {
				s := newStage(t)
				var mu sync.Mutex
				count := 0
				s.bucket.failOn(func(key string) error {
					mu.Lock()
					defer mu.Unlock()
					if strings.Contains(key, object) {
						if count++; count == nth {
							return errScripted
						}
					}
					return nil
				})
				id := s.threeStores("2.00")
				s.mustPerform(id)
				if count <= nth {
					t.Fatalf("%d objects %s were written: the step was not repeated", count, object)
				}
				got := s.left(id)
				sameLeft(t, got, want)
			})
		}
	}
}

func TestFeedWorkflowBoundsRetries(t *testing.T) {
	for _, failing := range []string{"Begin", "ApplyStore 2"} {
		t.Run(failing, func(t *testing.T) {
			s := newStage(t)
			s.around = func(_ context.Context, at step, do func() error) error {
				if at.String() == failing {
					return errScripted
				}
				return do()
			}
			id := s.threeStores("2.00")
			began := s.env.Now()
			f := s.mustPerform(id)
			if f.Status != Failed || !strings.Contains(f.Error, "internal error") || strings.Contains(f.Error, "scripted") {
				t.Fatalf("feed is %s: %q", f.Status, f.Error)
			}
			attempts := 0
			for _, at := range s.taken {
				if at.String() == failing {
					attempts++
				}
			}
			if want := int(durable.Retry().MaximumAttempts); attempts != want {
				t.Errorf("%d attempts, want %d", attempts, want)
			}
			if took := s.env.Now().Sub(began); took < 10*time.Minute || took > 30*time.Minute {
				t.Errorf("the step was given up after %s", took)
			}
		})
	}
}

// A step whose worker is stopped, or cannot send its heartbeat, is canceled.
// It goes on elsewhere, and the feed is none the worse.
func TestFeedWorkflowOutlivesItsWorker(t *testing.T) {
	want := smooth(t)
	s := newStage(t)
	id := s.threeStores("2.00")
	in := s.input(id)
	s.around = func(ctx context.Context, at step, do func() error) error {
		if at.Attempt > 1 {
			return do()
		}
		stopped, stop := context.WithCancelCause(ctx)
		stop(errScripted)
		switch at.Name {
		case "Begin":
			_, err := s.real.Begin(stopped, in)
			return err
		case "ApplyStore":
			_, err := s.real.ApplyStore(stopped, in, at.Store)
			return err
		}
		return s.real.Finish(stopped, in, Ending{Status: Done})
	}
	if f := s.mustPerform(id); f.Status != Done {
		t.Fatalf("feed is %s: %s", f.Status, f.Error)
	}
	sameLeft(t, s.left(id), want)
}

// What is wrong by itself is not tried again.
func TestFeedWorkflowDoesNotRetryWhatIsWrong(t *testing.T) {
	s := newStage(t)
	receipt, err := s.submit(submission{}, "item_id,name\n00001,No price here\n")
	if err != nil {
		t.Fatal(err)
	}
	f := s.mustPerform(receipt.Feed)
	if f.Status != Failed || !strings.Contains(f.Error, "price") {
		t.Fatalf("feed is %s: %q", f.Status, f.Error)
	}
	if n := len(s.taken); n != 2 {
		t.Errorf("steps %v, want Begin and Finish once each", s.taken)
	}
}

// A store whose fence is another feed's is waited for outside of the worker,
// longer each time, and applied in the order of intake.
func TestFeedWorkflowWaitsForTheFence(t *testing.T) {
	s := newStage(t)
	first, second := s.threeStores("2.00"), s.threeStores("2.10")
	var pauses []time.Duration
	s.env.SetOnTimerScheduledListener(func(_ string, d time.Duration) { pauses = append(pauses, d) })
	tries := 0
	s.around = func(_ context.Context, at step, do func() error) error {
		if at.Store == "3" {
			// Store 3 is the last, so the timers are its own.
			if tries++; tries == 8 {
				if err := s.steps(first); err != nil {
					return err
				}
			}
		}
		return do()
	}
	in := s.input(second)
	in.StoresAtOnce = 3
	// The other stores are out of the way.
	for _, store := range []string{"1", "2"} {
		if _, _, err := s.service.begin(s.ctx, first, func(int64) {}); err != nil {
			t.Fatal(err)
		}
		if err := s.service.runStore(s.ctx, first, store, func(int) {}); err != nil {
			t.Fatal(err)
		}
	}
	s.env.ExecuteWorkflow(FeedWorkflow, in)
	if err := s.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	want := []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second}
	if !slices.Equal(pauses, want) {
		t.Errorf("pauses %v, want %v", pauses, want)
	}
	if a, b := s.feed(first), s.feed(second); a.Status != Done || b.Status != Done || b.Account.Applied != 360 {
		t.Errorf("feeds are %s and %s %+v", a.Status, b.Status, b.Account)
	}
	if price := s.menu("3")["00007"]; price != 210 {
		t.Errorf("the menu of store 3 has the price %d of the older feed", price)
	}
}

func TestFeedWorkflowWorksOnAFewStoresAtOnce(t *testing.T) {
	s := newStage(t)
	var mu sync.Mutex
	now, most := 0, 0
	var both sync.Once
	pair := make(chan struct{})
	s.around = func(_ context.Context, at step, do func() error) error {
		if at.Name != "ApplyStore" {
			return do()
		}
		mu.Lock()
		now++
		most = max(most, now)
		if now == 2 {
			both.Do(func() { close(pair) })
		}
		mu.Unlock()
		<-pair // the first two wait for each other
		err := do()
		mu.Lock()
		now--
		mu.Unlock()
		return err
	}
	s.mustPerform(s.threeStores("2.00"))
	if most != 2 {
		t.Errorf("%d stores were worked on at once, want 2", most)
	}
}

// A canceled feed ends as canceled: stores that were done stay, and the one at
// work stops.
func TestFeedWorkflowIsCanceled(t *testing.T) {
	s := newStage(t)
	s.around = func(ctx context.Context, at step, do func() error) error {
		if at.String() == "ApplyStore 2" {
			s.env.CancelWorkflow()
			<-ctx.Done() // as the heartbeat tells
			return ctx.Err()
		}
		return do()
	}
	id := s.threeStores("2.00")
	s.env.RegisterDelayedCallback(func() {}, time.Hour)
	in := s.input(id)
	in.StoresAtOnce = 1
	s.env.ExecuteWorkflow(FeedWorkflow, in)
	f := s.feed(id)
	if f.Status != Canceled || f.Account.Applied != 120 {
		t.Fatalf("feed is %s: %q %+v", f.Status, f.Error, f.Account)
	}
	if order := s.order(); !slices.Equal(order, []string{"Begin", "ApplyStore 1", "ApplyStore 2", "Finish"}) {
		t.Errorf("steps %q", order)
	}
	if l := s.left(id); strings.Contains(l.Fences, string(id)) || len(l.Menus[0]) != 120 {
		t.Errorf("fences %s, %d items shown in store 1", l.Fences, len(l.Menus[0]))
	}
}

// A step may go on for a while after its feed has ended, until the heartbeat
// tells it. It changes nothing more, so the account that was closed holds.
func TestEndedFeedChangesNothingMore(t *testing.T) {
	w := newWorld(t)
	receipt, err := w.submit(submission{}, file(1, 200, "2.00"))
	if err != nil {
		t.Fatal(err)
	}
	id := receipt.Feed
	if _, _, err := w.service.begin(w.ctx, id, func(int64) {}); err != nil {
		t.Fatal(err)
	}
	err = w.service.runStore(w.ctx, id, "1", func(chunk int) {
		if chunk == 2 {
			if err := w.service.finish(w.ctx, id, Canceled, "enough"); err != nil {
				t.Error(err)
			}
		}
	})
	if !errors.Is(err, errFenceLost) {
		t.Fatalf("the step of an ended feed goes on: %v", err)
	}
	f, l := w.feed(id), w.left(id)
	if f.Status != Canceled || f.Account.Applied != 100 || !strings.HasPrefix(l.Chunks, "1/0:50/50 1/1:50/50") || strings.Contains(l.Chunks, "1/2") {
		t.Errorf("feed is %s %+v, chunks %s", f.Status, f.Account, l.Chunks)
	}
	if len(l.Menus[0]) != 100 {
		t.Errorf("%d items are shown of the 100 that were applied", len(l.Menus[0]))
	}
	// An attempt that comes late finds nothing to do and holds nothing.
	if err := w.service.runStore(w.ctx, id, "1", func(int) { t.Error("a chunk of an ended feed") }); err != nil {
		t.Fatal(err)
	}
	sameLeft(t, w.left(id), l)
}

// A feed that is canceled before its workflow was started is not started by
// the sweep afterwards.
func TestCanceledBeforeItStarts(t *testing.T) {
	w := newWorld(t)
	receipt, err := w.submit(submission{}, file(1, 10, "2.00"))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.service.cancel(w.ctx, receipt.Feed); err != nil {
		t.Fatal(err)
	}
	if f := w.feed(receipt.Feed); f.Status != Canceled {
		t.Fatalf("feed is %s", f.Status)
	}
	if open, err := w.service.store.openFeeds(w.ctx, w.now().Add(time.Hour)); err != nil || len(open) > 0 {
		t.Fatalf("open feeds %v, error %v", open, err)
	}
	w.send(submission{}, file(1, 10, "2.00")) // the same content is no resend of it
}

// A unit of work keeps its chunks where the configuration has others after a
// restart: the ledger knows them by number alone.
func TestChunksKeepTheirSizeOverARestart(t *testing.T) {
	w := newWorld(t)
	w.send(submission{}, file(1, 400, "2.00"))
	receipt, err := w.submit(submission{}, file(1, 290, "2.00"))
	if err != nil {
		t.Fatal(err)
	}
	parts, _, err := w.service.begin(w.ctx, receipt.Feed, func(int64) {})
	if err != nil {
		t.Fatal(err)
	}
	// It stops after one chunk of removals.
	stopping, stop := context.WithCancel(w.ctx)
	err = w.service.runStore(stopping, receipt.Feed, "1", func(chunk int) {
		if chunk == parts[0].Chunks+1 {
			stop()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("the step ended in %v", err)
	}
	w.service.cfg.ChunkRows = 90
	f := w.run(receipt.Feed)
	if f.Status != Done || f.Account.Removed != 110 || len(w.menu("1")) != 290 {
		t.Errorf("feed is %s: %s, %d of 110 items removed, %d of 290 shown", f.Status, f.Error, f.Account.Removed, len(w.menu("1")))
	}
}

// A feed of many stores goes on in a new run of its workflow, so that no
// history grows beyond bounds.
func TestFeedWorkflowContinuesAsNew(t *testing.T) {
	w := newWorld(t)
	pool, err := w.service.store.pool(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	const stores = storesPerRun + 2
	for table, columns := range map[string]string{"store": "name, region", "store_fence": "feed_id, token"} {
		values := map[string]string{"store": "'Far', 'far'", "store_fence": "'', ''"}[table]
		if _, err := pool.Exec(w.ctx, fmt.Sprintf(`
INSERT INTO %s (merchant_id, store_id, %s) SELECT 'corner', to_char(n, 'FM0000'), %s FROM generate_series(1, %d) AS n`,
			table, columns, values, stores)); err != nil {
			t.Fatal(err)
		}
	}
	receipt, err := w.submit(submission{Region: "far"}, file(1, 2, "2.00"))
	if err != nil {
		t.Fatal(err)
	}
	s := stageOf(t, w)
	in := s.input(receipt.Feed)
	s.env.ExecuteWorkflow(FeedWorkflow, in)
	var next *workflow.ContinueAsNewError
	if err := s.env.GetWorkflowError(); !errors.As(err, &next) || next.WorkflowType.Name != "FeedWorkflow" {
		t.Fatalf("the first run ends in %v", err)
	}
	if order := s.order(); len(order) != 1+storesPerRun || slices.Contains(order, "Finish") {
		t.Fatalf("the first run took %d steps, the last is %s", len(order), order[len(order)-1])
	}
	if f := s.feed(receipt.Feed); f.Status != Running {
		t.Fatalf("after the first run the feed is %s", f.Status)
	}
	second := stageOf(t, w)
	f := second.mustPerform(receipt.Feed)
	if order := second.order(); len(order) != 1+2+1 {
		t.Errorf("the second run took steps %q", order)
	}
	if f.Status != Done || f.Account.Applied != 2*stores || !f.Account.Closes() {
		t.Errorf("feed is %s: %s %+v", f.Status, f.Error, f.Account)
	}
}

// A step tells how far it is, and is missed when it stops telling.
func TestStepsHeartbeat(t *testing.T) {
	w := newWorld(t)
	receipt, err := w.submit(submission{}, file(1, 200, "2.00"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.service.begin(w.ctx, receipt.Feed, func(int64) {}); err != nil {
		t.Fatal(err)
	}
	s := stageOf(t, w)
	limits := map[string]time.Duration{}
	s.around = func(ctx context.Context, at step, do func() error) error {
		s.mu.Lock()
		limits[at.Name] = activity.GetInfo(ctx).HeartbeatTimeout
		s.mu.Unlock()
		return do()
	}
	s.mustPerform(receipt.Feed)
	for _, name := range []string{"Begin", "ApplyStore", "Finish"} {
		if limits[name] != s.input("").Heartbeat {
			t.Errorf("%s is missed after %s, want %s", name, limits[name], s.input("").Heartbeat)
		}
	}
}

// Histories of real runs, recorded by `go test -tags faults ./cmd/bodega -run
// Histories -update`, still lead through the workflow as it is. One that does
// not means that feeds which are under way when a server is replaced would
// stand still: the workflow needs workflow.GetVersion where it changed.
func TestStoredHistoriesReplay(t *testing.T) {
	files, err := filepath.Glob("testdata/histories/*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 4 {
		t.Fatalf("only %d histories are stored", len(files))
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			r := worker.NewWorkflowReplayer()
			r.RegisterWorkflow(FeedWorkflow)
			if err := r.ReplayWorkflowHistoryFromJSONFile(quietLogger{}, file); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// quietLogger drops the SDK's lines: tests fail by what they check.
type quietLogger struct{}

func (quietLogger) Debug(string, ...any) {}
func (quietLogger) Info(string, ...any)  {}
func (quietLogger) Warn(string, ...any)  {}
func (quietLogger) Error(string, ...any) {}
