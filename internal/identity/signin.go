package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"runtime"
	"strings"
	"time"

	"github.com/bodega-hq/bodega/internal/identity/password"
	"github.com/bodega-hq/bodega/internal/platform/fault"
)

// passwords proves who somebody is by the password that this server keeps.
type passwords struct {
	store *store
	cfg   Config
	demo  bool
	now   func() time.Time
	// slots bounds how many hashes are computed at once: each takes 19 MiB and
	// a processor.
	slots chan struct{}
	// absent is verified in the place of an account's hash where there is no
	// such account, so that the answer takes as long.
	absent string
}

func newPasswords(s *store, cfg Config, demo bool, now func() time.Time) *passwords {
	return &passwords{
		store: s, cfg: cfg, demo: demo, now: now,
		slots: make(chan struct{}, runtime.GOMAXPROCS(0)), absent: password.Hash(string(randomBytes(16))),
	}
}

// verify answers with the user of an email address and password, ErrSignIn,
// or ErrThrottled. address is where the attempt comes from.
func (p *passwords) verify(ctx context.Context, email, secret, address string) (User, error) {
	email = normalEmail(email)
	scopes, err := p.throttle(ctx, email, address)
	if err != nil {
		return User{}, err
	}
	a, known, err := p.store.account(ctx, email)
	if err != nil {
		return User{}, err
	}
	hash := p.absent
	if known {
		hash = a.passwordHash
	}
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return User{}, ctx.Err()
	}
	matches, err := password.Verify(hash, secret)
	<-p.slots
	switch {
	case err != nil:
		return User{}, err
	case !known || !matches || a.Disabled || (a.demo && !p.demo):
		return User{}, ErrSignIn
	}
	if err := p.store.forgetAttempts(ctx, scopes[0].name); err != nil {
		return User{}, err
	}
	for _, scope := range scopes[1:] {
		if err := p.store.uncount(ctx, scope.name); err != nil {
			return User{}, err
		}
	}
	if password.Outdated(a.passwordHash) {
		if err := p.store.replaceHash(ctx, email, a.passwordHash, password.Hash(secret)); err != nil {
			return User{}, err
		}
	}
	return a.User, nil
}

type scope struct {
	name  string
	limit int64
}

// throttle counts this attempt before the password is looked at, so that
// attempts made at once are counted too. The narrow limit is per account and
// address: a stranger who guesses must not lock the owner out. Behind it
// stand wider ones, per address against one guesser at many accounts, and per
// account against many addresses.
func (p *passwords) throttle(ctx context.Context, email, address string) ([]scope, error) {
	from := network(address)
	account := hex.EncodeToString(hashOf(email)[:sha256.Size/2])
	scopes := []scope{
		{"pair:" + account + ":" + from, p.cfg.PairAttempts},
		{"address:" + from, p.cfg.AddressAttempts},
		{"account:" + account, p.cfg.AccountAttempts},
	}
	now := p.now()
	for _, s := range scopes {
		attempts, ends, err := p.store.attempt(ctx, s.name, now, p.cfg.ThrottleWindow)
		switch {
		case err != nil:
			return nil, err
		case attempts > s.limit:
			return nil, fault.After(ErrThrottled, max(ends.Sub(now), time.Second))
		}
	}
	return scopes, nil
}

// network is what counts as one address: whoever has an IPv6 address has a
// whole /64 of them.
func network(address string) string {
	addr, err := netip.ParseAddrPort(address)
	if err != nil {
		return "unknown"
	}
	ip := addr.Addr().Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	prefix, err := ip.Prefix(64)
	if err != nil {
		return "unknown"
	}
	return prefix.String()
}

func normalEmail(email string) string { return strings.ToLower(strings.TrimSpace(email)) }
