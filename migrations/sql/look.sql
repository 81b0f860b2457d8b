-- Where a database stands. $1 is the name of the table of tokens, $2 the schemas to look for it in, in order; $3 those to
-- look for users in; $4 the name of Alembic's version table, $5 the schemas to look for that in. A schema that holds both
-- users and the version table goes before one that holds one of them. Run after begin.sql.
-- Locks: ACCESS SHARE on system catalogs.
WITH relation AS ( -- what can be read as a table; other things of these names are found by obstacles.sql
    SELECT c.oid, c.relnamespace, n.nspname, c.relname, c.relkind, pg_get_userbyid(c.relowner) AS owner
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname IN ($1::text, 'users', $4::text) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
), users_at AS (
    SELECT r.*, s.ord FROM relation r JOIN unnest($3::text[]) WITH ORDINALITY AS s(name, ord) ON s.name = r.nspname WHERE r.relname = 'users'
), version_at AS (
    SELECT r.*, s.ord FROM relation r JOIN unnest($5::text[]) WITH ORDINALITY AS s(name, ord) ON s.name = r.nspname WHERE r.relname = $4::text
), users AS (
    SELECT * FROM users_at u
    ORDER BY NOT EXISTS (SELECT FROM version_at v WHERE v.relnamespace = u.relnamespace), ord LIMIT 1
), version AS (
    SELECT * FROM version_at v
    ORDER BY NOT EXISTS (SELECT FROM users_at u WHERE u.relnamespace = v.relnamespace), ord LIMIT 1
), tokens AS (
    SELECT r.*
    FROM relation r
    JOIN unnest($2::text[]) WITH ORDINALITY AS s(name, ord) ON s.name = r.nspname
    WHERE r.relname = $1::text
    ORDER BY s.ord
    LIMIT 1
), rival AS ( -- what looks like a version table of Alembic's and is not the one that was asked for
    SELECT format('%I.%I', n.nspname, c.relname) AS name
    FROM pg_attribute a
    JOIN pg_type t ON t.oid = a.atttypid
    JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE a.attname = 'version_num' AND NOT a.attisdropped AND t.typcategory = 'S'
      AND c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition AND c.relpersistence <> 't'
      AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
      AND c.oid NOT IN (SELECT oid FROM version)
      -- Alembic's has that one column. An env.py may add some, but they are not of the primary key.
      AND (NOT EXISTS (SELECT FROM pg_attribute o
                       WHERE o.attrelid = a.attrelid AND o.attnum > 0 AND o.attnum <> a.attnum AND NOT o.attisdropped)
           OR EXISTS (SELECT FROM pg_index x
                      WHERE x.indrelid = a.attrelid AND x.indisprimary AND x.indnkeyatts = 1 AND x.indkey[0] = a.attnum))
)
SELECT current_user::text AS me,
       pg_is_in_recovery() AS standby,
       current_setting('default_transaction_read_only')::boolean AS read_only,
       ARRAY(SELECT nspname::text FROM pg_namespace WHERE nspname = ANY ($2::text[] || $5::text[])) AS known_schemas,
       coalesce(tokens.oid, 0) AS tokens_oid,
       coalesce(tokens.nspname, '')::text AS tokens_schema,
       coalesce(users.oid, 0) AS users_oid,
       coalesce(users.nspname, '')::text AS users_schema,
       coalesce(users.owner, '')::text AS users_owner,
       coalesce(version.oid, 0) AS version_oid,
       coalesce(version.nspname, '')::text AS version_schema,
       coalesce(version.owner, '')::text AS version_owner,
       version.oid IS NULL OR version.relkind IN ('r', 'p') AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = version.oid
                                      AND a.attname = 'version_num' AND NOT a.attisdropped) AS version_shaped,
       coalesce(has_schema_privilege(version.relnamespace, 'USAGE') AND has_table_privilege(version.oid, 'SELECT'), true) AS version_readable,
       ARRAY(SELECT nspname::text FROM relation WHERE relname = $1::text AND relkind IN ('r', 'p') ORDER BY 1) AS tokens_anywhere,
       ARRAY(SELECT format('%I.%I', n.nspname, c.relname)
             FROM pg_class c
             JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE tokens.oid IS NULL AND lower(c.relname) = lower($1::text) AND c.relkind IN ('r', 'p')
             ORDER BY 1 LIMIT 3) AS tokens_alike,
       ARRAY(SELECT name FROM rival ORDER BY 1) AS rivals,
       EXISTS (SELECT FROM pg_constraint k
               WHERE k.contype = 'f' AND (k.confrelid = tokens.oid OR k.confrelid IN (SELECT relid FROM pg_partition_tree(tokens.oid)))) AS referenced,
       EXISTS (SELECT FROM pg_publication) AS publications
FROM (SELECT) AS one
LEFT JOIN users ON true
LEFT JOIN version ON true
LEFT JOIN tokens ON true;
