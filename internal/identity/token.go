package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/bodega-hq/bodega/internal/platform/auth"
)

// tokenPrefix begins every API token, so that scanners for leaked secrets know
// one when they see it. The token is "bod_<id>_<secret>".
const tokenPrefix = "bod_"

// tokens authenticates programs.
type tokens struct {
	store *store
	now   func() time.Time
}

// usedEvery bounds how often a token's use is written down.
const usedEvery = time.Minute

var tokenID = regexp.MustCompile(`^[a-z2-7]{16}$`)

func newTokenID() string { return strings.ToLower(rand.Text()[:16]) }

func newSecret() string { return rand.Text() + rand.Text() }

// Authenticate finds the token in the Authorization header.
func (t *tokens) Authenticate(ctx context.Context, r *http.Request) (auth.Caller, error) {
	bearer, ok := auth.Bearer(r)
	if !ok || !strings.HasPrefix(bearer, tokenPrefix) {
		return auth.Caller{}, auth.ErrNoCredential
	}
	id, _, ok := strings.Cut(strings.TrimPrefix(bearer, tokenPrefix), "_")
	if !ok || !tokenID.MatchString(id) {
		return auth.Caller{}, auth.ErrCredential
	}
	now := t.now()
	found, hash, ok, err := t.store.token(ctx, id, now)
	switch {
	case err != nil:
		return auth.Caller{}, err
	case !ok || subtle.ConstantTimeCompare(hash, hashOf(bearer)) != 1:
		return auth.Caller{}, auth.ErrCredential
	}
	if found.LastUsedAt == nil || now.Sub(*found.LastUsedAt) >= usedEvery {
		if err := t.store.used(ctx, id, now); err != nil {
			return auth.Caller{}, err
		}
	}
	return auth.Caller{
		Subject: "token:" + found.ID, Name: found.Name, Role: found.Role, MerchantID: found.MerchantID,
		Credential: auth.Token,
	}, nil
}
