// Package durable is how systems run long work: as Temporal workflows whose
// steps survive the process. It holds what they share: the connection, and
// the rule by which an error ends a step or lets it be tried again.
package durable

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/bodega-hq/bodega/internal/platform/fault"
)

// Namespace is the Temporal namespace of all workflows; their inputs name the tenant.
const Namespace = "bodega"

// Dial connects to a Temporal server. A nil tls speaks plainly.
func Dial(ctx context.Context, address string, tlsConfig *tls.Config, logger *slog.Logger) (client.Client, error) {
	c, err := client.DialContext(ctx, client.Options{
		HostPort: address, Namespace: Namespace, Logger: quiet{logger.With("component", "temporal-client")},
		ConnectionOptions: client.ConnectionOptions{TLS: tlsConfig},
	})
	if err != nil {
		return nil, fmt.Errorf("connect to Temporal at %s: %w", address, err)
	}
	return c, nil
}

// NewWorker makes a worker of a task queue that runs at most this many
// activities at once.
func NewWorker(c client.Client, queue string, activities int) worker.Worker {
	return worker.New(c, queue, worker.Options{
		MaxConcurrentActivityExecutionSize: activities,
		WorkerStopTimeout:                  10 * time.Second,
	})
}

// Fault turns an error into one that Temporal treats by its kind: what is
// wrong by itself ends the step at once, everything else is tried again. The
// message is what a user may read.
func Fault(err error) error {
	if err == nil {
		return nil
	}
	kind := fault.KindOf(err)
	if fault.RetryActivity(err) {
		return err
	}
	return temporal.NewNonRetryableApplicationError(fault.UserMessage(err), kind.String(), err)
}

// UserMessage is what a user may read of an error that a workflow's step
// ended with.
func UserMessage(err error) string {
	var app *temporal.ApplicationError
	if errors.As(err, &app) && app.Type() != "" && app.NonRetryable() {
		return app.Message()
	}
	var timeout *temporal.TimeoutError
	if errors.As(err, &timeout) {
		return "the work stopped answering and was given up after its last attempt"
	}
	return "internal error: the log has the whole of it"
}

// Retry is the policy of steps: a minute of outage costs nothing, and after
// about a quarter of an hour a person should look.
func Retry() *temporal.RetryPolicy {
	return &temporal.RetryPolicy{
		InitialInterval: 500 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second, MaximumAttempts: 36,
	}
}

// Options are those of a step that may take long and heartbeats.
func Options(ctx workflow.Context, heartbeat time.Duration) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 12 * time.Hour, HeartbeatTimeout: heartbeat, RetryPolicy: Retry(),
	})
}

// Heartbeat beats until the returned function is called, so that a step whose
// process died is missed soon. It also cancels ctx when the step is.
func Heartbeat(ctx context.Context, every time.Duration) (stop func()) {
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			activity.RecordHeartbeat(ctx)
			select {
			case <-done:
				return
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return func() { close(done); <-ended }
}

// quiet hands the client's lines on one level lower: it reports every
// reconnection as an error, and the step that suffers reports it again.
type quiet struct{ l *slog.Logger }

func (q quiet) log(level slog.Level, msg string, keyvals []any) {
	//nolint:sloglint // the client's own messages are what is handed on
	q.l.Log(context.Background(), level, msg, keyvals...)
}

func (q quiet) Debug(msg string, keyvals ...any) { q.log(slog.LevelDebug-4, msg, keyvals) }
func (q quiet) Info(msg string, keyvals ...any)  { q.log(slog.LevelDebug, msg, keyvals) }
func (q quiet) Warn(msg string, keyvals ...any)  { q.log(slog.LevelDebug, msg, keyvals) }
func (q quiet) Error(msg string, keyvals ...any) { q.log(slog.LevelInfo, msg, keyvals) }
