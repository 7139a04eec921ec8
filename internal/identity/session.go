package identity

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"time"

	"github.com/bodega-hq/bodega/internal/platform/auth"
)

// Sessions keeps people signed in. However somebody proved who they are, by a
// password here or by an OpenID Connect provider, a session begins with Start.
type Sessions struct {
	store  *store
	cfg    Config
	secure bool
	demo   bool
	now    func() time.Time
}

// seenEvery bounds how often a session's use is written down.
const seenEvery = time.Minute

// Start begins a session of the user and answers with its cookie and the CSRF
// token that belongs to it. previous is the session cookie that the browser
// sent, empty for none: that session ends, so that nobody goes on with a
// session which somebody else could know.
func (s *Sessions) Start(ctx context.Context, email, previous string) (cookie *http.Cookie, csrf string, err error) {
	secret := base64.RawURLEncoding.EncodeToString(randomBytes(32))
	now := s.now()
	if err := s.store.startSession(ctx, email, hashOf(secret), hashOf(previous), now, now.Add(s.cfg.SessionLifetime)); err != nil {
		return nil, "", err
	}
	return s.cookie(secret, int(s.cfg.SessionLifetime.Seconds())), csrfOf(secret), nil
}

// End forgets the session and answers with the cookie that removes it.
func (s *Sessions) End(ctx context.Context, secret string) (*http.Cookie, error) {
	if err := s.store.endSession(ctx, hashOf(secret)); err != nil {
		return nil, err
	}
	return s.cookie("", -1), nil
}

// CookieName is the session cookie's. Over TLS its prefix makes browsers
// refuse one that another host or a plain page has set.
func (s *Sessions) CookieName() string {
	if s.secure {
		return "__Host-bodega_session"
	}
	return "bodega_session"
}

func (s *Sessions) cookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: s.CookieName(), Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode,
	}
}

// secretIn is the session's secret in a request's headers; empty for none.
func (s *Sessions) secretIn(h http.Header) string {
	cookie, err := (&http.Request{Header: h}).Cookie(s.CookieName())
	if err != nil {
		return ""
	}
	return cookie.Value
}

// Authenticate finds the user of a session cookie. A request with an
// Authorization header never passes by its cookie: its sender meant the header.
func (s *Sessions) Authenticate(ctx context.Context, r *http.Request) (auth.Caller, error) {
	secret := s.secretIn(r.Header)
	if secret == "" || r.Header.Get("Authorization") != "" {
		return auth.Caller{}, auth.ErrNoCredential
	}
	now := s.now()
	u, lastSeen, ok, err := s.store.session(ctx, hashOf(secret), now, now.Add(-s.cfg.SessionIdle), s.demo)
	switch {
	case err != nil:
		return auth.Caller{}, err
	case !ok:
		return auth.Caller{}, auth.ErrCredential
	}
	if now.Sub(lastSeen) >= min(seenEvery, s.cfg.SessionIdle/4) {
		if err := s.store.seen(ctx, hashOf(secret), now); err != nil {
			return auth.Caller{}, err
		}
	}
	return auth.Caller{
		Subject: u.subject(), Name: u.Name, Role: u.Role, MerchantID: u.MerchantID,
		Credential: auth.Session, CSRFToken: csrfOf(secret),
	}, nil
}

// csrfOf derives a session's CSRF token from its secret, so that there is
// nothing to store and nothing to guess without the cookie.
func csrfOf(secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("csrf"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// hashOf is what is stored of a secret. Secrets are random and long, so that
// one round is enough.
func hashOf(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}
