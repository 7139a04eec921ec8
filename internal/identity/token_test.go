package identity_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	identityv1 "github.com/bodega-hq/bodega/gen/bodega/identity/v1"
	"github.com/bodega-hq/bodega/gen/bodega/identity/v1/identityv1connect"
	"github.com/bodega-hq/bodega/internal/identity"
)

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func call(t *testing.T, c identityv1connect.IdentityServiceClient) (*identityv1.Caller, error) {
	t.Helper()
	res, err := c.GetCaller(t.Context(), &identityv1.GetCallerRequest{})
	return res.GetCaller(), err
}

func TestTokens(t *testing.T) {
	w := open(t, setup{})
	made, err := w.admin(t).CreateToken(t.Context(), &identityv1.CreateTokenRequest{
		Name: "feeds", Role: identityv1.Role_ROLE_SERVICE, MerchantId: "corner", Days: 2,
	})
	if err != nil {
		t.Fatal(err)
	}
	id := made.GetToken().GetTokenId()
	if !strings.HasPrefix(made.GetSecret(), "bod_"+id+"_") || made.GetToken().GetExpiresAt().AsTime().Sub(made.GetToken().GetCreatedAt().AsTime()) != 48*time.Hour {
		t.Errorf("CreateToken = %v", made)
	}
	program := w.with(t, made.GetSecret())
	caller, err := call(t, program)
	if err != nil || caller.GetSubject() != "token:"+id || caller.GetRole() != identityv1.Role_ROLE_SERVICE || caller.GetMerchantId() != "corner" || caller.GetCsrfToken() != "" {
		t.Errorf("GetCaller = %v, %v", caller, err)
	}
	if _, err := program.ListTokens(t.Context(), &identityv1.ListTokensRequest{}); connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("ListTokens by a service token = %v", err)
	}
	listed, err := w.admin(t).ListTokens(t.Context(), &identityv1.ListTokensRequest{})
	if err != nil || len(listed.GetTokens()) != 1 || listed.GetTokens()[0].GetLastUsedAt() == nil {
		t.Errorf("ListTokens = %v, %v", listed, err)
	}
	for name, wrong := range map[string]string{
		"cut":            made.GetSecret()[:len(made.GetSecret())-1],
		"longer":         made.GetSecret() + "x",
		"id alone":       "bod_" + id,
		"id and nothing": "bod_" + id + "_",
		"another secret": "bod_" + id + "_" + strings.Repeat("A", 52),
		"unknown id":     "bod_" + strings.Repeat("a", 16) + made.GetSecret()[20:],
		"prefix alone":   "bod_",
		"no prefix":      made.GetSecret()[4:],
		"another letter": strings.ToLower(made.GetSecret()),
		"not UTF-8":      "bod_\xff\xfe" + made.GetSecret()[6:],
		"a local one":    "bodl_" + strings.Repeat("A", 52),
	} {
		if _, err := call(t, w.with(t, wrong)); connect.CodeOf(err) != connect.CodeUnauthenticated {
			t.Errorf("%s: %v", name, err)
		}
	}

	// Revoking works at once, on a connection that was just used.
	if _, err := call(t, program); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := w.admin(t).RevokeToken(t.Context(), &identityv1.RevokeTokenRequest{TokenId: id}); err != nil {
			t.Fatal(err)
		}
		_, err = call(t, program)
		mustCode(t, "a revoked token", err, connect.CodeUnauthenticated)
	}
	for _, absent := range []string{"absent", "aaaaaaaaaaaaaaaa", "\x00"} {
		_, err = w.admin(t).RevokeToken(t.Context(), &identityv1.RevokeTokenRequest{TokenId: absent})
		mustCode(t, "revoking what is not there", err, connect.CodeNotFound)
	}
	if listed, err := w.admin(t).ListTokens(t.Context(), &identityv1.ListTokensRequest{}); err != nil || len(listed.GetTokens()) != 0 {
		t.Errorf("ListTokens = %v, %v", listed, err)
	}
}

func TestTokensExpire(t *testing.T) {
	w := open(t, setup{})
	made, err := w.admin(t).CreateToken(t.Context(), &identityv1.CreateTokenRequest{Name: "n", Role: identityv1.Role_ROLE_ENGINEER, Days: 1})
	if err != nil {
		t.Fatal(err)
	}
	forever, err := w.admin(t).CreateToken(t.Context(), &identityv1.CreateTokenRequest{Name: "n", Role: identityv1.Role_ROLE_ENGINEER})
	if err != nil || forever.GetToken().GetExpiresAt() != nil {
		t.Fatal(forever, err)
	}
	w.clock.move(24*time.Hour - time.Second)
	if _, err := call(t, w.with(t, made.GetSecret())); err != nil {
		t.Errorf("before its end: %v", err)
	}
	w.clock.move(time.Second)
	_, err = call(t, w.with(t, made.GetSecret()))
	mustCode(t, "at its end", err, connect.CodeUnauthenticated)
	w.clock.move(20 * 365 * 24 * time.Hour)
	if _, err := call(t, w.with(t, forever.GetSecret())); err != nil {
		t.Errorf("one without an end: %v", err)
	}
}

func TestUseIsWrittenLazily(t *testing.T) {
	w := open(t, setup{})
	made, err := w.admin(t).CreateToken(t.Context(), &identityv1.CreateTokenRequest{Name: "n", Role: identityv1.Role_ROLE_ENGINEER})
	if err != nil {
		t.Fatal(err)
	}
	used := func() time.Time {
		t.Helper()
		if _, err := call(t, w.with(t, made.GetSecret())); err != nil {
			t.Fatal(err)
		}
		var at time.Time
		if err := w.pool.QueryRow(t.Context(), `SELECT last_used_at FROM tokens`).Scan(&at); err != nil {
			t.Fatal(err)
		}
		return at
	}
	first := used()
	w.clock.move(30 * time.Second)
	if got := used(); !got.Equal(first) {
		t.Error("a use within the minute was written")
	}
	w.clock.move(30 * time.Second)
	if got := used(); !got.After(first) {
		t.Error("a use after the minute was not written")
	}
}

func TestCreateTokenIsSafeToRepeat(t *testing.T) {
	w := open(t, setup{})
	req := func() *identityv1.CreateTokenRequest {
		return &identityv1.CreateTokenRequest{Name: "n", Role: identityv1.Role_ROLE_SERVICE, Days: 3, IdempotencyKey: "k"}
	}
	admin := w.admin(t)
	first, err := admin.CreateToken(t.Context(), req())
	if err != nil {
		t.Fatal(err)
	}
	second, err := admin.CreateToken(t.Context(), req())
	if err != nil || second.GetToken().GetTokenId() != first.GetToken().GetTokenId() || second.GetSecret() == first.GetSecret() {
		t.Fatalf("the same request again = %v, %v", second, err)
	}
	_, err = call(t, w.with(t, first.GetSecret()))
	mustCode(t, "the secret that never arrived", err, connect.CodeUnauthenticated)
	if _, err := call(t, w.with(t, second.GetSecret())); err != nil {
		t.Errorf("the secret that arrived: %v", err)
	}
	_, err = admin.CreateToken(t.Context(), req())
	mustCode(t, "repeating after the token was used", err, connect.CodeAlreadyExists)
	other := req()
	other.Days = 4
	_, err = admin.CreateToken(t.Context(), other)
	mustCode(t, "the key with another request", err, connect.CodeAlreadyExists)

	// Many at once make one token, and the last secret works.
	results := make(chan error)
	for range 10 {
		go func() {
			_, err := admin.CreateToken(t.Context(), &identityv1.CreateTokenRequest{Name: "at once", Role: identityv1.Role_ROLE_SERVICE, IdempotencyKey: "k2"})
			results <- err
		}()
	}
	for range 10 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	listed, err := admin.ListTokens(t.Context(), &identityv1.ListTokensRequest{})
	if err != nil || len(listed.GetTokens()) != 2 {
		t.Errorf("ListTokens = %v, %v", listed, err)
	}
}

func TestTokenRolesAndMerchants(t *testing.T) {
	w := open(t, setup{})
	for _, c := range []struct {
		role     identityv1.Role
		merchant string
		want     connect.Code // 0 for one that is made
	}{
		{identityv1.Role_ROLE_SERVICE, "", 0},
		{identityv1.Role_ROLE_SERVICE, "corner", 0},
		{identityv1.Role_ROLE_MERCHANT, "corner", 0},
		{identityv1.Role_ROLE_ADMIN, "", 0},
		{identityv1.Role_ROLE_MERCHANT, "", connect.CodeInvalidArgument},
		{identityv1.Role_ROLE_ADMIN, "corner", connect.CodeInvalidArgument},
		// A merchant's user is of the default tenant, a service of any.
		{identityv1.Role_ROLE_SERVICE, "verdure", 0},
		{identityv1.Role_ROLE_MERCHANT, "verdure", connect.CodeNotFound},
		{identityv1.Role_ROLE_SERVICE, "nosuch", connect.CodeNotFound},
		{identityv1.Role_ROLE_UNSPECIFIED, "", connect.CodeInvalidArgument},
		{identityv1.Role(42), "", connect.CodeInvalidArgument},
	} {
		_, err := w.admin(t).CreateToken(t.Context(), &identityv1.CreateTokenRequest{Name: "n", Role: c.role, MerchantId: c.merchant})
		if (c.want == 0) != (err == nil) || (err != nil && connect.CodeOf(err) != c.want) {
			t.Errorf("%s of %q = %v", c.role, c.merchant, err)
		}
	}
}

func TestLocalCredentialIsAnAdmin(t *testing.T) {
	w := open(t, setup{})
	caller, err := call(t, w.admin(t))
	if err != nil || !strings.HasPrefix(caller.GetSubject(), "local:") || caller.GetRole() != identityv1.Role_ROLE_ADMIN || len(caller.GetTenants()) != 2 {
		t.Errorf("GetCaller = %v, %v", caller, err)
	}
	stale := open(t, setup{})
	_, err = call(t, stale.with(t, w.secret))
	mustCode(t, "another server's credential", err, connect.CodeUnauthenticated)
}

func TestDemo(t *testing.T) {
	pool := openPool(t)
	demo := open(t, setup{pool: pool, deps: func(d *identity.Deps) { d.Demo = true }})
	users := []identity.User{
		{Email: "operator@demo.example", Name: "Olive", Role: "operator"},
		{Email: "corner@demo.example", Name: "Cora", Role: "merchant", MerchantID: "corner"},
	}
	first, err := demo.EnsureDemo(t.Context(), users)
	if err != nil || len(first) != 2 {
		t.Fatal(first, err)
	}
	second, err := demo.EnsureDemo(t.Context(), users)
	if err != nil || len(second) != 2 || second[0] != first[0] || second[1] != first[1] {
		t.Errorf("a second start draws other passwords: %v, %v, %v", first, second, err)
	}
	listed, err := demo.with(t, "").ListDemoSignIns(t.Context(), &identityv1.ListDemoSignInsRequest{})
	if err != nil || len(listed.GetSignIns()) != 2 {
		t.Fatal(listed, err)
	}
	b := demo.browser(t)
	for _, d := range listed.GetSignIns() {
		caller, err := b.signIn(t, d.GetEmail(), d.GetPassword())
		if err != nil || !caller.GetDemo() || caller.GetRole() != d.GetRole() {
			t.Errorf("%s: %v, %v", d.GetEmail(), caller, err)
		}
	}
	kept := b.jar.Cookies(mustURL(t, demo.url))

	// The same database without demo data, while the demo server still runs.
	real := open(t, setup{pool: pool})
	if listed, err := real.with(t, "").ListDemoSignIns(t.Context(), &identityv1.ListDemoSignInsRequest{}); err != nil || len(listed.GetSignIns()) != 0 {
		t.Errorf("ListDemoSignIns = %v, %v", listed, err)
	}
	if _, err := demo.EnsureDemo(t.Context(), users); err != nil {
		t.Fatal(err)
	}
	again, err := demo.with(t, "").ListDemoSignIns(t.Context(), &identityv1.ListDemoSignInsRequest{})
	if err != nil || len(again.GetSignIns()) != 2 {
		t.Fatal(again, err)
	}
	for _, d := range again.GetSignIns() {
		_, err := real.browser(t).signIn(t, d.GetEmail(), d.GetPassword())
		mustCode(t, "a demo user on a real server", err, connect.CodeUnauthenticated)
	}
	thief := real.browser(t)
	thief.jar.SetCookies(mustURL(t, real.url), kept)
	_, err = call(t, thief)
	mustCode(t, "a demo session on a real server", err, connect.CodeUnauthenticated)
	if users, err := real.admin(t).ListUsers(t.Context(), &identityv1.ListUsersRequest{}); err != nil || len(users.GetUsers()) != 0 {
		t.Errorf("ListUsers = %v, %v", users, err)
	}
	if _, err := real.EnsureDemo(t.Context(), users); err == nil {
		t.Error("a real server made demo users")
	}
	// A person's own account is never taken over.
	real.addUser(t, "olive@example.com", identityv1.Role_ROLE_ADMIN, "")
	if _, err := demo.EnsureDemo(t.Context(), []identity.User{{Email: "olive@example.com", Name: "Olive", Role: "operator"}}); err != nil {
		t.Fatal(err)
	}
	if caller, err := real.browser(t).signIn(t, "olive@example.com", secretWord); err != nil || caller.GetRole() != identityv1.Role_ROLE_ADMIN {
		t.Errorf("after EnsureDemo with a person's address: %v, %v", caller, err)
	}
}
