package identity_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/jackc/pgx/v5/pgxpool"

	identityv1 "github.com/bodega-hq/bodega/gen/bodega/identity/v1"
	"github.com/bodega-hq/bodega/gen/bodega/identity/v1/identityv1connect"
	"github.com/bodega-hq/bodega/internal/identity"
	"github.com/bodega-hq/bodega/internal/platform/auth"
	"github.com/bodega-hq/bodega/internal/platform/auth/local"
	"github.com/bodega-hq/bodega/internal/platform/pg"
	"github.com/bodega-hq/bodega/internal/platform/rpc"
	"github.com/bodega-hq/bodega/internal/platform/telemetry"
	"github.com/bodega-hq/bodega/internal/platform/tenant"
	"github.com/bodega-hq/bodega/internal/testkit/postgres"
)

// clock is one that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a server with identity on a database of its own.
type world struct {
	*identity.Module
	pool   *pgxpool.Pool
	clock  *clock
	url    string
	secret string // the local credential's
}

type setup struct {
	cfg  func(*identity.Config)
	deps func(*identity.Deps)
	pool *pgxpool.Pool
}

// marketplace is a merchant for each tenant.
type marketplace map[tenant.ID]string

func (m marketplace) HasMerchant(ctx context.Context, id string) (bool, error) {
	t, err := tenant.From(ctx)
	return m[t] == id, err
}

func openPool(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool, err := pg.Open(t.Context(), postgres.URL(t), pg.Options{ApplicationName: "test", SearchPath: []string{identity.Schema}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func open(t *testing.T, s setup) *world {
	t.Helper()
	if s.pool == nil {
		s.pool = openPool(t)
	}
	tenants, err := tenant.NewSet("prod", "test")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{pool: s.pool, clock: &clock{now: time.Now()}}
	cfg, deps := identity.DefaultConfig(), identity.Deps{Pool: s.pool, Tenants: tenants, Merchants: marketplace{"prod": "corner", "test": "verdure"}, Now: w.clock.Now}
	if s.cfg != nil {
		s.cfg(&cfg)
	}
	if s.deps != nil {
		s.deps(&deps)
	}
	if w.Module, err = identity.New(cfg, deps); err != nil {
		t.Fatal(err)
	}
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	credentials, err := local.OpenDir(t.TempDir() + "/run")
	if err != nil {
		t.Fatal(err)
	}
	credential, cleanup, err := credentials.Write(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cleanup)
	byFile, err := credential.Authenticator()
	if err != nil {
		t.Fatal(err)
	}
	server, err := rpc.NewServer(rpc.DefaultServerConfig(), rpc.ServerDeps{
		Logger: slog.New(slog.DiscardHandler), Metrics: telemetry.NewMetrics(), Tenants: tenants, Now: time.Now,
		Authenticator: auth.FirstOf(byFile, w.Authenticator()),
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Handle(identityv1connect.NewIdentityServiceHandler(w.Handler(), server.Options()...))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	w.url, w.secret = "http://"+ln.Addr().String(), credential.Secret
	return w
}

// with is a client that sends a bearer token.
func (w *world) with(t *testing.T, secret string) identityv1connect.IdentityServiceClient {
	t.Helper()
	c, err := rpc.NewClient(rpc.ClientConfig{BaseURL: w.url, Secret: secret}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return identityv1connect.NewIdentityServiceClient(c.HTTP(), c.BaseURL(), c.Options()...)
}

func (w *world) admin(t *testing.T) identityv1connect.IdentityServiceClient {
	return w.with(t, w.secret)
}

// browser keeps cookies and sends back what CSRF token it is told to.
type browser struct {
	identityv1connect.IdentityServiceClient
	jar  *cookiejar.Jar
	csrf string
}

func (w *world) browser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{jar: jar}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Jar: jar, Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		if b.csrf != "" {
			r.Header.Set(rpc.CSRFHeader, b.csrf)
		}
		return transport.RoundTrip(r)
	})}
	b.IdentityServiceClient = identityv1connect.NewIdentityServiceClient(client, w.url)
	return b
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

const secretWord = "correct horse battery"

func (w *world) addUser(t *testing.T, email string, role identityv1.Role, merchant string) {
	t.Helper()
	_, err := w.admin(t).CreateUser(t.Context(), &identityv1.CreateUserRequest{
		Email: email, Name: "Ana", Role: role, MerchantId: merchant, Password: secretWord,
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (b *browser) signIn(t *testing.T, email, password string) (*identityv1.Caller, error) {
	t.Helper()
	res, err := b.SignIn(t.Context(), &identityv1.SignInRequest{Email: email, Password: password})
	if err != nil {
		return nil, err
	}
	b.csrf = res.GetCaller().GetCsrfToken()
	return res.GetCaller(), nil
}

func mustCode(t *testing.T, what string, err error, want connect.Code) {
	t.Helper()
	if connect.CodeOf(err) != want || err == nil {
		t.Errorf("%s = %v, want %s", what, err, want)
	}
}

func TestSignInAndOut(t *testing.T) {
	w := open(t, setup{})
	w.addUser(t, "Ana@Example.com", identityv1.Role_ROLE_MERCHANT, "corner")
	b := w.browser(t)
	_, err := b.GetCaller(t.Context(), &identityv1.GetCallerRequest{})
	mustCode(t, "GetCaller before signing in", err, connect.CodeUnauthenticated)

	_, err = b.signIn(t, " ana@example.COM", secretWord)
	mustCode(t, "an address with a space", err, connect.CodeInvalidArgument)
	caller, err := b.signIn(t, "ana@example.COM", secretWord)
	if err != nil {
		t.Fatal(err)
	}
	if caller.GetSubject() != "user:ana@example.com" || caller.GetRole() != identityv1.Role_ROLE_MERCHANT || caller.GetMerchantId() != "corner" ||
		caller.GetCsrfToken() == "" || caller.GetTenant() != "prod" || fmt.Sprint(caller.GetTenants()) != "[prod]" || caller.GetDemo() {
		t.Errorf("SignIn answered %v", caller)
	}
	// A page that is loaded again finds everything out by its cookie alone.
	csrf := b.csrf
	b.csrf = ""
	got, err := b.GetCaller(t.Context(), &identityv1.GetCallerRequest{})
	if err != nil || got.GetCaller().GetCsrfToken() != csrf || len(got.GetCaller().GetPermissions()) != len(auth.PermissionsOf(auth.RoleMerchant)) {
		t.Errorf("GetCaller = %v, %v", got, err)
	}
	_, err = b.SignOut(t.Context(), &identityv1.SignOutRequest{})
	mustCode(t, "SignOut without the CSRF token", err, connect.CodePermissionDenied)
	kept := b.jar.Cookies(mustURL(t, w.url))
	b.csrf = csrf
	if _, err := b.SignOut(t.Context(), &identityv1.SignOutRequest{}); err != nil {
		t.Fatal(err)
	}
	if left := b.jar.Cookies(mustURL(t, w.url)); len(left) != 0 {
		t.Errorf("the browser still holds %v", left)
	}
	b.jar.SetCookies(mustURL(t, w.url), kept)
	_, err = b.GetCaller(t.Context(), &identityv1.GetCallerRequest{})
	mustCode(t, "the old cookie", err, connect.CodeUnauthenticated)
}

func TestCookieAttributes(t *testing.T) {
	for secure, want := range map[bool]string{
		false: "bodega_session=; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax",
		true:  "__Host-bodega_session=; Path=/; Max-Age=604800; HttpOnly; Secure; SameSite=Lax",
	} {
		w := open(t, setup{cfg: func(c *identity.Config) { c.SecureCookies = secure }})
		w.addUser(t, "ana@example.com", identityv1.Role_ROLE_OPERATOR, "")
		ctx, info := connect.NewClientContext(t.Context())
		if _, err := w.browser(t).SignIn(ctx, &identityv1.SignInRequest{Email: "ana@example.com", Password: secretWord}); err != nil {
			t.Fatal(err)
		}
		cookie, err := http.ParseSetCookie(info.ResponseHeader().Get("Set-Cookie"))
		if err != nil || len(cookie.Value) != 43 {
			t.Fatalf("cookie %v, %v", cookie, err)
		}
		secret := cookie.Value
		cookie.Value = ""
		if got := cookie.String(); got != want {
			t.Errorf("cookie %q, want %q", got, want)
		}
		var plain int
		if err := w.pool.QueryRow(t.Context(), `SELECT count(*) FROM sessions WHERE position($1::bytea IN secret_hash) > 0`, []byte(secret)).Scan(&plain); err != nil || plain != 0 {
			t.Errorf("the secret is stored: %d, %v", plain, err)
		}
	}
}

func TestSigningInRotatesTheSession(t *testing.T) {
	w := open(t, setup{})
	w.addUser(t, "ana@example.com", identityv1.Role_ROLE_OPERATOR, "")
	b := w.browser(t)
	if _, err := b.signIn(t, "ana@example.com", secretWord); err != nil {
		t.Fatal(err)
	}
	old := b.jar.Cookies(mustURL(t, w.url))
	if _, err := b.signIn(t, "ana@example.com", secretWord); err != nil {
		t.Fatal(err)
	}
	if now := b.jar.Cookies(mustURL(t, w.url)); now[0].Value == old[0].Value {
		t.Error("the session kept its secret")
	}
	thief := w.browser(t)
	thief.jar.SetCookies(mustURL(t, w.url), old)
	_, err := thief.GetCaller(t.Context(), &identityv1.GetCallerRequest{})
	mustCode(t, "the session before", err, connect.CodeUnauthenticated)

	// A cookie that an attacker has planted does not become a session.
	fixed := w.browser(t)
	planted := []*http.Cookie{{Name: "bodega_session", Value: "planted", Path: "/"}}
	fixed.jar.SetCookies(mustURL(t, w.url), planted)
	if _, err := fixed.signIn(t, "ana@example.com", secretWord); err != nil {
		t.Fatal(err)
	}
	if fixed.jar.Cookies(mustURL(t, w.url))[0].Value == "planted" {
		t.Error("the planted cookie is the session")
	}
}

func TestSessionsEnd(t *testing.T) {
	hour := time.Hour
	w := open(t, setup{cfg: func(c *identity.Config) { c.SessionIdle, c.SessionLifetime = hour, 3*hour }})
	w.addUser(t, "ana@example.com", identityv1.Role_ROLE_OPERATOR, "")
	b := w.browser(t)
	call := func() error {
		_, err := b.GetCaller(t.Context(), &identityv1.GetCallerRequest{})
		return err
	}
	sign := func() {
		t.Helper()
		if _, err := b.signIn(t, "ana@example.com", secretWord); err != nil {
			t.Fatal(err)
		}
	}
	sign()
	w.clock.move(hour - time.Second)
	if err := call(); err != nil {
		t.Errorf("used within the idle time: %v", err)
	}
	w.clock.move(hour - time.Second)
	if err := call(); err != nil {
		t.Errorf("the use before did not count: %v", err)
	}
	w.clock.move(hour + time.Second)
	mustCode(t, "after the idle time", call(), connect.CodeUnauthenticated)
	sign() // with the old cookie still there
	for range 8 {
		w.clock.move(20 * time.Minute)
		if err := call(); err != nil {
			t.Fatalf("in use: %v", err)
		}
	}
	w.clock.move(21 * time.Minute)
	mustCode(t, "after the lifetime, although in use", call(), connect.CodeUnauthenticated)

	if err := w.Expire(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestDisablingAndRoleChangesTakeEffectAtOnce(t *testing.T) {
	w := open(t, setup{})
	w.addUser(t, "ana@example.com", identityv1.Role_ROLE_ADMIN, "")
	b := w.browser(t)
	if _, err := b.signIn(t, "ana@example.com", secretWord); err != nil {
		t.Fatal(err)
	}
	exec(t, w.pool, `UPDATE users SET role = 'finance'`)
	_, err := b.ListUsers(t.Context(), &identityv1.ListUsersRequest{})
	mustCode(t, "ListUsers after the role was taken", err, connect.CodePermissionDenied)
	exec(t, w.pool, `UPDATE users SET disabled = true`)
	_, err = b.GetCaller(t.Context(), &identityv1.GetCallerRequest{})
	mustCode(t, "GetCaller of a disabled user", err, connect.CodeUnauthenticated)
	_, err = b.signIn(t, "ana@example.com", secretWord)
	mustCode(t, "SignIn of a disabled user", err, connect.CodeUnauthenticated)
}

func exec(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

func TestRefusedSignInsLookAlike(t *testing.T) {
	w := open(t, setup{})
	w.addUser(t, "ana@example.com", identityv1.Role_ROLE_OPERATOR, "")
	w.addUser(t, "gone@example.com", identityv1.Role_ROLE_OPERATOR, "")
	exec(t, w.pool, `UPDATE users SET disabled = true WHERE email = 'gone@example.com'`)
	var messages []string
	for _, c := range [][2]string{{"ana@example.com", "wrong"}, {"nobody@example.com", "wrong"}, {"gone@example.com", secretWord}} {
		_, err := w.browser(t).signIn(t, c[0], c[1])
		mustCode(t, c[0], err, connect.CodeUnauthenticated)
		var ce *connect.Error
		if errors.As(err, &ce) {
			messages = append(messages, ce.Message())
		}
	}
	if len(messages) != 3 || messages[0] != messages[1] || messages[1] != messages[2] {
		t.Errorf("the answers differ: %q", messages)
	}
}

func TestThrottle(t *testing.T) {
	w := open(t, setup{cfg: func(c *identity.Config) { c.PairAttempts, c.AddressAttempts, c.AccountAttempts = 3, 8, 8 }})
	w.addUser(t, "ana@example.com", identityv1.Role_ROLE_OPERATOR, "")
	w.addUser(t, "ben@example.com", identityv1.Role_ROLE_OPERATOR, "")
	b := w.browser(t)
	try := func(email, password string) error { _, err := b.signIn(t, email, password); return err }

	// Whoever gets it right in between starts anew, however often.
	for range 5 {
		mustCode(t, "a slip", try("ana@example.com", "slip"), connect.CodeUnauthenticated)
		if err := try("ana@example.com", secretWord); err != nil {
			t.Fatal(err)
		}
	}
	w.clock.move(identity.DefaultConfig().ThrottleWindow)
	for range 3 {
		mustCode(t, "a guess", try("ana@example.com", "guess"), connect.CodeUnauthenticated)
	}
	err := try("ana@example.com", secretWord)
	mustCode(t, "the right password after too many guesses", err, connect.CodeResourceExhausted)
	var ce *connect.Error
	if !errors.As(err, &ce) || ce.Meta().Get("Retry-After") == "" {
		t.Errorf("no word on when to retry: %v", err)
	}
	if err := try("ben@example.com", secretWord); err != nil {
		t.Errorf("another account: %v", err)
	}
	// An account that does not exist is throttled like one that does.
	for range 3 {
		mustCode(t, "a guess at nobody", try("nobody@example.com", "guess"), connect.CodeUnauthenticated)
	}
	mustCode(t, "one more", try("nobody@example.com", "guess"), connect.CodeResourceExhausted)
	// Now the address itself is at its limit.
	for range 2 {
		mustCode(t, "any account from this address", try("carl@example.com", "guess"), connect.CodeUnauthenticated)
	}
	mustCode(t, "any account from this address", try("ben@example.com", secretWord), connect.CodeResourceExhausted)
	w.clock.move(identity.DefaultConfig().ThrottleWindow)
	if err := try("ana@example.com", secretWord); err != nil {
		t.Errorf("after the window: %v", err)
	}
}

// Attempts made at once are counted one by one.
func TestThrottleUnderConcurrency(t *testing.T) {
	w := open(t, setup{cfg: func(c *identity.Config) { c.PairAttempts = 5 }})
	w.addUser(t, "ana@example.com", identityv1.Role_ROLE_OPERATOR, "")
	codes := make(chan connect.Code)
	const at = 30
	for range at {
		b := w.browser(t)
		go func() {
			_, err := b.SignIn(t.Context(), &identityv1.SignInRequest{Email: "ana@example.com", Password: "guess"})
			codes <- connect.CodeOf(err)
		}()
	}
	looked := 0
	for range at {
		switch code := <-codes; code {
		case connect.CodeUnauthenticated:
			looked++
		case connect.CodeResourceExhausted:
		default:
			t.Errorf("code %s", code)
		}
	}
	if looked != 5 {
		t.Errorf("%d of %d guesses at once were looked at, want 5", looked, at)
	}
}

func TestCreateUser(t *testing.T) {
	w := open(t, setup{})
	admin := w.admin(t)
	good := func() *identityv1.CreateUserRequest {
		return &identityv1.CreateUserRequest{Email: "ana@example.com", Name: "Ana", Role: identityv1.Role_ROLE_OPERATOR, Password: secretWord, IdempotencyKey: "k1"}
	}
	first, err := admin.CreateUser(t.Context(), good())
	if err != nil {
		t.Fatal(err)
	}
	again, err := admin.CreateUser(t.Context(), good())
	if err != nil || !again.GetUser().GetCreatedAt().AsTime().Equal(first.GetUser().GetCreatedAt().AsTime()) {
		t.Errorf("the same request again = %v, %v", again, err)
	}
	for name, c := range map[string]struct {
		change func(*identityv1.CreateUserRequest)
		want   connect.Code
	}{
		"same address, other key":  {func(r *identityv1.CreateUserRequest) { r.IdempotencyKey = "k2" }, connect.CodeAlreadyExists},
		"same address, no key":     {func(r *identityv1.CreateUserRequest) { r.IdempotencyKey = "" }, connect.CodeAlreadyExists},
		"same key, other role":     {func(r *identityv1.CreateUserRequest) { r.Role = identityv1.Role_ROLE_ADMIN }, connect.CodeAlreadyExists},
		"same key, other password": {func(r *identityv1.CreateUserRequest) { r.Password += "!" }, connect.CodeAlreadyExists},
		"merchant user of none": {func(r *identityv1.CreateUserRequest) {
			r.Email, r.Role = "m@example.com", identityv1.Role_ROLE_MERCHANT
		}, connect.CodeInvalidArgument},
		"operator of one merchant":        {func(r *identityv1.CreateUserRequest) { r.Email, r.MerchantId = "o@example.com", "corner" }, connect.CodeInvalidArgument},
		"a person with a program role":    {func(r *identityv1.CreateUserRequest) { r.Email, r.Role = "s@example.com", identityv1.Role_ROLE_SERVICE }, connect.CodeInvalidArgument},
		"short password":                  {func(r *identityv1.CreateUserRequest) { r.Email, r.Password = "p@example.com", "short" }, connect.CodeInvalidArgument},
		"a control character in the name": {func(r *identityv1.CreateUserRequest) { r.Email, r.Name = "n@example.com", "A\x00B" }, connect.CodeInvalidArgument},
		"a NUL in the key":                {func(r *identityv1.CreateUserRequest) { r.Email, r.IdempotencyKey = "n@example.com", "k\x00" }, connect.CodeInvalidArgument},
		"a NUL in the merchant": {func(r *identityv1.CreateUserRequest) {
			r.Email, r.Role, r.MerchantId = "n@example.com", identityv1.Role_ROLE_MERCHANT, "\x00"
		}, connect.CodeInvalidArgument},
		"blank name": {func(r *identityv1.CreateUserRequest) { r.Email, r.Name = "n@example.com", " " }, connect.CodeInvalidArgument},
	} {
		req := good()
		c.change(req)
		_, err := admin.CreateUser(t.Context(), req)
		mustCode(t, name, err, c.want)
	}
	users, err := admin.ListUsers(t.Context(), &identityv1.ListUsersRequest{})
	if err != nil || len(users.GetUsers()) != 1 {
		t.Errorf("ListUsers = %v, %v", users, err)
	}
}

func TestListsArePaged(t *testing.T) {
	w := open(t, setup{})
	const n = 7
	for i := range n {
		exec(t, w.pool, `INSERT INTO users (email, name, role, password_hash, created_at) VALUES ($1, 'n', 'finance', 'x', now())`, fmt.Sprintf("u%d@example.com", i))
		if _, err := w.admin(t).CreateToken(t.Context(), &identityv1.CreateTokenRequest{Name: fmt.Sprint(i), Role: identityv1.Role_ROLE_SERVICE}); err != nil {
			t.Fatal(err)
		}
	}
	for _, size := range []int32{1, 2, 3, 7, 8, 0} {
		users, tokens := map[string]bool{}, map[string]bool{}
		for page, pages := "", 0; ; pages++ {
			res, err := w.admin(t).ListUsers(t.Context(), &identityv1.ListUsersRequest{PageSize: size, PageToken: page})
			if err != nil || pages > n {
				t.Fatal(pages, err)
			}
			for _, u := range res.GetUsers() {
				users[u.GetEmail()] = true
			}
			if page = res.GetNextPageToken(); page == "" {
				break
			}
		}
		for page, pages := "", 0; ; pages++ {
			res, err := w.admin(t).ListTokens(t.Context(), &identityv1.ListTokensRequest{PageSize: size, PageToken: page})
			if err != nil || pages > n {
				t.Fatal(pages, err)
			}
			for _, u := range res.GetTokens() {
				tokens[u.GetTokenId()] = true
			}
			if page = res.GetNextPageToken(); page == "" {
				break
			}
		}
		if len(users) != n || len(tokens) != n {
			t.Errorf("pages of %d: %d users, %d tokens", size, len(users), len(tokens))
		}
	}
	for _, token := range []string{"!!", "_w", "AA"} { // not base64, not UTF-8, a NUL
		_, err := w.admin(t).ListUsers(t.Context(), &identityv1.ListUsersRequest{PageToken: token})
		mustCode(t, "ListUsers after "+token, err, connect.CodeInvalidArgument)
		_, err = w.admin(t).ListTokens(t.Context(), &identityv1.ListTokensRequest{PageToken: token})
		mustCode(t, "ListTokens after "+token, err, connect.CodeInvalidArgument)
	}
}
