package rpc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/bodega-hq/bodega/internal/platform/fault"
	"github.com/bodega-hq/bodega/internal/platform/telemetry"
)

// What is decided about a failed attempt that could be retried.
const (
	retried       = "retried"
	overBudget    = "over_budget"
	outOfAttempts = "out_of_attempts"
	outOfTime     = "out_of_time"
	toldNotTo     = "told_not_to"
)

// policy is Policy at work for one server.
type policy struct {
	Policy
	target  string
	budget  budget
	breaker circuitbreaker.CircuitBreaker[any]
	metrics *clientMetrics
}

func newPolicy(p Policy, target string, metrics *telemetry.Metrics) *policy {
	w := &policy{Policy: p, target: target, budget: budget{ratio: p.RetryRatio, burst: p.RetryBurst, tokens: p.RetryBurst}}
	if metrics != nil {
		w.metrics = metricsOf(metrics, target)
	}
	w.breaker = circuitbreaker.NewBuilder[any]().
		WithFailureRateThreshold(p.BreakerRate, p.BreakerCalls, p.BreakerWindow).
		WithDelay(p.BreakerDelay).WithJitterFactor(0.2).
		WithSuccessThreshold(p.BreakerProbes).
		OnStateChanged(w.breakerChanged).
		Build()
	return w
}

func (p *policy) breakerChanged(e circuitbreaker.StateChangedEvent) {
	if p.metrics == nil {
		return
	}
	switch e.NewState {
	case circuitbreaker.OpenState:
		p.metrics.breaker.Set(1)
	case circuitbreaker.HalfOpenState:
		p.metrics.breaker.Set(0.5)
	default:
		p.metrics.breaker.Set(0)
	}
}

// WrapUnary gives calls their deadline, retries and the breaker.
func (p *policy) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		ctx, cancel := withDeadline(ctx, p.Deadline)
		defer cancel()
		p.budget.earn()
		for attempt := 1; ; attempt++ {
			res, err := p.attempt(ctx, req, next)
			if err == nil {
				return res, nil
			}
			if !repeatable(req, err) {
				return nil, &callFailed{err}
			}
			wait, decision := p.decide(ctx, attempt, err)
			p.countRetry(decision)
			if decision != retried {
				return nil, &callFailed{err}
			}
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return nil, &callFailed{err}
			}
		}
	}
}

func (p *policy) attempt(ctx context.Context, req connect.AnyRequest, next connect.UnaryFunc) (connect.AnyResponse, error) {
	if !p.breaker.TryAcquirePermit() {
		return nil, p.open()
	}
	recorded := false
	defer func() {
		if !recorded { // next panicked: a permit must come back all the same
			p.breaker.RecordFailure()
		}
	}()
	res, err := next(ctx, req)
	recorded = true
	p.record(req.Spec().Procedure, err)
	return res, err
}

// open is the refusal of a call that was not made.
func (p *policy) open() error {
	wait := max(p.breaker.RemainingDelay(), time.Millisecond)
	refusal := connect.NewError(connect.CodeUnavailable, fmt.Errorf("%s did not answer several times; the next try is made in %s: %w",
		p.target, wait.Round(time.Millisecond), circuitbreaker.ErrOpen))
	setRetryAfter(refusal.Meta(), wait)
	return refusal
}

// record tells the breaker and the metrics how an attempt ended. A server
// that answers is up, whatever it answers.
func (p *policy) record(procedure string, err error) {
	if p.metrics != nil {
		code := codeOK
		if err != nil {
			code = codeOf(err).String()
		}
		p.metrics.attempts.WithLabelValues(procedure, code).Inc()
	}
	switch KindOf(err) {
	case fault.Unavailable, fault.Timeout:
		p.breaker.RecordFailure()
	case fault.Canceled:
		// Our side gave up: that says nothing about the server. A probe has to
		// end in something, though, and no answer is no sign of life.
		if p.breaker.IsHalfOpen() {
			p.breaker.RecordFailure()
		}
	default:
		p.breaker.RecordSuccess()
	}
}

// codeOf is connect.CodeOf, but for a context's errors too.
func codeOf(err error) connect.Code {
	var ce *connect.Error
	if errors.As(err, &ce) {
		return ce.Code()
	}
	return CodeOf(KindOf(err))
}

// decide says whether and when a call is tried again.
func (p *policy) decide(ctx context.Context, attempt int, err error) (time.Duration, string) {
	if attempt >= p.Attempts {
		return 0, outOfAttempts
	}
	wait := p.backoff(attempt)
	if told, ok := pushback(err); ok {
		if told < 0 {
			return 0, toldNotTo
		}
		// Everybody who was told the same must not come back at once.
		wait = told + p.backoff(1)
	}
	if deadline, ok := ctx.Deadline(); ctx.Err() != nil || (ok && time.Until(deadline) <= wait) {
		return 0, outOfTime
	}
	if !p.budget.spend() {
		return 0, overBudget
	}
	return wait, retried
}

func (p *policy) countRetry(decision string) {
	if p.metrics != nil {
		p.metrics.retries.WithLabelValues(decision).Inc()
	}
}

// backoff draws the wait before the retry that follows an attempt: evenly
// from zero to a bound that doubles ("full jitter", Brooker, Exponential
// Backoff And Jitter, AWS Architecture Blog, 2015).
func (p *policy) backoff(attempt int) time.Duration {
	bound := p.Backoff << (attempt - 1)
	if bound > p.MaxBackoff || bound <= 0 {
		bound = p.MaxBackoff
	}
	return rand.N(bound + 1)
}

// pushback is what the server said about retries; negative where it said not
// to (https://github.com/grpc/proposal/blob/master/A6-client-retries.md).
func pushback(err error) (time.Duration, bool) {
	var ce *connect.Error
	if !errors.As(err, &ce) {
		return 0, false
	}
	if v := ce.Meta().Get(retryPushbackHeader); v != "" {
		ms, err := strconv.ParseInt(v, 10, 32)
		if err != nil || ms < 0 {
			return -1, true
		}
		return time.Duration(ms) * time.Millisecond, true
	}
	if s, err := strconv.ParseInt(ce.Meta().Get(retryAfterHeader), 10, 32); err == nil && s >= 0 {
		return time.Duration(s) * time.Second, true
	}
	return 0, false
}

// repeatable says whether a failed call may be made again: the failure has to
// be one that passes, and the call one that twice is as good as once.
func repeatable(req connect.AnyRequest, err error) bool {
	switch KindOf(err) {
	case fault.Unavailable, fault.ResourceExhausted:
	default:
		return false
	}
	var ce *connect.Error
	if errors.As(err, &ce) && ce.Code() == connect.CodeResourceExhausted && !connect.IsWireError(err) {
		return false // our own limit, such as of a message's size: it stays
	}
	switch req.Spec().IdempotencyLevel {
	case connect.IdempotencyNoSideEffects, connect.IdempotencyIdempotent:
		return true
	}
	return idempotencyKey(req.Any()) != ""
}

func idempotencyKey(msg any) string {
	m, ok := msg.(proto.Message)
	if !ok {
		return ""
	}
	r := m.ProtoReflect()
	f := r.Descriptor().Fields().ByName("idempotency_key")
	if f == nil || f.Kind() != protoreflect.StringKind || f.IsList() {
		return ""
	}
	return r.Get(f).String()
}

// WrapStreamingClient puts streams under the breaker. They are not retried: a
// part of their messages may have been worked on.
func (p *policy) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		conn := next(ctx, spec)
		if !p.breaker.TryAcquirePermit() {
			return &refusedStream{StreamingClientConn: conn, err: &callFailed{p.open()}}
		}
		return &watchedStream{StreamingClientConn: conn, policy: p}
	}
}

// WrapStreamingHandler is for servers and does nothing.
func (p *policy) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

// budget lets retries be a fixed share of calls: each call earns a part of a
// retry, each retry spends a whole one.
type budget struct {
	ratio, burst float64

	mu     sync.Mutex
	tokens float64
}

func (b *budget) earn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens = min(b.tokens+b.ratio, b.burst)
}

func (b *budget) spend() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
