package identity

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"
	"pgregory.net/rapid"

	"github.com/bodega-hq/bodega/internal/identity/password"
	"github.com/bodega-hq/bodega/internal/platform/auth"
	"github.com/bodega-hq/bodega/internal/platform/pg"
	"github.com/bodega-hq/bodega/internal/platform/tenant"
	"github.com/bodega-hq/bodega/internal/testkit/postgres"
)

func openModule(t *testing.T) *Module {
	t.Helper()
	pool, err := pg.Open(t.Context(), postgres.URL(t), pg.Options{SearchPath: []string{Schema}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	tenants, err := tenant.NewSet("prod")
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(DefaultConfig(), Deps{Pool: pool, Tenants: tenants, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // starting again finds nothing to do
		if err := m.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func TestStatements(t *testing.T) {
	postgres.Prepare(t, openModule(t).deps.Pool, statements()...)
}

func TestExpireKeepsWhatHolds(t *testing.T) {
	m := openModule(t)
	now := time.Now()
	if _, _, err := m.store.createUser(t.Context(), User{Email: "a@example.com", Name: "A", Role: auth.RoleAdmin, CreatedAt: now}, "x", ""); err != nil {
		t.Fatal(err)
	}
	for i, ends := range []time.Duration{-time.Hour, time.Hour} {
		if err := m.store.startSession(t.Context(), "a@example.com", []byte{byte(i)}, nil, now.Add(-2*time.Hour), now.Add(ends)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := m.store.attempt(t.Context(), string(rune('a'+i)), now, ends); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Expire(t.Context()); err != nil {
		t.Fatal(err)
	}
	var sessions, attempts int
	if err := m.deps.Pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM sign_in_attempts)`).Scan(&sessions, &attempts); err != nil {
		t.Fatal(err)
	}
	if sessions != 1 || attempts != 1 {
		t.Errorf("%d sessions and %d counts are left, want 1 and 1", sessions, attempts)
	}
}

func TestOldHashesAreRenewedAtSignIn(t *testing.T) {
	m := openModule(t)
	// What Hash would have made with smaller costs.
	old := "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$" + base64.RawStdEncoding.EncodeToString(
		argon2.IDKey([]byte("correct horse battery"), []byte("somesaltsomesalt"), 1, 64, 1, 32))
	if _, _, err := m.store.createUser(t.Context(), User{Email: "a@example.com", Name: "A", Role: auth.RoleAdmin, CreatedAt: time.Now()}, old, ""); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := m.passwords.verify(t.Context(), "a@example.com", "correct horse battery", "192.0.2.1:99"); err != nil {
			t.Fatal(err)
		}
	}
	a, _, err := m.store.account(t.Context(), "a@example.com")
	if err != nil || password.Outdated(a.passwordHash) {
		t.Errorf("the hash is %q, %v", a.passwordHash, err)
	}
}

func TestNetwork(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7:4711":              "192.0.2.7",
		"[::ffff:192.0.2.7]:4711":     "192.0.2.7",
		"[2001:db8:1:2:3:4:5:6]:4711": "2001:db8:1:2::/64",
		"[2001:db8:1:2:ffff::1]:4711": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:4711":         "fe80::/64",
		"":                            "unknown",
		"example.com:80":              "unknown",
		"192.0.2.7":                   "unknown",
	} {
		if got := network(address); got != want {
			t.Errorf("network(%q) = %q, want %q", address, got, want)
		}
	}
}

func TestPageTokensRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		last := strings.ReplaceAll(rapid.String().Draw(t, "last"), "\x00", "")
		if got, err := decodePage(encodePage(last)); err != nil || got != last {
			t.Fatalf("%q came back as %q, %v", last, got, err)
		}
	})
}

// FuzzCredentials throws headers at the parsers of tokens and cookies: none
// may panic.
func FuzzCredentials(f *testing.F) {
	f.Add("Bearer bod_", "bodega_session=x")
	f.Add("Bearer bod_aaaaaaaaaaaaaaa_x", "a=b; bodega_session=\"")
	f.Add("bearer  ", ";;;==")
	s := &Sessions{}
	f.Fuzz(func(t *testing.T, authorization, cookie string) {
		h := http.Header{"Authorization": {authorization}, "Cookie": {cookie}}
		_ = s.secretIn(h)
		if bearer, ok := auth.Bearer(&http.Request{Header: h}); ok && bearer == "" {
			t.Error("an empty bearer token")
		}
		_, _ = decodePage(cookie)
		_ = network(cookie)
	})
}
