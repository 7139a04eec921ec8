package app

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"time"

	identityv1 "github.com/bodega-hq/bodega/gen/bodega/identity/v1"
	"github.com/bodega-hq/bodega/internal/app/term"
)

// UserCmd is `bodega user`.
type UserCmd struct {
	Create UserCreateCmd `cmd:"" help:"Make a user. The first admin is made on the server's own machine, by the user who started it."`
	List   UserListCmd   `cmd:"" help:"List users."`
}

// UserCreateCmd is `bodega user create`.
type UserCreateCmd struct {
	Remote   `embed:""`
	Email    string `required:"" help:"Email address to sign in with."`
	Name     string `help:"Name for people; the email address without it."`
	Role     string `required:"" enum:"merchant,operator,support,finance,engineer,admin" help:"What the user may do: ${enum}."`
	Merchant string `help:"The merchant of a merchant user."`
	Password string `help:"Password of at least 10 characters; without it one is drawn and printed. Better given as BODEGA_PASSWORD, or - to read it from standard input."`
}

// madeUser is what scripts read of a new user.
type madeUser struct {
	Email    string `json:"email"`
	Name     string `json:"name"`
	Role     string `json:"role"`
	Merchant string `json:"merchant_id"`
	Password string `json:"password,omitempty"` // where one was drawn
}

// Run makes the user.
func (c *UserCreateCmd) Run(ctx context.Context, t *term.Terminal) error {
	password, drawn := c.Password, false
	switch password {
	case "":
		password, drawn = strings.ToLower(rand.Text()[:16]), true
	case "-":
		line, err := io.ReadAll(io.LimitReader(t.In, 1024))
		if err != nil {
			return fmt.Errorf("read password: %w", err)
		}
		password = strings.TrimRight(string(line), "\r\n")
	}
	name := c.Name
	if name == "" {
		name = c.Email
	}
	ctx, api, err := c.connect(ctx)
	if err != nil {
		return err
	}
	out, err := api.identity.CreateUser(ctx, &identityv1.CreateUserRequest{
		Email: c.Email, Name: name, Role: roleValue(c.Role), MerchantId: c.Merchant, Password: password,
	})
	if err != nil {
		return err
	}
	shown := madeUser{out.GetUser().GetEmail(), out.GetUser().GetName(), c.Role, out.GetUser().GetMerchantId(), ""}
	text := textLine("User %s may sign in.", out.GetUser().GetEmail())
	if drawn {
		shown.Password = password
		text = textLine("User %s may sign in with the password %s, which is shown this once.", out.GetUser().GetEmail(), password)
	}
	return t.Print(shown, text)
}

func roleValue(word string) identityv1.Role {
	return identityv1.Role(identityv1.Role_value["ROLE_"+strings.ToUpper(word)])
}

// UserListCmd is `bodega user list`.
type UserListCmd struct {
	Remote `embed:""`
}

// Run lists users.
func (c *UserListCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx, api, err := c.connect(ctx)
	if err != nil {
		return err
	}
	list := []message{}
	var rows [][]string
	for token := ""; ; {
		out, err := api.identity.ListUsers(ctx, &identityv1.ListUsersRequest{PageToken: token, PageSize: 1000})
		if err != nil {
			return err
		}
		for _, u := range out.GetUsers() {
			list = append(list, message{u})
			rows = append(rows, []string{u.GetEmail(), u.GetName(), enumWord(u.GetRole(), "ROLE_"), u.GetMerchantId()})
		}
		if token = out.GetNextPageToken(); token == "" {
			break
		}
	}
	return t.Print(list, textTable([]string{"email", "name", "role", "merchant"}, rows, "There is no user yet: `bodega user create` makes one."))
}

// TokenCmd is `bodega token`.
type TokenCmd struct {
	Create TokenCreateCmd `cmd:"" help:"Make an API token. Its secret is shown once."`
	List   TokenListCmd   `cmd:"" help:"List tokens."`
	Revoke TokenRevokeCmd `cmd:"" help:"Revoke a token, at once."`
}

// TokenCreateCmd is `bodega token create`.
type TokenCreateCmd struct {
	Remote   `embed:""`
	Name     string `required:"" help:"What the token is for."`
	Role     string `default:"service" enum:"merchant,operator,support,finance,engineer,admin,service" help:"What its holder may do: ${enum}."`
	Merchant string `help:"Bind the token to one merchant."`
	Days     int32  `default:"365" help:"Days until it expires; 0 for never."`
}

// madeToken is what scripts read of a new token.
type madeToken struct {
	ID       string `json:"token_id"`
	Name     string `json:"name"`
	Role     string `json:"role"`
	Merchant string `json:"merchant_id"`
	Secret   string `json:"secret"`
}

// Run makes the token.
func (c *TokenCreateCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx, api, err := c.connect(ctx)
	if err != nil {
		return err
	}
	out, err := api.identity.CreateToken(ctx, &identityv1.CreateTokenRequest{
		Name: c.Name, Role: roleValue(c.Role), MerchantId: c.Merchant, Days: c.Days,
	})
	if err != nil {
		return err
	}
	shown := madeToken{out.GetToken().GetTokenId(), c.Name, c.Role, c.Merchant, out.GetSecret()}
	return t.Print(shown, textLine("Token %s, shown this once:\n%s", out.GetToken().GetTokenId(), out.GetSecret()))
}

// TokenListCmd is `bodega token list`.
type TokenListCmd struct {
	Remote `embed:""`
}

// Run lists tokens.
func (c *TokenListCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx, api, err := c.connect(ctx)
	if err != nil {
		return err
	}
	list := []message{}
	var rows [][]string
	for token := ""; ; {
		out, err := api.identity.ListTokens(ctx, &identityv1.ListTokensRequest{PageToken: token, PageSize: 1000})
		if err != nil {
			return err
		}
		for _, k := range out.GetTokens() {
			expires := "never"
			if k.GetExpiresAt() != nil {
				expires = k.GetExpiresAt().AsTime().Format(time.DateOnly)
			}
			list = append(list, message{k})
			rows = append(rows, []string{k.GetTokenId(), k.GetName(), enumWord(k.GetRole(), "ROLE_"), k.GetMerchantId(), expires})
		}
		if token = out.GetNextPageToken(); token == "" {
			break
		}
	}
	return t.Print(list, textTable([]string{"id", "name", "role", "merchant", "expires"}, rows, "There is no token yet: `bodega token create` makes one."))
}

// TokenRevokeCmd is `bodega token revoke`.
type TokenRevokeCmd struct {
	Remote `embed:""`
	ID     string `arg:"" help:"Token's id."`
}

// Run revokes the token.
func (c *TokenRevokeCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx, api, err := c.connect(ctx)
	if err != nil {
		return err
	}
	if _, err := api.identity.RevokeToken(ctx, &identityv1.RevokeTokenRequest{TokenId: c.ID}); err != nil {
		return err
	}
	return t.Print(map[string]string{"token_id": c.ID, "state": "revoked"}, textLine("Token %s opens nothing any more.", c.ID))
}
