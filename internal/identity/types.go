package identity

import (
	"time"

	"github.com/bodega-hq/bodega/internal/platform/auth"
	"github.com/bodega-hq/bodega/internal/platform/fault"
)

// Schema is the database schema that identity has for itself, in no tenant.
const Schema = "bodega_identity"

// User is a person who may sign in.
type User struct {
	Email      string // in lower case; the user's key
	Name       string
	Role       auth.Role
	MerchantID string // for RoleMerchant, and for it alone
	CreatedAt  time.Time
	Disabled   bool
}

func (u User) subject() string { return "user:" + u.Email }

// Token is an API token without its secret.
type Token struct {
	ID         string
	Name       string
	Role       auth.Role
	MerchantID string
	CreatedBy  string
	CreatedAt  time.Time
	ExpiresAt  *time.Time // nil for one that does not expire
	LastUsedAt *time.Time // nil for one that was never used; up to a minute old
	days       int32      // how long it was made for; 0 for ever
}

// The errors that callers see.
var (
	// ErrSignIn is one for an unknown account, a wrong password and a disabled
	// account, so that nobody learns which accounts exist.
	ErrSignIn       = fault.New(fault.Unauthenticated, "no account has this email address and password")
	ErrThrottled    = fault.New(fault.ResourceExhausted, "too many attempts to sign in; wait some minutes and try again")
	ErrUserExists   = fault.New(fault.AlreadyExists, "a user with this email address exists already")
	ErrTokenUnknown = fault.New(fault.NotFound, "this token does not exist")
	ErrTokenExists  = fault.New(fault.AlreadyExists, "this idempotency key has made another token already, or one that is in use; revoke that one, or take another key")
	ErrMerchantRole = fault.New(fault.Invalid, "merchant_id: a merchant user needs one, a service token may have one, and no other role takes one")
	ErrPageToken    = fault.New(fault.Invalid, "page_token: not one that this list gave out")
)
