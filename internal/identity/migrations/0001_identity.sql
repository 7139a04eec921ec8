CREATE TABLE users (
    email           text        NOT NULL PRIMARY KEY CHECK (email = lower(email)),
    name            text        NOT NULL,
    role            text        NOT NULL CHECK (role IN ('merchant', 'operator', 'support', 'finance', 'engineer', 'admin')),
    merchant_id     text        NOT NULL DEFAULT '',
    password_hash   text        NOT NULL,
    created_at      timestamptz NOT NULL,
    disabled        boolean     NOT NULL DEFAULT false,
    idempotency_key text        NOT NULL DEFAULT '',
    -- Set for demo users alone, whose passwords are meant to be shown.
    demo_password   text,
    CHECK ((role = 'merchant') = (merchant_id <> ''))
);

CREATE TABLE sessions (
    secret_hash  bytea       NOT NULL PRIMARY KEY,
    email        text        NOT NULL REFERENCES users (email) ON DELETE CASCADE,
    created_at   timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL
);

CREATE INDEX sessions_by_email ON sessions (email);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE tokens (
    token_id        text        NOT NULL PRIMARY KEY,
    secret_hash     bytea       NOT NULL,
    name            text        NOT NULL,
    role            text        NOT NULL CHECK (role IN ('merchant', 'operator', 'support', 'finance', 'engineer', 'admin', 'service')),
    merchant_id     text        NOT NULL DEFAULT '',
    created_by      text        NOT NULL,
    created_at      timestamptz NOT NULL,
    days            int         NOT NULL,
    expires_at      timestamptz,
    last_used_at    timestamptz,
    revoked_at      timestamptz,
    idempotency_key text,
    CHECK (role <> 'merchant' OR merchant_id <> ''),
    CHECK (merchant_id = '' OR role IN ('merchant', 'service')),
    UNIQUE (created_by, idempotency_key)
);

-- How often signing in was tried, by account and address.
CREATE TABLE sign_in_attempts (
    scope      text        NOT NULL PRIMARY KEY,
    attempts   bigint      NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE INDEX sign_in_attempts_by_expiry ON sign_in_attempts (expires_at);
