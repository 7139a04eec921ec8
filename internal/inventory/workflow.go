package inventory

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/bodega-hq/bodega/internal/platform/durable"
)

// TaskQueue is where the inventory's workers listen.
const TaskQueue = "inventory"

// FeedInput is what a feed's workflow is started with.
type FeedInput struct {
	Tenant       string
	Feed         FeedID
	StoresAtOnce int
	Heartbeat    time.Duration
}

// Begun is what the first step of a unit of work leaves to do.
type Begun struct {
	// Stores have not finished yet; at most storesPerRun of them.
	Stores []string
	// More says that there are others.
	More bool
	// Ended says that the unit has ended already.
	Ended bool
}

// storesPerRun bounds the history of one run of the workflow.
const storesPerRun = 500

// FeedWorkflow takes a unit of work from what was stored to what shoppers see:
// it splits the file, applies it to each store, and closes the account.
func FeedWorkflow(ctx workflow.Context, in FeedInput) error {
	ctx = durable.Options(ctx, in.Heartbeat)
	var a *Activities
	var begun Begun
	err := workflow.ExecuteActivity(ctx, a.Begin, in).Get(ctx, &begun)
	if err == nil && !begun.Ended {
		err = applyStores(ctx, in, begun.Stores)
	}
	if errors.Is(err, errHistoryFull) || err == nil && begun.More {
		return workflow.NewContinueAsNewError(ctx, FeedWorkflow, in)
	}
	end := Ending{Status: Done}
	switch {
	case temporal.IsCanceledError(err):
		end = Ending{Status: Canceled, Reason: canceled}
	case err != nil:
		end = Ending{Status: Failed, Reason: durable.UserMessage(err)}
	}
	// The account is closed also where the workflow was canceled.
	closing, _ := workflow.NewDisconnectedContext(ctx)
	return workflow.ExecuteActivity(closing, a.Finish, in, end).Get(closing, nil)
}

// Ending is how a unit of work ended.
type Ending struct {
	Status Status
	Reason string
}

// errHistoryFull says that stores still wait, and that the wait should go on
// in a new run: Temporal ends one whose history grows beyond its limit.
var errHistoryFull = errors.New("the history of this run is full")

// applyStores works on a few stores at once. The first error is returned when
// all of them have come to an end; a full history only where there is no other.
func applyStores(ctx workflow.Context, in FeedInput, stores []string) error {
	slots := workflow.NewSemaphore(ctx, int64(max(1, in.StoresAtOnce)))
	group := workflow.NewWaitGroup(ctx)
	var first error
	for _, store := range stores {
		if err := slots.Acquire(ctx, 1); err != nil {
			first = err
			break
		}
		group.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer group.Done()
			defer slots.Release(1)
			if err := applyStore(ctx, in, store); err != nil && (first == nil || errors.Is(first, errHistoryFull)) {
				first = err
			}
		})
	}
	group.Wait(ctx)
	return first
}

// applyStore waits for the store's fence outside of the worker, so that those
// who wait take no place from the one they wait for.
func applyStore(ctx workflow.Context, in FeedInput, store string) error {
	var a *Activities
	for pause := 250 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		var busy bool
		if err := workflow.ExecuteActivity(ctx, a.ApplyStore, in, store).Get(ctx, &busy); err != nil || !busy {
			return err
		}
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			return errHistoryFull
		}
		if err := workflow.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}
