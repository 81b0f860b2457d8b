-- What stands in the way of revision 004 and does not go by itself: a row for each, with what mends it; is_right says that
-- it is a privilege, which only who runs the revision needs. $1 is the schema that the table is to be made in, $2 the oid
-- of users, $3 the oid of the version table (0 = it is to be made), $4 its schema, $5 its name, $6 the role that will run
-- the revision. Run after begin.sql.
-- Locks: ACCESS SHARE on system catalogs.
WITH wanted(name, schema, of, is_table) AS ( -- all names that the revision and the version table take
    VALUES ('refresh_tokens', $1::text, 'refresh_tokens', true),
           ('ix_refresh_tokens_user_id', $1::text, 'refresh_tokens', false),
           ('ix_refresh_tokens_token_hash', $1::text, 'refresh_tokens', false),
           ('ix_refresh_tokens_expires_at', $1::text, 'refresh_tokens', false)
    UNION ALL
    SELECT v.name, $4::text, $5::text, v.is_table
    FROM (VALUES ($5::text, true), ($5::text || '_pkc', false)) AS v(name, is_table)
    WHERE $3::oid = 0
), taken AS ( -- tables, indexes, sequences and composite types share their names
    SELECT w.*, n.nspname, c.oid, c.relkind, x.indrelid,
           format('%I.%I', n.nspname, c.relname) AS full_name,
           quote_ident(left(w.name, 50) || '_' || c.oid) AS free_name
    FROM wanted w
    JOIN pg_namespace n ON n.nspname = w.schema
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name::name
    LEFT JOIN pg_index x ON x.indexrelid = c.oid
), users AS (
    SELECT c.*, format('%I.%I', n.nspname, c.relname) AS full_name, n.nspname, a.attnum AS id,
           format_type(a.atttypid, a.atttypmod) AS is, coalesce(nullif(t.typbasetype, 0), t.oid) AS base
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'id' AND NOT a.attisdropped
    LEFT JOIN pg_type t ON t.oid = a.atttypid
    WHERE c.oid = $2::oid
), obstacle(ord, is_right, what, remedy) AS (
    SELECT 10, false,
           format('table %s, which may be a renamed %s, has indexes of the names that are to be made: %s', i.full_name, i.of, string_agg(t.name, ', ' ORDER BY t.name)),
           format('if it is the real one, ALTER TABLE %s RENAME TO %I; if it is not, ', i.full_name, i.of)
           || string_agg(format('ALTER INDEX %s RENAME TO %s', t.full_name, t.free_name), '; ' ORDER BY t.name)
    FROM taken t,
         LATERAL (SELECT t.of, format('%I.%I', n.nspname, c.relname) AS full_name
                  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = t.indrelid) AS i
    GROUP BY i.full_name, i.of

    UNION ALL
    SELECT 11, false, format('the name %s is taken by a %s', t.full_name, k.kind), format('ALTER %s %s RENAME TO %s', upper(k.kind), t.full_name, t.free_name)
    FROM taken t,
         LATERAL (SELECT CASE t.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
                                        WHEN 'c' THEN 'type' WHEN 'f' THEN 'foreign table' ELSE 'table' END AS kind) AS k
    WHERE t.indrelid IS NULL

    UNION ALL
    -- A table brings a type of its name along. An array type gives way to it.
    SELECT 12, false, format('the name %I.%I is taken by a type', w.schema, w.name),
           format('ALTER TYPE %I.%I RENAME TO %I', w.schema, w.name, left(w.name, 50) || '_' || t.oid)
    FROM wanted w
    JOIN pg_namespace n ON n.nspname = w.schema
    JOIN pg_type t ON t.typnamespace = n.oid AND t.typname = w.name::name
    WHERE w.is_table AND t.typrelid = 0 AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)

    UNION ALL
    SELECT 20, false, format('%s is a %s, which no foreign key can refer to', full_name,
                             CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'foreign table' END),
           'make sure that this is the API''s database, whose revision 003_add_users makes a table of it'
    FROM users WHERE relkind NOT IN ('r', 'p')

    UNION ALL
    SELECT 21, false, format('%s is unlogged, and a table that is not cannot refer to it', full_name), format('ALTER TABLE %s SET LOGGED', full_name)
    FROM users WHERE relpersistence = 'u'

    UNION ALL
    SELECT 22, false, format('%s has no column id', full_name),
           'make sure that this is the API''s database, whose revision 003_add_users makes one of type uuid'
    FROM users WHERE id IS NULL

    UNION ALL
    SELECT 23, false, format('column id of %s is %s, and the revision''s column user_id, which refers to it, is uuid', full_name, "is"),
           'make sure that this is the API''s database, whose revision 003_add_users makes users.id a uuid'
    FROM users WHERE base <> 'uuid'::regtype

    UNION ALL
    SELECT 24, false, format('%s has no primary key on id, nor a unique constraint that is not deferrable, for a foreign key to refer to', full_name),
           format('ALTER TABLE %s ADD %s (id)', full_name,
                  CASE WHEN EXISTS (SELECT FROM pg_index x WHERE x.indrelid = users.oid AND x.indisprimary) THEN 'UNIQUE' ELSE 'PRIMARY KEY' END)
    FROM users
    WHERE id IS NOT NULL AND relkind IN ('r', 'p')
      AND NOT EXISTS (SELECT FROM pg_index x
                      WHERE x.indrelid = users.oid AND x.indisunique AND x.indimmediate AND x.indisvalid
                        AND x.indpred IS NULL AND x.indnkeyatts = 1 AND x.indkey[0] = users.id)

    UNION ALL
    -- A revision that is hidden would look like none.
    SELECT 31, false, format('row security on %I.%I may hide its row from %I', $4::text, $5::text, current_user),
           format('ALTER TABLE %I.%I DISABLE ROW LEVEL SECURITY, or let the API''s role run alembic upgrade 004_add_refresh_tokens', $4::text, $5::text)
    FROM pg_class WHERE oid = $3::oid AND row_security_active(oid)

    UNION ALL
    SELECT 40, true, format('%I may not create a table in schema %I', $6::text, n.nspname), format('GRANT USAGE, CREATE ON SCHEMA %I TO %I', n.nspname, $6::text)
    FROM pg_namespace n
    WHERE (n.nspname = $1::text OR n.nspname = $4::text AND $3::oid = 0)
      AND NOT (has_schema_privilege($6::text, n.oid, 'CREATE') AND has_schema_privilege($6::text, n.oid, 'USAGE'))

    UNION ALL
    SELECT 41, true, format('%I may not refer to %s', $6::text, full_name),
           format('GRANT USAGE ON SCHEMA %I TO %I; GRANT REFERENCES ON %s TO %2$I', nspname, $6::text, full_name)
    FROM users
    WHERE id IS NOT NULL AND NOT (has_schema_privilege($6::text, relnamespace, 'USAGE') AND has_column_privilege($6::text, oid, id, 'REFERENCES'))
)
SELECT what, remedy, is_right FROM obstacle ORDER BY ord, what;
