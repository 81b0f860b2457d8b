-- add refresh tokens
--
-- Revision ID: 004_add_refresh_tokens
-- Revises: 003_add_users
-- Create Date: 2024-12-27 00:00:00
--
-- What `alembic upgrade 003_add_users:004_add_refresh_tokens --sql` of the API's own migration does, so that nobody can
-- tell who came first. By hand: psql -1 -v ON_ERROR_STOP=1 -f 004_add_refresh_tokens.upgrade.sql
--
-- Locks: SHARE ROW EXCLUSIVE on users, for the foreign key, until the commit: writes to users wait, reads do not.

CREATE TABLE refresh_tokens (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    token_hash varchar NOT NULL,
    expires_at timestamptz NOT NULL,
    is_revoked boolean DEFAULT 'false' NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    revoked_at timestamptz,
    PRIMARY KEY (id),
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);

CREATE INDEX ix_refresh_tokens_user_id ON refresh_tokens (user_id);
CREATE UNIQUE INDEX ix_refresh_tokens_token_hash ON refresh_tokens (token_hash);
CREATE INDEX ix_refresh_tokens_expires_at ON refresh_tokens (expires_at);

UPDATE alembic_version SET version_num = '004_add_refresh_tokens' WHERE version_num = '003_add_users';
