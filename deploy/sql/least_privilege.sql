-- The fewest rights that the janitor works with, for a role that only checks the schema
-- (--migrate=check): it can delete tokens, and cannot read one. Run it as the owner of
-- the tables, in the API's database:
--
--   psql -v ON_ERROR_STOP=1 -1 -f least_privilege.sql
--   psql -c '\password token_janitor'
--
-- All of it or none (-1), and as often as you like: also for another database of the same server. For another
-- table, change the names below.
SELECT 'CREATE ROLE token_janitor LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'token_janitor') \gexec

GRANT USAGE ON SCHEMA public TO token_janitor;
-- Leave this out where there is no Alembic.
GRANT SELECT ON alembic_version TO token_janitor;

-- What the two rules compare, and where a row lies; not the hash, not the user.
GRANT SELECT (expires_at, is_revoked, revoked_at, ctid, tableoid) ON refresh_tokens TO token_janitor;
GRANT DELETE ON refresh_tokens TO token_janitor;

-- To skip rows that the API has locked, PostgreSQL asks for the right to UPDATE a column. created_at is
-- one that decides nothing. Without this grant the janitor waits a moment for each locked row.
GRANT UPDATE (created_at) ON refresh_tokens TO token_janitor;

-- Only if the table is partitioned: grant the three above on each partition as well, new ones included. A backlog
-- is then cleared partition by partition, which is much faster where there are hundreds.

-- Only if rows reference one another (a key such as parent_id REFERENCES refresh_tokens): so that a family
-- is deleted as a whole, the janitor reads both ends of that key.
-- GRANT SELECT (id, parent_id) ON refresh_tokens TO token_janitor;

-- For --migrate=upgrade the janitor acts as the API's own role, which owns the tables,
-- so that what it makes is the API's as well. Then grant that one instead of the above:
-- GRANT hyphagraph TO token_janitor;
