-- Where a database stands. $1 is the name of the table of tokens, $2 the schemas to look for it in, in order, $3 those to
-- look for users and alembic_version in. Run after begin.sql.
-- Locks: ACCESS SHARE on system catalogs.
WITH place AS (
    SELECT n.oid, n.nspname, s.ord
    FROM unnest($3::text[]) WITH ORDINALITY AS s(name, ord)
    JOIN pg_namespace n ON n.nspname = s.name
), relation AS (
    SELECT c.oid, n.oid AS schema_oid, n.nspname, c.relname, c.relkind, pg_get_userbyid(c.relowner) AS owner
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname IN ($1::text, 'users', 'alembic_version')
), users AS (
    SELECT r.* FROM relation r JOIN place p ON p.oid = r.schema_oid WHERE r.relname = 'users' ORDER BY p.ord LIMIT 1
), version AS (
    SELECT r.* FROM relation r JOIN place p ON p.oid = r.schema_oid WHERE r.relname = 'alembic_version' ORDER BY p.ord LIMIT 1
), tokens AS (
    SELECT r.*
    FROM relation r
    JOIN unnest($2::text[]) WITH ORDINALITY AS s(name, ord) ON s.name = r.nspname
    WHERE r.relname = $1::text
    ORDER BY s.ord
    LIMIT 1
)
SELECT current_user::text AS me,
       pg_is_in_recovery() AS standby,
       current_setting('default_transaction_read_only')::boolean AS read_only,
       ARRAY(SELECT nspname::text FROM pg_namespace WHERE nspname = ANY ($2::text[])) AS known_schemas,
       coalesce(tokens.oid, 0) AS tokens_oid,
       coalesce(tokens.nspname, '')::text AS tokens_schema,
       coalesce(users.owner, '')::text AS users_owner,
       coalesce(version.nspname, '')::text AS version_schema,
       coalesce(version.owner, '')::text AS version_owner,
       coalesce(has_table_privilege(version.oid, 'SELECT'), true) AS version_readable,
       ARRAY(SELECT nspname::text FROM relation WHERE relname = $1::text AND relkind IN ('r', 'p') ORDER BY 1) AS tokens_anywhere,
       ARRAY(SELECT nspname::text FROM relation WHERE relname = 'alembic_version' ORDER BY 1) AS version_anywhere
FROM (SELECT) AS one
LEFT JOIN users ON true
LEFT JOIN version ON true
LEFT JOIN tokens ON true;
