package inventory

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/bodega-hq/bodega/internal/platform/durable"
	"github.com/bodega-hq/bodega/internal/platform/tenant"
)

// Activities are the steps of FeedWorkflow. Each is safe to repeat from any
// point at which it was cut off.
type Activities struct {
	service *Service
}

// run gives a step its tenant and its heartbeat, and its errors their kind.
func (a *Activities) run(ctx context.Context, in FeedInput, step func(context.Context) error) error {
	ctx = tenant.With(ctx, tenant.ID(in.Tenant))
	stop := durable.Heartbeat(ctx, max(in.Heartbeat/3, 1))
	defer stop()
	err := step(ctx)
	if err != nil && ctx.Err() == nil {
		a.service.deps.Logger.WarnContext(ctx, "step of a feed ended in an error",
			"feed_id", string(in.Feed), "attempt", activity.GetInfo(ctx).Attempt, "error", err.Error())
	}
	return durable.Fault(err)
}

// Begin marks the unit as running, splits its file if it has one that was not
// split yet, and says which stores are to be worked on.
func (a *Activities) Begin(ctx context.Context, in FeedInput) (begun Begun, err error) {
	s := a.service
	err = a.run(ctx, in, func(ctx context.Context) error {
		parts, ended, err := s.begin(ctx, in.Feed, func(rows int64) { activity.RecordHeartbeat(ctx, rows) })
		if begun.Ended = ended; err != nil || ended {
			return err
		}
		for _, p := range parts {
			if p.Finished {
				continue
			}
			if len(begun.Stores) == storesPerRun {
				begun.More = true
				break
			}
			begun.Stores = append(begun.Stores, p.Key.Store)
		}
		return nil
	})
	return begun, err
}

// ApplyStore does the unit's work on one store. True means that another unit
// comes first and nothing was done.
func (a *Activities) ApplyStore(ctx context.Context, in FeedInput, storeID string) (busy bool, err error) {
	err = a.run(ctx, in, func(ctx context.Context) error {
		err := a.service.runStore(ctx, in.Feed, storeID, func(chunk int) { activity.RecordHeartbeat(ctx, chunk) })
		if errors.Is(err, errFenceBusy) {
			busy = true
			return nil
		}
		return err
	})
	return busy, err
}

// Finish closes the unit's account.
func (a *Activities) Finish(ctx context.Context, in FeedInput, end Ending) error {
	return a.run(ctx, in, func(ctx context.Context) error {
		return a.service.finish(ctx, in.Feed, end.Status, end.Reason)
	})
}

// TemporalStarter starts feeds as Temporal workflows, whose id makes that one
// run however often it is asked for.
type TemporalStarter struct {
	Client client.Client
	Config Config
}

func workflowID(id tenant.ID, feedID FeedID) string {
	return fmt.Sprintf("inventory-feed/%s/%s", id, feedID)
}

// StartFeed implements Starter.
func (t *TemporalStarter) StartFeed(ctx context.Context, id FeedID) (started bool, err error) {
	in, err := tenant.From(ctx)
	if err != nil {
		return false, err
	}
	_, err = t.Client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: workflowID(in, id), TaskQueue: TaskQueue, WorkflowExecutionErrorWhenAlreadyStarted: true,
		// A run that failed as a workflow, not as a feed, may be taken up again.
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
	}, FeedWorkflow, FeedInput{
		Tenant: string(in), Feed: id, StoresAtOnce: t.Config.StoresAtOnce, Heartbeat: t.Config.HeartbeatLimit,
	})
	if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		return false, nil
	}
	return err == nil, err
}

// CancelFeed implements Starter.
func (t *TemporalStarter) CancelFeed(ctx context.Context, id FeedID) (running bool, err error) {
	in, err := tenant.From(ctx)
	if err != nil {
		return false, err
	}
	err = t.Client.CancelWorkflow(ctx, workflowID(in, id), "")
	var gone *serviceerror.NotFound
	if errors.As(err, &gone) {
		return false, nil
	}
	return err == nil, err
}
