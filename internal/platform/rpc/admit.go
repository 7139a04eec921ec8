package rpc

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"

	"github.com/bodega-hq/bodega/internal/platform/auth"
	"github.com/bodega-hq/bodega/internal/platform/fault"
	"github.com/bodega-hq/bodega/internal/platform/tenant"
)

// CSRFHeader carries the token that a request by a session cookie sends back.
const CSRFHeader = "X-Csrf-Token"

var (
	errOrigin = fault.New(fault.PermissionDenied, "this request comes from a page of another site; where a proxy changes the Host header, name the page's origin in trusted-origins")
	errCSRF   = fault.New(fault.PermissionDenied, "the "+CSRFHeader+" header does not hold this session's token; GetCaller answers with it")
)

// admit finds out who is calling and whether they may, and for which tenant.
// It reads headers alone.
func (s *Server) admit(ctx context.Context, r *http.Request, c *call) (context.Context, error) {
	// A browser adds cookies to requests that other sites make, but never an
	// Authorization header. Signing in is covered too: a page must not sign a
	// visitor in as somebody else.
	if r.Header.Get("Authorization") == "" && s.origins.Check(r) != nil {
		return ctx, errOrigin
	}
	caller, known, err := s.authenticate(ctx, r, c.method)
	if err != nil {
		return ctx, err
	}
	if known {
		caller.Tenants = auth.TenantsOf(caller.Role, s.deps.Tenants)
		c.caller = caller
		ctx = auth.WithCaller(ctx, caller)
		if err := checkCSRF(r, caller, c.method); err != nil {
			return ctx, err
		}
	}
	if err := auth.Require(ctx, c.method.Permission); err != nil {
		return ctx, err
	}
	id, err := s.chooseTenant(r, caller, known)
	if err != nil {
		return ctx, err
	}
	c.tenant = id
	return tenant.With(ctx, id), nil
}

func (s *Server) authenticate(ctx context.Context, r *http.Request, m Method) (caller auth.Caller, known bool, err error) {
	caller, err = s.deps.Authenticator.Authenticate(ctx, r)
	if errors.Is(err, auth.ErrNoCredential) && r.Header.Get("Authorization") != "" {
		err = auth.ErrCredential // of a kind that nobody here knows
	}
	switch {
	case err == nil:
		return caller, true, nil
	case errors.Is(err, auth.ErrNoCredential):
		return auth.Caller{}, false, nil
	case m.Permission == auth.Public && fault.KindOf(err) == fault.Unauthenticated:
		// Who comes with an expired session must still be able to sign in.
		return auth.Caller{}, false, nil
	default:
		return auth.Caller{}, false, err
	}
}

func checkCSRF(r *http.Request, caller auth.Caller, m Method) error {
	if caller.Credential != auth.Session || m.SideEffectFree || m.Permission == auth.Public {
		return nil
	}
	if caller.CSRFToken == "" || subtle.ConstantTimeCompare([]byte(r.Header.Get(CSRFHeader)), []byte(caller.CSRFToken)) != 1 {
		return errCSRF
	}
	return nil
}

func (s *Server) chooseTenant(r *http.Request, caller auth.Caller, known bool) (tenant.ID, error) {
	id, err := tenant.FromBaggage(r.Header.Values(tenant.Header))
	switch {
	case err != nil:
		return "", err
	case id == "":
		return s.deps.Tenants.Default(), nil
	case !s.deps.Tenants.Has(id):
		return "", fault.Errorf(fault.Invalid, "there is no tenant %q here", id)
	case !known:
		return s.deps.Tenants.Default(), nil
	case !slices.Contains(caller.Tenants, id):
		return "", fault.Errorf(fault.PermissionDenied, "the role %s may not choose the tenant %q", caller.Role, id)
	default:
		return id, nil
	}
}
