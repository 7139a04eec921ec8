package fault_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bodega-hq/bodega/internal/platform/fault"
)

var (
	errUnknown = fault.New(fault.NotFound, "this feed does not exist")
	errDriver  = errors.New("dial tcp 10.0.0.7:5432: refused")
)

func TestUserAndOperatorReadDifferentThings(t *testing.T) {
	for _, c := range []struct {
		name           string
		err            error
		kind           fault.Kind
		user, operator string
	}{
		{"nothing sorted", errDriver, fault.Internal, "", errDriver.Error()},
		{"a sentinel", errUnknown, fault.NotFound, "this feed does not exist", "this feed does not exist"},
		{"wrapped on the way", fmt.Errorf("load feed f1: %w", errUnknown), fault.NotFound, "this feed does not exist", "load feed f1: this feed does not exist"},
		{"a kind for a driver's error", fault.Wrap(fault.Unavailable, errDriver, "try again later"), fault.Unavailable, "try again later", "try again later: " + errDriver.Error()},
		{"wrapped after that", fmt.Errorf("list feeds: %w", fault.Wrap(fault.Unavailable, errDriver, "try again later")), fault.Unavailable, "try again later", "list feeds: try again later: " + errDriver.Error()},
		{"explained", fault.Explain(fmt.Errorf("load feed f1: %w", errUnknown), "the upload is gone"), fault.NotFound, "the upload is gone", "the upload is gone: load feed f1: this feed does not exist"},
		{"an explained defect stays hidden", fault.Explain(errDriver, "hello"), fault.Internal, "", "hello: " + errDriver.Error()},
		{"a declared defect stays hidden", fault.New(fault.Internal, "impossible"), fault.Internal, "", "impossible"},
		{"a kind changed further out", fault.Wrap(fault.Invalid, errUnknown, "feed_id: no such feed"), fault.Invalid, "feed_id: no such feed", "feed_id: no such feed: this feed does not exist"},
		{"formatted", fault.Errorf(fault.Invalid, "row %d", 7), fault.Invalid, "row 7", "row 7"},
		{"with a wait", fault.After(errUnknown, time.Second), fault.NotFound, "this feed does not exist", "this feed does not exist"},
		{"joined", errors.Join(errDriver, errUnknown), fault.NotFound, "this feed does not exist", errDriver.Error() + "\nthis feed does not exist"},
		{"given up", fmt.Errorf("load: %w", context.Canceled), fault.Canceled, "the call was canceled", "load: context canceled"},
		{"too late", fmt.Errorf("load: %w", context.DeadlineExceeded), fault.Timeout, "the call took longer than its deadline", "load: context deadline exceeded"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := fault.KindOf(c.err); got != c.kind {
				t.Errorf("kind %s, want %s", got, c.kind)
			}
			if got := fault.UserMessage(c.err); got != c.user {
				t.Errorf("the user reads %q, want %q", got, c.user)
			}
			if got := c.err.Error(); got != c.operator {
				t.Errorf("the operator reads %q, want %q", got, c.operator)
			}
		})
	}
}

func TestNilStaysNil(t *testing.T) {
	if fault.Wrap(fault.Invalid, nil, "x") != nil || fault.Explain(nil, "x") != nil || fault.After(nil, time.Second) != nil {
		t.Error("no error became one")
	}
	if fault.KindOf(nil) != fault.Internal || fault.UserMessage(nil) != "" {
		t.Error("nil has a kind or a message")
	}
}

func TestSentinelsAreFoundThroughEveryWrapping(t *testing.T) {
	other := fault.New(fault.NotFound, "this feed does not exist")
	rapid.Check(t, func(t *rapid.T) {
		err := errUnknown
		for range rapid.IntRange(0, 8).Draw(t, "depth") {
			switch rapid.IntRange(0, 3).Draw(t, "wrapping") {
			case 0:
				err = fmt.Errorf("op: %w", err)
			case 1:
				err = fault.Explain(err, "said again")
			case 2:
				err = fault.After(err, time.Second)
			case 3:
				err = errors.Join(err, errDriver)
			}
		}
		if !errors.Is(err, errUnknown) || errors.Is(err, other) {
			t.Fatalf("%v is not its sentinel, or is another's", err)
		}
		if fault.KindOf(err) != fault.NotFound {
			t.Fatalf("%v is %s", err, fault.KindOf(err))
		}
		if got := fault.UserMessage(err); strings.Contains(got, "10.0.0.7") || got == "" {
			t.Fatalf("the user reads %q", got)
		}
	})
}

func TestRetries(t *testing.T) {
	retryable := map[fault.Kind]bool{fault.Unavailable: true, fault.ResourceExhausted: true, fault.Stale: true, fault.Timeout: true}
	for _, kind := range fault.Kinds() {
		if got := fault.Retryable(kind); got != retryable[kind] {
			t.Errorf("Retryable(%s) = %v", kind, got)
		}
		want := retryable[kind] || kind == fault.Internal || kind == fault.Canceled
		if got := fault.RetryActivity(fmt.Errorf("op: %w", fault.New(kind, "x"))); got != want {
			t.Errorf("RetryActivity(%s) = %v", kind, got)
		}
		if strings.HasPrefix(kind.String(), "kind_") {
			t.Errorf("kind %d has no name", kind)
		}
	}
	if wait, ok := fault.RetryAfter(fmt.Errorf("op: %w", fault.After(fault.After(errUnknown, time.Hour), time.Second))); !ok || wait != time.Second {
		t.Errorf("RetryAfter = %s, %v", wait, ok)
	}
	if _, ok := fault.RetryAfter(errUnknown); ok {
		t.Error("an error without a wait has one")
	}
	if got := fault.Kind(200).String(); got != "kind_200" {
		t.Errorf("an unknown kind is called %q", got)
	}
}
