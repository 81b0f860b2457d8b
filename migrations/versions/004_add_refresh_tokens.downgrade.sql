-- add refresh tokens
--
-- Revision ID: 004_add_refresh_tokens
-- Revises: 003_add_users
-- Create Date: 2024-12-27 00:00:00
--
-- Every refresh token goes: every user has to log in again.
-- By hand: psql -1 -v ON_ERROR_STOP=1 -f 004_add_refresh_tokens.downgrade.sql
--
-- Locks: ACCESS EXCLUSIVE on refresh_tokens and, for the foreign key, on users, until the commit.

DROP TABLE refresh_tokens;

UPDATE alembic_version SET version_num = '003_add_users' WHERE version_num = '004_add_refresh_tokens';
