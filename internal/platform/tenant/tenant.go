// Package tenant says whose tables a request sees. Tenants share a database
// and have schemas of their own; a request names its tenant in the W3C
// baggage header, so that the choice travels with every call that the request
// causes.
package tenant

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"go.opentelemetry.io/otel/baggage"

	"github.com/bodega-hq/bodega/internal/platform/fault"
)

// ID names a tenant. It becomes a part of schema names, so that its letters
// are limited.
type ID string

// The tenants of an installation that configures none.
const (
	Prod ID = "prod"
	Test ID = "test"
)

// Header is the W3C baggage header (https://www.w3.org/TR/baggage/), and
// Member the baggage member that names the tenant.
const (
	Header = "Baggage"
	Member = "tenant"
)

// ErrNone is a context without a tenant where one is needed.
var ErrNone = errors.New("no tenant in this context")

var idPattern = regexp.MustCompile(`^[a-z][a-z0-9]{0,15}$`)

// Set is the tenants of an installation; the first one is the default.
type Set struct {
	ids []ID
}

// NewSet checks the names and makes them a set. The first is the default.
func NewSet(names ...string) (Set, error) {
	if len(names) == 0 {
		return Set{}, errors.New("tenants: at least one is needed, such as prod")
	}
	var set Set
	for _, name := range names {
		id := ID(name)
		if !idPattern.MatchString(name) {
			return Set{}, fmt.Errorf("tenant %q: a name is a lower-case letter and up to 15 lower-case letters or digits", name)
		}
		if slices.Contains(set.ids, id) {
			return Set{}, fmt.Errorf("tenant %q is named twice", name)
		}
		set.ids = append(set.ids, id)
	}
	return set, nil
}

// Default is the tenant of a request that names none.
func (s Set) Default() ID { return s.ids[0] }

// IDs lists the tenants, the default first.
func (s Set) IDs() []ID { return slices.Clone(s.ids) }

// Has says whether the tenant exists.
func (s Set) Has(id ID) bool { return slices.Contains(s.ids, id) }

// With gives ctx a tenant.
func With(ctx context.Context, id ID) context.Context {
	return context.WithValue(ctx, contextKey{}, id)
}

// From is the tenant of ctx, or ErrNone. Nothing falls back to the default
// here: background work that forgot its tenant must not write to it.
func From(ctx context.Context) (ID, error) {
	id, ok := ctx.Value(contextKey{}).(ID)
	if !ok {
		return "", ErrNone
	}
	return id, nil
}

type contextKey struct{}

// FromBaggage reads the tenant that the values of a baggage header ask for;
// empty where they ask for none. A header that is not baggage is Invalid.
func FromBaggage(values []string) (ID, error) {
	for _, value := range values {
		bag, err := baggage.Parse(value)
		if err != nil {
			return "", fault.Wrap(fault.Invalid, err, "the baggage header is not W3C baggage")
		}
		if member := bag.Member(Member); member.Key() != "" {
			return ID(member.Value()), nil
		}
	}
	return "", nil
}

// IntoBaggage puts the tenant into the value of a baggage header and keeps
// the other members. A value that is not baggage is replaced.
func IntoBaggage(value string, id ID) (string, error) {
	bag, err := baggage.Parse(value)
	if err != nil {
		bag = baggage.Baggage{}
	}
	member, err := baggage.NewMember(Member, string(id))
	if err != nil {
		return "", fmt.Errorf("tenant %q as a baggage member: %w", id, err)
	}
	bag, err = bag.SetMember(member)
	if err != nil {
		return "", fmt.Errorf("tenant %q as a baggage member: %w", id, err)
	}
	return bag.String(), nil
}
