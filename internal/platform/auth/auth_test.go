package auth_test

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"testing"

	"github.com/bodega-hq/bodega/internal/platform/auth"
	"github.com/bodega-hq/bodega/internal/platform/fault"
	"github.com/bodega-hq/bodega/internal/platform/tenant"
)

func TestTheTableIsSound(t *testing.T) {
	form := regexp.MustCompile(`^[a-z]+(\.[a-z]+){2}$`)
	for _, p := range auth.AllPermissions() {
		if !form.MatchString(string(p)) || auth.Describe(p) == "" {
			t.Errorf("permission %q: want <system>.<noun>.<verb> and a description", p)
		}
		if !slices.Contains(auth.PermissionsOf(auth.RoleAdmin), p) {
			t.Errorf("the admin lacks %s", p)
		}
	}
	for _, role := range auth.Roles() {
		held := auth.PermissionsOf(role)
		if len(held) == 0 {
			t.Errorf("the role %s holds nothing", role)
		}
		for i, p := range held {
			if auth.Describe(p) == "" {
				t.Errorf("the role %s holds %q, which does not exist", role, p)
			}
			if i > 0 && held[i-1] == p {
				t.Errorf("the role %s holds %s twice", role, p)
			}
		}
	}
	if len(auth.PermissionsOf("stranger")) != 0 || (auth.Caller{Role: "stranger"}).Can("inventory.item.read") {
		t.Error("a role that does not exist holds something")
	}
	// Whoever sees one merchant only must not change what all of them share.
	for _, p := range []auth.Permission{"inventory.catalog.write", "inventory.merchant.write", "inventory.hold.decide"} {
		for _, role := range []auth.Role{auth.RoleMerchant, auth.RoleService} {
			if slices.Contains(auth.PermissionsOf(role), p) {
				t.Errorf("the role %s holds %s", role, p)
			}
		}
	}
}

func TestTenantsOf(t *testing.T) {
	set, err := tenant.NewSet("prod", "test")
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range auth.Roles() {
		want := 2
		if role == auth.RoleMerchant {
			want = 1
		}
		if got := auth.TenantsOf(role, set); len(got) != want || got[0] != "prod" {
			t.Errorf("TenantsOf(%s) = %v", role, got)
		}
	}
}

func with(role auth.Role, merchant string) context.Context {
	return auth.WithCaller(context.Background(), auth.Caller{Subject: "user:x", Role: role, MerchantID: merchant})
}

func TestRequire(t *testing.T) {
	for _, c := range []struct {
		name string
		ctx  context.Context
		p    auth.Permission
		want fault.Kind
		ok   bool
	}{
		{"nobody, public", context.Background(), auth.Public, 0, true},
		{"nobody, session", context.Background(), auth.AnySession, fault.Unauthenticated, false},
		{"nobody, permission", context.Background(), "inventory.item.read", fault.Unauthenticated, false},
		{"anybody, session", with(auth.RoleFinance, ""), auth.AnySession, 0, true},
		{"held", with(auth.RoleFinance, ""), "inventory.item.read", 0, true},
		{"not held", with(auth.RoleFinance, ""), "inventory.item.write", fault.PermissionDenied, false},
		{"does not exist", with(auth.RoleAdmin, ""), "inventory.item.explode", fault.PermissionDenied, false},
		{"empty", with(auth.RoleAdmin, ""), "", fault.PermissionDenied, false},
	} {
		err := auth.Require(c.ctx, c.p)
		if (err == nil) != c.ok || (err != nil && fault.KindOf(err) != c.want) {
			t.Errorf("%s: Require = %v", c.name, err)
		}
	}
}

func TestMerchantScope(t *testing.T) {
	for _, c := range []struct {
		name, asked string
		ctx         context.Context
		may         bool
		filter      string
		kind        fault.Kind // of the refusals
	}{
		{"operator asks for one", "corner", with(auth.RoleOperator, ""), true, "corner", 0},
		{"operator asks for all", "", with(auth.RoleOperator, ""), true, "", 0},
		{"merchant asks for theirs", "corner", with(auth.RoleMerchant, "corner"), true, "corner", 0},
		{"merchant asks for another's", "verdure", with(auth.RoleMerchant, "corner"), false, "", fault.NotFound},
		{"bound program asks for another's", "verdure", with(auth.RoleService, "corner"), false, "", fault.NotFound},
		{"free program", "verdure", with(auth.RoleService, ""), true, "verdure", 0},
		{"merchant user of no merchant", "corner", with(auth.RoleMerchant, ""), false, "", fault.PermissionDenied},
		{"nobody", "corner", context.Background(), false, "", fault.Unauthenticated},
	} {
		t.Run(c.name, func(t *testing.T) {
			may := auth.MayMerchant(c.ctx, c.asked)
			if (may == nil) != c.may || (may != nil && fault.KindOf(may) != c.kind) {
				t.Errorf("MayMerchant = %v", may)
			}
			filter, err := auth.MerchantFilter(c.ctx, c.asked)
			if (err == nil) != c.may || filter != c.filter {
				t.Errorf("MerchantFilter = %q, %v", filter, err)
			}
		})
	}
	// Without a wish, a merchant's list is theirs.
	if filter, err := auth.MerchantFilter(with(auth.RoleMerchant, "corner"), ""); err != nil || filter != "corner" {
		t.Errorf("MerchantFilter = %q, %v", filter, err)
	}
	// A merchant's user may not ask for the rows of no merchant.
	if err := auth.MayMerchant(with(auth.RoleMerchant, "corner"), ""); fault.KindOf(err) != fault.NotFound {
		t.Errorf("MayMerchant of nothing = %v", err)
	}
}

type fixed struct {
	caller auth.Caller
	err    error
}

func (f fixed) Authenticate(context.Context, *http.Request) (auth.Caller, error) {
	return f.caller, f.err
}

func TestFirstOf(t *testing.T) {
	none, bad := fixed{err: auth.ErrNoCredential}, fixed{err: auth.ErrCredential}
	good, down := fixed{caller: auth.Caller{Subject: "user:x"}}, fixed{err: errors.New("down")}
	for _, c := range []struct {
		name string
		all  []auth.Authenticator
		want error
	}{
		{"nobody asked", nil, auth.ErrNoCredential},
		{"the second knows", []auth.Authenticator{none, good}, nil},
		{"the first refuses", []auth.Authenticator{bad, good}, auth.ErrCredential},
		{"the first is down", []auth.Authenticator{down, good}, down.err},
		{"none knows", []auth.Authenticator{none, none}, auth.ErrNoCredential},
	} {
		if _, err := auth.FirstOf(c.all...).Authenticate(t.Context(), nil); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestBearer(t *testing.T) {
	for header, want := range map[string]string{
		"Bearer abc": "abc", "bearer abc": "abc", "BEARER a b": "a b",
		"": "", "Bearer": "", "Bearer ": "", "Basic abc": "", "Bearerabc": "", "abc": "",
	} {
		r := &http.Request{Header: http.Header{"Authorization": {header}}}
		if got, ok := auth.Bearer(r); ok != (want != "") || (ok && got != want) {
			t.Errorf("Bearer(%q) = %q, %v", header, got, ok)
		}
	}
}
