package identity

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	identityv1 "github.com/bodega-hq/bodega/gen/bodega/identity/v1"
	"github.com/bodega-hq/bodega/internal/identity/password"
	"github.com/bodega-hq/bodega/internal/platform/auth"
	"github.com/bodega-hq/bodega/internal/platform/fault"
	"github.com/bodega-hq/bodega/internal/platform/tenant"
)

// service answers IdentityService.
type service struct{ *Module }

// SignIn starts a session; its cookie is in the answer's headers.
func (s *service) SignIn(ctx context.Context, req *identityv1.SignInRequest) (*identityv1.SignInResponse, error) {
	info, ok := connect.CallInfoForHandlerContext(ctx)
	if !ok {
		return nil, errNoPeer
	}
	u, err := s.passwords.verify(ctx, req.GetEmail(), req.GetPassword(), info.Peer().Addr)
	if err != nil {
		return nil, err
	}
	cookie, csrf, err := s.sessions.Start(ctx, u.Email, s.sessions.secretIn(info.RequestHeader()))
	if err != nil {
		return nil, err
	}
	info.ResponseHeader().Add("Set-Cookie", cookie.String())
	res, err := s.caller(ctx, auth.Caller{
		Subject: u.subject(), Name: u.Name, Role: u.Role, MerchantID: u.MerchantID,
		Credential: auth.Session, CSRFToken: csrf,
	})
	return &identityv1.SignInResponse{Caller: res}, err
}

// SignOut ends the session. A caller with another credential has none to end.
func (s *service) SignOut(ctx context.Context, _ *identityv1.SignOutRequest) (*identityv1.SignOutResponse, error) {
	info, ok := connect.CallInfoForHandlerContext(ctx)
	if !ok {
		return nil, errNoPeer
	}
	if secret := s.sessions.secretIn(info.RequestHeader()); secret != "" {
		cookie, err := s.sessions.End(ctx, secret)
		if err != nil {
			return nil, err
		}
		info.ResponseHeader().Add("Set-Cookie", cookie.String())
	}
	return &identityv1.SignOutResponse{}, nil
}

// GetCaller says who is calling.
func (s *service) GetCaller(ctx context.Context, _ *identityv1.GetCallerRequest) (*identityv1.GetCallerResponse, error) {
	caller, ok := auth.From(ctx)
	if !ok {
		return nil, auth.ErrSignIn
	}
	res, err := s.caller(ctx, caller)
	return &identityv1.GetCallerResponse{Caller: res}, err
}

func (s *service) caller(ctx context.Context, c auth.Caller) (*identityv1.Caller, error) {
	now, err := tenant.From(ctx)
	if err != nil {
		return nil, err
	}
	res := &identityv1.Caller{
		Subject: c.Subject, Name: c.Name, Role: protoRoles[c.Role], MerchantId: c.MerchantID,
		Tenant: string(now), CsrfToken: c.CSRFToken, Demo: s.deps.Demo,
	}
	for _, p := range c.Permissions() {
		res.Permissions = append(res.Permissions, string(p))
	}
	for _, id := range auth.TenantsOf(c.Role, s.deps.Tenants) {
		res.Tenants = append(res.Tenants, string(id))
	}
	return res, nil
}

// ListDemoSignIns lists who may sign in to demo data, and by which password.
func (s *service) ListDemoSignIns(ctx context.Context, _ *identityv1.ListDemoSignInsRequest) (*identityv1.ListDemoSignInsResponse, error) {
	res := &identityv1.ListDemoSignInsResponse{}
	if !s.deps.Demo {
		return res, nil
	}
	found, err := s.store.demoSignIns(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range found {
		res.SignIns = append(res.SignIns, &identityv1.DemoSignIn{
			Email: d.Email, Password: d.Password, Name: d.Name, Role: protoRoles[d.Role],
		})
	}
	return res, nil
}

// CreateUser makes a user. The same request with the same idempotency key
// answers with the user that the first one made.
func (s *service) CreateUser(ctx context.Context, req *identityv1.CreateUserRequest) (*identityv1.CreateUserResponse, error) {
	u := User{
		Email: normalEmail(req.GetEmail()), Name: strings.TrimSpace(req.GetName()), Role: roles[req.GetRole()],
		MerchantID: req.GetMerchantId(), CreatedAt: s.now(),
	}
	if err := errors.Join(checkText("name", u.Name), checkKey(req.GetIdempotencyKey()), checkMerchant(u.Role, u.MerchantID)); err != nil {
		return nil, err
	}
	if err := s.findMerchant(ctx, u.Role, u.MerchantID); err != nil {
		return nil, err
	}
	stored, hash, err := s.store.createUser(ctx, u, password.Hash(req.GetPassword()), req.GetIdempotencyKey())
	if err != nil {
		return nil, err
	}
	// The same key with another password is another request.
	same, err := password.Verify(hash, req.GetPassword())
	switch {
	case err != nil:
		return nil, fmt.Errorf("create user %s: %w", u.Email, err)
	case !same:
		return nil, fmt.Errorf("create user %s: %w", u.Email, ErrUserExists)
	}
	return &identityv1.CreateUserResponse{User: protoUser(stored)}, nil
}

// ListUsers lists users by email address.
func (s *service) ListUsers(ctx context.Context, req *identityv1.ListUsersRequest) (*identityv1.ListUsersResponse, error) {
	after, err := decodePage(req.GetPageToken())
	if err != nil {
		return nil, err
	}
	size := pageSize(req.GetPageSize())
	users, err := s.store.users(ctx, after, size+1, s.deps.Demo)
	if err != nil {
		return nil, err
	}
	res := &identityv1.ListUsersResponse{}
	if len(users) > size {
		users = users[:size]
		res.NextPageToken = encodePage(users[size-1].Email)
	}
	for _, u := range users {
		res.Users = append(res.Users, protoUser(u))
	}
	return res, nil
}

// CreateToken makes a token and shows its secret this once. A repeated request
// with the same idempotency key gives the same token a new secret, since
// whoever repeats has not received the first.
func (s *service) CreateToken(ctx context.Context, req *identityv1.CreateTokenRequest) (*identityv1.CreateTokenResponse, error) {
	caller, ok := auth.From(ctx)
	if !ok {
		return nil, auth.ErrSignIn
	}
	t := Token{
		ID: newTokenID(), Name: strings.TrimSpace(req.GetName()), Role: roles[req.GetRole()], MerchantID: req.GetMerchantId(),
		CreatedBy: caller.Subject, CreatedAt: s.now(), days: req.GetDays(),
	}
	if err := errors.Join(checkText("name", t.Name), checkKey(req.GetIdempotencyKey()), checkMerchant(t.Role, t.MerchantID)); err != nil {
		return nil, err
	}
	if err := s.findMerchant(ctx, t.Role, t.MerchantID); err != nil {
		return nil, err
	}
	for _, p := range auth.PermissionsOf(t.Role) {
		if !caller.Can(p) {
			return nil, fault.Errorf(fault.PermissionDenied, "role: a token may hold no permission that its maker lacks, such as %s", p)
		}
	}
	if t.days > 0 {
		expires := t.CreatedAt.Add(time.Duration(t.days) * 24 * time.Hour)
		t.ExpiresAt = &expires
	}
	random := newSecret()
	secret := func(id string) string { return tokenPrefix + id + "_" + random }
	t, err := s.store.createToken(ctx, t, req.GetIdempotencyKey(), func(id string) []byte { return hashOf(secret(id)) })
	if err != nil {
		return nil, err
	}
	return &identityv1.CreateTokenResponse{Token: protoToken(t), Secret: secret(t.ID)}, nil
}

// ListTokens lists the tokens that are not revoked.
func (s *service) ListTokens(ctx context.Context, req *identityv1.ListTokensRequest) (*identityv1.ListTokensResponse, error) {
	after, err := decodePage(req.GetPageToken())
	if err != nil {
		return nil, err
	}
	size := pageSize(req.GetPageSize())
	found, err := s.store.tokens(ctx, after, size+1)
	if err != nil {
		return nil, err
	}
	res := &identityv1.ListTokensResponse{}
	if len(found) > size {
		found = found[:size]
		res.NextPageToken = encodePage(found[size-1].ID)
	}
	for _, t := range found {
		res.Tokens = append(res.Tokens, protoToken(t))
	}
	return res, nil
}

// RevokeToken ends a token at once. Revoking it again changes nothing.
func (s *service) RevokeToken(ctx context.Context, req *identityv1.RevokeTokenRequest) (*identityv1.RevokeTokenResponse, error) {
	if !tokenID.MatchString(req.GetTokenId()) {
		return nil, fmt.Errorf("revoke token %q: %w", req.GetTokenId(), ErrTokenUnknown)
	}
	if err := s.store.revokeToken(ctx, req.GetTokenId(), s.now()); err != nil {
		return nil, err
	}
	return &identityv1.RevokeTokenResponse{}, nil
}

// now is cut to what the database keeps, so that an answer equals what is
// read back.
func (s *service) now() time.Time { return s.deps.Now().Truncate(time.Microsecond) }

func checkMerchant(role auth.Role, merchantID string) error {
	if role != auth.RoleService && (role == auth.RoleMerchant) != (merchantID != "") {
		return ErrMerchantRole
	}
	if merchantID == "" {
		return nil
	}
	return checkText("merchant_id", merchantID)
}

// findMerchant refuses a merchant that is in no tenant that the role reaches:
// whoever is bound to it could do nothing.
func (s *service) findMerchant(ctx context.Context, role auth.Role, id string) error {
	if id == "" {
		return nil
	}
	reached := s.deps.Tenants.IDs()
	if role == auth.RoleMerchant {
		reached = reached[:1]
	}
	asked := make([]string, len(reached))
	for i, t := range reached {
		found, err := s.deps.Merchants.HasMerchant(tenant.With(ctx, t), id)
		if err != nil || found {
			return err
		}
		asked[i] = string(t)
	}
	return fault.Errorf(fault.NotFound, "there is no merchant %s in tenant %s: `bodega merchant create` makes one, `bodega merchant list` shows those there are",
		id, strings.Join(asked, " or "))
}

func checkKey(key string) error {
	if key == "" {
		return nil
	}
	return checkText("idempotency_key", key)
}

// checkText refuses a text that is blank or that holds what no list can show
// and no database store.
func checkText(field, text string) error {
	if strings.TrimSpace(text) == "" || strings.ContainsFunc(text, unicode.IsControl) || !utf8.ValidString(text) {
		return fault.Errorf(fault.Invalid, "%s: is blank or holds control characters", field)
	}
	return nil
}

const defaultPageSize = 100

func pageSize(asked int32) int {
	if asked == 0 {
		return defaultPageSize
	}
	return int(asked)
}

func encodePage(last string) string { return base64.RawURLEncoding.EncodeToString([]byte(last)) }

func decodePage(token string) (string, error) {
	last, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || !utf8.Valid(last) || bytes.IndexByte(last, 0) >= 0 {
		return "", fmt.Errorf("page token %q: %w", token, ErrPageToken)
	}
	return string(last), nil
}

var protoRoles = map[auth.Role]identityv1.Role{
	auth.RoleMerchant: identityv1.Role_ROLE_MERCHANT,
	auth.RoleOperator: identityv1.Role_ROLE_OPERATOR,
	auth.RoleSupport:  identityv1.Role_ROLE_SUPPORT,
	auth.RoleFinance:  identityv1.Role_ROLE_FINANCE,
	auth.RoleEngineer: identityv1.Role_ROLE_ENGINEER,
	auth.RoleAdmin:    identityv1.Role_ROLE_ADMIN,
	auth.RoleService:  identityv1.Role_ROLE_SERVICE,
}

var roles = func() map[identityv1.Role]auth.Role {
	m := make(map[identityv1.Role]auth.Role, len(protoRoles))
	for role, p := range protoRoles {
		m[p] = role
	}
	return m
}()

func protoUser(u User) *identityv1.User {
	return &identityv1.User{
		Email: u.Email, Name: u.Name, Role: protoRoles[u.Role], MerchantId: u.MerchantID,
		CreatedAt: timestamppb.New(u.CreatedAt), Disabled: u.Disabled,
	}
}

func protoToken(t Token) *identityv1.Token {
	p := &identityv1.Token{
		TokenId: t.ID, Name: t.Name, Role: protoRoles[t.Role], MerchantId: t.MerchantID,
		CreatedAt: timestamppb.New(t.CreatedAt),
	}
	if t.ExpiresAt != nil {
		p.ExpiresAt = timestamppb.New(*t.ExpiresAt)
	}
	if t.LastUsedAt != nil {
		p.LastUsedAt = timestamppb.New(*t.LastUsedAt)
	}
	return p
}
