package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bodega-hq/bodega/internal/platform/pg"
)

// store keeps users, sessions, tokens and attempts. Its pool's search_path
// holds Schema.
type store struct {
	pool *pgxpool.Pool
}

// account is a user with what verifying them needs.
type account struct {
	User
	passwordHash string
	demo         bool
}

const selectAccount = `
SELECT email, name, role, merchant_id, created_at, disabled, password_hash, demo_password IS NOT NULL
FROM users WHERE email = $1`

// account finds a user by email; ok is false where there is none.
func (s *store) account(ctx context.Context, email string) (a account, ok bool, err error) {
	err = s.pool.QueryRow(ctx, selectAccount, email).Scan(
		&a.Email, &a.Name, &a.Role, &a.MerchantID, &a.CreatedAt, &a.Disabled, &a.passwordHash, &a.demo)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return account{}, false, nil
	case err != nil:
		return account{}, false, fmt.Errorf("load user %s: %w", email, err)
	default:
		return a, true, nil
	}
}

const insertUser = `
INSERT INTO users (email, name, role, merchant_id, password_hash, created_at, idempotency_key)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (email) DO NOTHING`

const selectSameUser = `
SELECT email, name, role, merchant_id, created_at, disabled, password_hash FROM users
WHERE email = $1 AND name = $2 AND role = $3 AND merchant_id = $4 AND idempotency_key = $5 AND idempotency_key <> ''`

// createUser inserts u. Where a user with this email is there, made under the
// same idempotency key with the same content, it answers with that one and
// its password's hash; else with ErrUserExists.
func (s *store) createUser(ctx context.Context, u User, passwordHash, idempotencyKey string) (stored User, storedHash string, err error) {
	tag, err := s.pool.Exec(ctx, insertUser, u.Email, u.Name, u.Role, u.MerchantID, passwordHash, u.CreatedAt, idempotencyKey)
	switch {
	case err != nil:
		return User{}, "", fmt.Errorf("create user %s: %w", u.Email, err)
	case tag.RowsAffected() == 1:
		return u, passwordHash, nil
	}
	err = s.pool.QueryRow(ctx, selectSameUser, u.Email, u.Name, u.Role, u.MerchantID, idempotencyKey).Scan(
		&stored.Email, &stored.Name, &stored.Role, &stored.MerchantID, &stored.CreatedAt, &stored.Disabled, &storedHash)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return User{}, "", fmt.Errorf("create user %s: %w", u.Email, ErrUserExists)
	case err != nil:
		return User{}, "", fmt.Errorf("create user %s: %w", u.Email, err)
	default:
		return stored, storedHash, nil
	}
}

const updatePasswordHash = `UPDATE users SET password_hash = $3 WHERE email = $1 AND password_hash = $2`

// replaceHash stores a password's hash anew, unless it was changed meanwhile.
func (s *store) replaceHash(ctx context.Context, email, old, hash string) error {
	if _, err := s.pool.Exec(ctx, updatePasswordHash, email, old, hash); err != nil {
		return fmt.Errorf("renew the password hash of %s: %w", email, err)
	}
	return nil
}

const selectUsers = `
SELECT email, name, role, merchant_id, created_at, disabled FROM users
WHERE email > $1 AND ($3 OR demo_password IS NULL) ORDER BY email LIMIT $2`

// users lists up to limit users whose email comes after the given one.
func (s *store) users(ctx context.Context, after string, limit int, demo bool) ([]User, error) {
	rows, err := s.pool.Query(ctx, selectUsers, after, limit, demo)
	if err == nil {
		var users []User
		users, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (u User, err error) {
			return u, row.Scan(&u.Email, &u.Name, &u.Role, &u.MerchantID, &u.CreatedAt, &u.Disabled)
		})
		if err == nil {
			return users, nil
		}
	}
	return nil, fmt.Errorf("list users: %w", err)
}

const (
	deleteSession = `DELETE FROM sessions WHERE secret_hash = $1`
	insertSession = `
INSERT INTO sessions (secret_hash, email, created_at, last_seen_at, expires_at) VALUES ($1, $2, $3, $3, $4)`
)

// startSession stores a session in the place of the one that the browser had.
func (s *store) startSession(ctx context.Context, email string, hash, replaced []byte, now, expires time.Time) error {
	err := pg.RunTx(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, deleteSession, replaced); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, insertSession, hash, email, now, expires)
		return err
	})
	if err != nil {
		return fmt.Errorf("start a session of %s: %w", email, err)
	}
	return nil
}

// endSession forgets a session; one that is not there is no error.
func (s *store) endSession(ctx context.Context, hash []byte) error {
	if _, err := s.pool.Exec(ctx, deleteSession, hash); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

const selectSession = `
SELECT u.email, u.name, u.role, u.merchant_id, s.last_seen_at
FROM sessions s JOIN users u ON u.email = s.email
WHERE s.secret_hash = $1 AND s.expires_at > $2 AND s.last_seen_at > $3
  AND NOT u.disabled AND ($4 OR u.demo_password IS NULL)`

// session finds the user of a session that holds at now and was used after
// idleSince.
func (s *store) session(ctx context.Context, hash []byte, now, idleSince time.Time, demo bool) (u User, lastSeen time.Time, ok bool, err error) {
	err = s.pool.QueryRow(ctx, selectSession, hash, now, idleSince, demo).Scan(&u.Email, &u.Name, &u.Role, &u.MerchantID, &lastSeen)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return User{}, time.Time{}, false, nil
	case err != nil:
		return User{}, time.Time{}, false, fmt.Errorf("load session: %w", err)
	default:
		return u, lastSeen, true, nil
	}
}

const updateSeen = `UPDATE sessions SET last_seen_at = $2 WHERE secret_hash = $1 AND last_seen_at < $2`

func (s *store) seen(ctx context.Context, hash []byte, now time.Time) error {
	if _, err := s.pool.Exec(ctx, updateSeen, hash, now); err != nil {
		return fmt.Errorf("note a session's use: %w", err)
	}
	return nil
}

const insertToken = `
INSERT INTO tokens (token_id, secret_hash, name, role, merchant_id, created_by, created_at, days, expires_at, idempotency_key)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (created_by, idempotency_key) DO NOTHING`

const selectTokenID = `SELECT token_id FROM tokens WHERE created_by = $1 AND idempotency_key = $2`

// A repeated request gives the token that its first try made a new secret,
// as long as nobody has used the old one: whoever repeats has not received it.
const renewToken = `
UPDATE tokens SET secret_hash = $1
WHERE created_by = $2 AND idempotency_key = $3 AND name = $4 AND role = $5 AND merchant_id = $6
  AND days = $7 AND last_used_at IS NULL AND revoked_at IS NULL
RETURNING token_id, created_at, expires_at`

// createToken stores a token, or renews the one that the same idempotency key
// made. hash makes the hash of the secret that belongs to a token's id.
func (s *store) createToken(ctx context.Context, t Token, idempotencyKey string, hash func(id string) []byte) (Token, error) {
	var key *string
	if idempotencyKey != "" {
		key = &idempotencyKey
	}
	err := pg.RunTx(ctx, s.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, insertToken, t.ID, hash(t.ID), t.Name, t.Role, t.MerchantID, t.CreatedBy, t.CreatedAt, t.days, t.ExpiresAt, key)
		if err != nil || tag.RowsAffected() == 1 {
			return err
		}
		return s.renewToken(ctx, tx, &t, key, hash)
	})
	if err != nil {
		return Token{}, fmt.Errorf("create token %q: %w", t.Name, err)
	}
	return t, nil
}

func (s *store) renewToken(ctx context.Context, tx pgx.Tx, t *Token, key *string, hash func(id string) []byte) error {
	var id string
	if err := tx.QueryRow(ctx, selectTokenID, t.CreatedBy, key).Scan(&id); err != nil {
		return err
	}
	err := tx.QueryRow(ctx, renewToken, hash(id), t.CreatedBy, key, t.Name, t.Role, t.MerchantID, t.days).Scan(&t.ID, &t.CreatedAt, &t.ExpiresAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrTokenExists
	}
	return err
}

const selectToken = `
SELECT name, role, merchant_id, created_by, created_at, expires_at, last_used_at, secret_hash FROM tokens
WHERE token_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)`

// token finds a token that holds at now, and the hash of its secret.
func (s *store) token(ctx context.Context, id string, now time.Time) (t Token, hash []byte, ok bool, err error) {
	t.ID = id
	err = s.pool.QueryRow(ctx, selectToken, id, now).Scan(
		&t.Name, &t.Role, &t.MerchantID, &t.CreatedBy, &t.CreatedAt, &t.ExpiresAt, &t.LastUsedAt, &hash)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Token{}, nil, false, nil
	case err != nil:
		return Token{}, nil, false, fmt.Errorf("load token %s: %w", id, err)
	default:
		return t, hash, true, nil
	}
}

const updateUsed = `UPDATE tokens SET last_used_at = $2 WHERE token_id = $1 AND (last_used_at IS NULL OR last_used_at < $2)`

func (s *store) used(ctx context.Context, id string, now time.Time) error {
	if _, err := s.pool.Exec(ctx, updateUsed, id, now); err != nil {
		return fmt.Errorf("note the use of token %s: %w", id, err)
	}
	return nil
}

const selectTokens = `
SELECT token_id, name, role, merchant_id, created_by, created_at, expires_at, last_used_at FROM tokens
WHERE revoked_at IS NULL AND token_id > $1 ORDER BY token_id LIMIT $2`

// tokens lists up to limit tokens that are not revoked.
func (s *store) tokens(ctx context.Context, after string, limit int) ([]Token, error) {
	rows, err := s.pool.Query(ctx, selectTokens, after, limit)
	if err == nil {
		var tokens []Token
		tokens, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (t Token, err error) {
			return t, row.Scan(&t.ID, &t.Name, &t.Role, &t.MerchantID, &t.CreatedBy, &t.CreatedAt, &t.ExpiresAt, &t.LastUsedAt)
		})
		if err == nil {
			return tokens, nil
		}
	}
	return nil, fmt.Errorf("list tokens: %w", err)
}

// A token that was revoked before stays revoked since then.
const updateRevoked = `UPDATE tokens SET revoked_at = COALESCE(revoked_at, $2) WHERE token_id = $1`

func (s *store) revokeToken(ctx context.Context, id string, now time.Time) error {
	tag, err := s.pool.Exec(ctx, updateRevoked, id, now)
	if err == nil && tag.RowsAffected() == 0 {
		err = ErrTokenUnknown
	}
	if err != nil {
		return fmt.Errorf("revoke token %s: %w", id, err)
	}
	return nil
}

// An attempt after the end of its window opens the next one.
const countAttempt = `
INSERT INTO sign_in_attempts AS a (scope, attempts, expires_at) VALUES ($1, 1, $3)
ON CONFLICT (scope) DO UPDATE SET
    attempts = CASE WHEN a.expires_at <= $2 THEN 1 ELSE a.attempts + 1 END,
    expires_at = CASE WHEN a.expires_at <= $2 THEN $3 ELSE a.expires_at END
RETURNING attempts, expires_at`

// attempt counts one more attempt in a scope and answers with how many there
// are in this window, and when the window ends.
func (s *store) attempt(ctx context.Context, scope string, now time.Time, window time.Duration) (attempts int64, ends time.Time, err error) {
	err = s.pool.QueryRow(ctx, countAttempt, scope, now, now.Add(window)).Scan(&attempts, &ends)
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("count an attempt to sign in: %w", err)
	}
	return attempts, ends, nil
}

const uncountAttempt = `UPDATE sign_in_attempts SET attempts = attempts - 1 WHERE scope = $1 AND attempts > 0`

// uncount takes an attempt back that turned out to be a success.
func (s *store) uncount(ctx context.Context, scope string) error {
	if _, err := s.pool.Exec(ctx, uncountAttempt, scope); err != nil {
		return fmt.Errorf("take back an attempt to sign in: %w", err)
	}
	return nil
}

const deleteAttempts = `DELETE FROM sign_in_attempts WHERE scope = $1`

func (s *store) forgetAttempts(ctx context.Context, scope string) error {
	if _, err := s.pool.Exec(ctx, deleteAttempts, scope); err != nil {
		return fmt.Errorf("forget attempts to sign in: %w", err)
	}
	return nil
}

// Demo users keep their first password, so that a restart does not sign
// anybody out of the demo.
const upsertDemoUser = `
INSERT INTO users (email, name, role, merchant_id, password_hash, created_at, demo_password)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (email) DO UPDATE SET name = excluded.name, role = excluded.role, merchant_id = excluded.merchant_id
WHERE users.demo_password IS NOT NULL`

func (s *store) putDemoUser(ctx context.Context, u User, passwordHash, password string) error {
	if _, err := s.pool.Exec(ctx, upsertDemoUser, u.Email, u.Name, u.Role, u.MerchantID, passwordHash, u.CreatedAt, password); err != nil {
		return fmt.Errorf("put demo user %s: %w", u.Email, err)
	}
	return nil
}

const selectDemoUsers = `SELECT email, demo_password, name, role FROM users WHERE demo_password IS NOT NULL AND NOT disabled ORDER BY role, email`

func (s *store) demoSignIns(ctx context.Context) ([]DemoSignIn, error) {
	rows, err := s.pool.Query(ctx, selectDemoUsers)
	if err == nil {
		var found []DemoSignIn
		found, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (d DemoSignIn, err error) {
			return d, row.Scan(&d.Email, &d.Password, &d.Name, &d.Role)
		})
		if err == nil {
			return found, nil
		}
	}
	return nil, fmt.Errorf("list demo users: %w", err)
}

const deleteDemoUsers = `DELETE FROM users WHERE demo_password IS NOT NULL`

func (s *store) removeDemoUsers(ctx context.Context) error {
	if _, err := s.pool.Exec(ctx, deleteDemoUsers); err != nil {
		return fmt.Errorf("remove demo users: %w", err)
	}
	return nil
}

// statements are all that the store runs, for the test that prepares them.
func statements() []string {
	return []string{
		selectAccount, insertUser, selectSameUser, updatePasswordHash, selectUsers,
		deleteSession, insertSession, selectSession, updateSeen,
		insertToken, renewToken, selectTokenID, selectToken, updateUsed, selectTokens, updateRevoked,
		countAttempt, uncountAttempt, deleteAttempts, upsertDemoUser, selectDemoUsers, deleteDemoUsers,
	}
}
