// Package auth says who is calling and what they may do. Who is found out by
// an Authenticator from a request's credentials; what follows from the role,
// by the table in grants.go; which RPC needs which permission stands beside
// the RPC, in the proto option bodega.auth.v1.permission.
package auth

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/bodega-hq/bodega/internal/platform/fault"
	"github.com/bodega-hq/bodega/internal/platform/tenant"
)

// Credential is how a caller proved who they are.
type Credential string

// The credentials.
const (
	// Session is a browser's cookie; a request that only it authenticates needs
	// a CSRF token.
	Session Credential = "session"
	// Token is an API token in the Authorization header.
	Token Credential = "token"
	// Local is the file that the server wrote for the user who started it.
	Local Credential = "local"
)

// Caller is who a request came from.
type Caller struct {
	// Subject is the caller's stable id: "user:ana@example.com",
	// "token:<token id>", "local:<user>". It is what audit rows keep.
	Subject string
	// Name is for people.
	Name string
	Role Role
	// MerchantID is the one merchant whose rows this caller sees; empty for
	// callers who see every merchant's.
	MerchantID string
	// Tenants are the tenants that this caller may choose.
	Tenants []tenant.ID
	// Credential is how the caller proved who they are, and CSRFToken what a
	// request by a Session has to send back.
	Credential Credential
	CSRFToken  string
}

// Can says whether the caller's role holds the permission.
func (c Caller) Can(p Permission) bool {
	return p == Public || p == AnySession || slices.Contains(grants[c.Role], p)
}

// Permissions lists what the caller's role holds, sorted.
func (c Caller) Permissions() []Permission { return PermissionsOf(c.Role) }

// ErrNoCredential is a request that carries none of the credentials that an
// Authenticator reads.
var ErrNoCredential = errors.New("the request carries no credential")

// The refusals that callers see.
var (
	ErrSignIn     = fault.New(fault.Unauthenticated, "sign in, or send an API token in the Authorization header")
	ErrCredential = fault.New(fault.Unauthenticated, "this credential is not valid: it may have expired or been revoked")
	ErrMerchant   = fault.New(fault.NotFound, "this merchant does not exist")
)

// Authenticator finds out who sent a request.
type Authenticator interface {
	// Authenticate answers with the caller; with ErrNoCredential where the
	// request carries no credential of this kind; with ErrCredential where it
	// carries one that does not hold. Other errors are faults of the look-up.
	Authenticate(ctx context.Context, r *http.Request) (Caller, error)
}

// FirstOf asks one Authenticator after the other until one finds a credential
// of its kind. A credential that does not hold ends the search: a request
// with a revoked token must not pass by its cookie.
func FirstOf(authenticators ...Authenticator) Authenticator { return firstOf(authenticators) }

type firstOf []Authenticator

func (f firstOf) Authenticate(ctx context.Context, r *http.Request) (Caller, error) {
	for _, a := range f {
		caller, err := a.Authenticate(ctx, r)
		if !errors.Is(err, ErrNoCredential) {
			return caller, err
		}
	}
	return Caller{}, ErrNoCredential
}

type contextKey struct{}

// WithCaller gives ctx its caller.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, contextKey{}, c)
}

// From is the caller of ctx. ok is false for a request to a public method
// without credentials, and for background work.
func From(ctx context.Context) (caller Caller, ok bool) {
	caller, ok = ctx.Value(contextKey{}).(Caller)
	return caller, ok
}

// Require refuses a context whose caller does not hold the permission. The
// server asks this for every RPC already; a handler asks where one field of a
// request needs more than the RPC itself.
func Require(ctx context.Context, p Permission) error {
	caller, ok := From(ctx)
	switch {
	case p == Public:
		return nil
	case !ok:
		return ErrSignIn
	case !caller.Can(p):
		return fault.Errorf(fault.PermissionDenied, "the role %s does not hold the permission %s", caller.Role, p)
	default:
		return nil
	}
}

// MayMerchant refuses a caller who may not see the merchant's rows with
// ErrMerchant, as though the merchant did not exist: otherwise a merchant's
// user could find out who else is on the marketplace.
func MayMerchant(ctx context.Context, merchantID string) error {
	scope, err := MerchantScope(ctx)
	switch {
	case err != nil:
		return err
	case scope != "" && scope != merchantID:
		return ErrMerchant
	default:
		return nil
	}
}

// MerchantScope is the one merchant that the caller of ctx sees; empty for
// callers who see every merchant. A list filters by it. A context without a
// caller is refused.
func MerchantScope(ctx context.Context) (merchantID string, err error) {
	caller, ok := From(ctx)
	switch {
	case !ok:
		return "", ErrSignIn
	case caller.Role == RoleMerchant && caller.MerchantID == "":
		return "", fault.Errorf(fault.PermissionDenied, "%s is a merchant user without a merchant", caller.Subject)
	default:
		return caller.MerchantID, nil
	}
}

// MerchantFilter joins the merchant that a list request asks for, empty for
// all, with what its caller may see: the answer is what to filter by, empty
// for all.
func MerchantFilter(ctx context.Context, requested string) (merchantID string, err error) {
	scope, err := MerchantScope(ctx)
	switch {
	case err != nil:
		return "", err
	case scope == "":
		return requested, nil
	case requested != "" && requested != scope:
		return "", ErrMerchant
	default:
		return scope, nil
	}
}

// Bearer is the bearer token in the Authorization header (RFC 6750). ok is
// false where the request carries none.
func Bearer(r *http.Request) (token string, ok bool) {
	scheme, token, found := strings.Cut(r.Header.Get("Authorization"), " ")
	return token, found && strings.EqualFold(scheme, "Bearer") && token != ""
}
