package rpc_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/bodega-hq/bodega/gen/bodega/identity/v1/identityv1connect"
	"github.com/bodega-hq/bodega/gen/bodega/inventory/v1/inventoryv1connect"
	"github.com/bodega-hq/bodega/internal/platform/auth"
	"github.com/bodega-hq/bodega/internal/platform/rpc"
)

// everyService adds each service of the contracts, without handlers.
func everyService(s *rpc.Server) {
	s.Handle(identityv1connect.NewIdentityServiceHandler(identityv1connect.UnimplementedIdentityServiceHandler{}, s.Options()...))
	s.Handle(inventoryv1connect.NewConsoleServiceHandler(inventoryv1connect.UnimplementedConsoleServiceHandler{}, s.Options()...))
	s.Handle(inventoryv1connect.NewFeedServiceHandler(inventoryv1connect.UnimplementedFeedServiceHandler{}, s.Options()...))
	s.Handle(inventoryv1connect.NewItemServiceHandler(inventoryv1connect.UnimplementedItemServiceHandler{}, s.Options()...))
	s.Handle(inventoryv1connect.NewMerchantServiceHandler(inventoryv1connect.UnimplementedMerchantServiceHandler{}, s.Options()...))
}

// contracts lists the services that the files below proto declare.
func contracts(t *testing.T) []string {
	t.Helper()
	root := filepath.Join("..", "..", "..", "proto", "bodega")
	files, err := filepath.Glob(filepath.Join(root, "*", "*", "*.proto"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no contracts below %s: %v", root, err)
	}
	pkg, service := regexp.MustCompile(`(?m)^package (\S+);`), regexp.MustCompile(`(?m)^service (\w+) \{`)
	var services []string
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range service.FindAllSubmatch(content, -1) {
			services = append(services, string(pkg.FindSubmatch(content)[1])+"."+string(m[1]))
		}
	}
	return services
}

func TestEveryMethodNamesAPermissionThatExists(t *testing.T) {
	needed := map[auth.Permission]bool{}
	for _, service := range contracts(t) {
		methods, err := rpc.MethodsOf(service)
		if err != nil {
			t.Errorf("%v (a service of a new package has to be added to everyService)", err)
			continue
		}
		for _, m := range methods {
			needed[m.Permission] = true
			if m.Permission != auth.Public && m.Permission != auth.AnySession && !slices.ContainsFunc(auth.Roles(), func(r auth.Role) bool {
				return r != auth.RoleAdmin && slices.Contains(auth.PermissionsOf(r), m.Permission)
			}) && !adminOnly[m.Permission] {
				t.Errorf("%s: no role but the admin holds %s", m.Procedure, m.Permission)
			}
		}
	}
	for _, p := range auth.AllPermissions() {
		if !needed[p] {
			t.Errorf("the table names %s, which no method needs", p)
		}
	}
}

// adminOnly are the permissions that only the admin holds on purpose: they
// decide about everybody else's.
var adminOnly = map[auth.Permission]bool{
	"identity.user.read": true, "identity.user.write": true,
	"identity.token.read": true, "identity.token.write": true,
}

// TestPermissionMatrix calls every method as every role and as nobody. A
// caller who may reaches validation or the empty handler behind it.
func TestPermissionMatrix(t *testing.T) {
	r := start(t, options{register: everyService})
	served := map[string]bool{}
	for _, m := range r.Methods() {
		served[m.Procedure] = true
	}
	for _, service := range contracts(t) {
		methods, err := rpc.MethodsOf(service)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range methods {
			if !served[m.Procedure] {
				t.Errorf("%s is in the contracts and not in this test: add its service to everyService", m.Procedure)
			}
		}
	}
	calls := 0
	for _, role := range append(auth.Roles(), "") {
		client := httpAs(role)
		caller := auth.Caller{Role: role}
		for _, m := range r.Methods() {
			code := invoke(t.Context(), client, r.url, m)
			calls++
			admitted := code == connect.CodeUnimplemented || code == connect.CodeInvalidArgument
			want := m.Permission == auth.Public || (role != "" && caller.Can(m.Permission))
			switch {
			case want && !admitted:
				t.Errorf("%s as %q: %s, although the table allows it", m.Procedure, role, code)
			case !want && role == "" && code != connect.CodeUnauthenticated:
				t.Errorf("%s as nobody: %s", m.Procedure, code)
			case !want && role != "" && code != connect.CodePermissionDenied:
				t.Errorf("%s as %s: %s, although the table forbids it", m.Procedure, role, code)
			}
		}
	}
	t.Logf("%d calls of %d methods", calls, len(r.Methods()))
}

// invoke sends an empty message and answers with the code.
func invoke(ctx context.Context, client *http.Client, url string, m rpc.Method, opts ...connect.ClientOption) connect.Code {
	c := connect.NewClient[emptypb.Empty, emptypb.Empty](client, url+m.Procedure, opts...)
	var err error
	switch {
	case m.ServerStream:
		var stream *connect.ServerStreamForClient[emptypb.Empty]
		if stream, err = c.CallServerStream(ctx, connect.NewRequest(&emptypb.Empty{})); err == nil {
			for stream.Receive() {
			}
			err = stream.Err()
		}
	case m.ClientStream:
		stream := c.CallClientStream(ctx)
		_ = stream.Send(&emptypb.Empty{}) // where it ends early, the answer says why
		_, err = stream.CloseAndReceive()
	default:
		_, err = c.CallUnary(ctx, connect.NewRequest(&emptypb.Empty{}))
	}
	if err == nil {
		return 0
	}
	return connect.CodeOf(err)
}

func TestHandlePanicsWithoutPermission(t *testing.T) {
	r := start(t, options{})
	defer func() {
		if recover() == nil {
			t.Error("a service without permissions was taken")
		}
	}()
	// The reflection service names none of this project's permissions.
	r.Handle("/grpc.reflection.v1.ServerReflection/", http.NotFoundHandler())
}

func TestHandleHTTPPanicsOnUnknownPermission(t *testing.T) {
	r := start(t, options{})
	defer func() {
		if recover() == nil {
			t.Error("a route with a permission that does not exist was taken")
		}
	}()
	r.HandleHTTP("GET /v1/x", "inventory.feed.explode", nil)
}

func TestCSRF(t *testing.T) {
	called := 0
	r := start(t, options{
		cfg:      func(c *rpc.ServerConfig) { c.TrustedOrigins = []string{"https://console.example.com"} },
		register: everyService,
	})
	r.HandleHTTP("PUT /v1/feeds", "inventory.feed.submit", func(http.ResponseWriter, *http.Request) error { called++; return nil })
	write := inventoryv1connect.FeedServiceCancelFeedProcedure
	read := inventoryv1connect.FeedServiceGetFeedProcedure
	signIn := identityv1connect.IdentityServiceSignInProcedure
	self := r.url
	for _, c := range []struct {
		name, method, path string
		header             map[string]string
		refused            bool
	}{
		{"cookie without token", "POST", write, map[string]string{}, true},
		{"wrong token", "POST", write, map[string]string{"X-Csrf-Token": "guess"}, true},
		{"empty token", "POST", write, map[string]string{"X-Csrf-Token": ""}, true},
		{"right token", "POST", write, map[string]string{"X-Csrf-Token": sessionCSRF}, false},
		{"right token, own origin", "POST", write, map[string]string{"X-Csrf-Token": sessionCSRF, "Origin": self}, false},
		{"right token, trusted origin", "POST", write, map[string]string{"X-Csrf-Token": sessionCSRF, "Origin": "https://console.example.com", "Sec-Fetch-Site": "cross-site"}, false},
		{"right token, foreign origin", "POST", write, map[string]string{"X-Csrf-Token": sessionCSRF, "Origin": "https://evil.example"}, true},
		{"right token, null origin", "POST", write, map[string]string{"X-Csrf-Token": sessionCSRF, "Origin": "null"}, true},
		{"right token, cross-site fetch", "POST", write, map[string]string{"X-Csrf-Token": sessionCSRF, "Sec-Fetch-Site": "cross-site"}, true},
		{"right token, same-site fetch", "POST", write, map[string]string{"X-Csrf-Token": sessionCSRF, "Sec-Fetch-Site": "same-site"}, true},
		{"reading by POST", "POST", read, map[string]string{}, false},
		{"reading by GET", "GET", read + "?encoding=json&message=%7B%7D", map[string]string{}, false},
		{"writing by GET", "GET", write + "?encoding=json&message=%7B%7D", map[string]string{}, true},
		{"route without token", "PUT", "/v1/feeds", map[string]string{}, true},
		{"route with token", "PUT", "/v1/feeds", map[string]string{"X-Csrf-Token": sessionCSRF}, false},
		{"route cross-site", "PUT", "/v1/feeds", map[string]string{"X-Csrf-Token": sessionCSRF, "Origin": "https://evil.example"}, true},
		{"signing in needs no token", "POST", signIn, map[string]string{}, false},
		{"signing in from another site", "POST", signIn, map[string]string{"Origin": "https://evil.example"}, true},
		{"signing in by a form", "POST", signIn, map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, true},
		{"signing in by a text form", "POST", signIn, map[string]string{"Content-Type": "text/plain"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var body io.Reader
			if c.method != "GET" {
				body = strings.NewReader("{}")
			}
			req, err := http.NewRequestWithContext(t.Context(), c.method, r.url+c.path, body)
			if err != nil {
				t.Fatal(err)
			}
			req.AddCookie(&http.Cookie{Name: "role", Value: "operator"})
			if c.method != "GET" {
				req.Header.Set("Content-Type", "application/json")
			}
			for k, v := range c.header {
				req.Header.Set(k, v)
			}
			before := called
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			// What is admitted meets validation or the empty handler: 400 or 501.
			refused := slices.Contains([]int{http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType}, res.StatusCode)
			if refused != c.refused {
				t.Errorf("status %d", res.StatusCode)
			}
			if refused && called != before {
				t.Error("the route ran all the same")
			}
		})
	}
}

func TestTokensNeedNoCSRFAndNeverFallBackToTheCookie(t *testing.T) {
	r := start(t, options{register: everyService})
	for name, c := range map[string]struct {
		header string
		want   int
	}{
		"good token":               {"Bearer operator", 400},
		"bad token beside cookie":  {"Bearer nobody", 401},
		"other scheme":             {"Basic b3BlcmF0b3I6eA==", 401},
		"empty bearer":             {"Bearer ", 401},
		"scheme in another letter": {"bearer operator", 400},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+inventoryv1connect.FeedServiceCancelFeedProcedure, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", c.header)
		if c.want == 401 {
			req.AddCookie(&http.Cookie{Name: "role", Value: "operator"})
			req.Header.Set(rpc.CSRFHeader, sessionCSRF)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err = errors.Join(err, res.Body.Close()); err != nil || res.StatusCode != c.want {
			t.Errorf("%s: status %d, want %d; %v", name, res.StatusCode, c.want, err)
		}
		if c.want == 401 && !strings.Contains(string(body), "this credential is not valid") {
			t.Errorf("%s: %s", name, body)
		}
	}
}
