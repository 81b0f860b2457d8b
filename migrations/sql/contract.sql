-- What is amiss with the table of tokens whose oid is $1: a row for each problem, with the statement that mends it.
-- No row: the janitor can work with it. Run after begin.sql.
-- Locks: ACCESS SHARE on system catalogs.
WITH tokens AS (
    SELECT c.*, n.nspname, quote_ident(current_user) AS me,
           format('%I.%I', n.nspname, c.relname) AS name
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = $1::oid
), wanted AS (
    SELECT * FROM (VALUES (1, 'expires_at', 'timestamptz'::regtype, 'timestamptz', ''),
                          (2, 'is_revoked', 'boolean'::regtype, 'boolean', ' NOT NULL DEFAULT false'),
                          (3, 'revoked_at', 'timestamptz'::regtype, 'timestamptz', '')) AS v(ord, name, oid, type, rest)
), found AS (
    SELECT w.*, a.attnum, a.atttypid, format_type(a.atttypid, a.atttypmod) AS is
    FROM wanted w
    LEFT JOIN pg_attribute a ON a.attrelid = $1::oid AND a.attname = w.name AND a.attnum > 0 AND NOT a.attisdropped
), candidate AS ( -- indexes that lead with expires_at, and why one may be of no use
    SELECT i.relname, CASE
               WHEN NOT (x.indisvalid AND x.indisready AND x.indislive) THEN 'is not valid'
               WHEN x.indpred IS NOT NULL THEN 'is partial'
               WHEN am.amname <> 'btree' THEN 'is not a btree but ' || am.amname
               -- Either ascending with nulls last or the mirror of it; others cannot serve ORDER BY expires_at.
               WHEN x.indoption[0] NOT IN (0, 3) THEN 'sorts nulls at the wrong end'
           END AS useless
    FROM pg_index x
    JOIN pg_class i ON i.oid = x.indexrelid
    JOIN pg_am am ON am.oid = i.relam
    JOIN found f ON f.name = 'expires_at' AND f.attnum = x.indkey[0]
    WHERE x.indrelid = $1::oid
), policy AS ( -- those that hold for this role and a command of ours; a permissive one without USING lets no row through
    SELECT p.*, CASE WHEN p.polqual IS NULL THEN p.polpermissive ELSE pg_get_expr(p.polqual, p.polrelid) <> 'true' END AS hides
    FROM pg_policy p
    WHERE p.polrelid = $1::oid
      AND (p.polcmd IN ('r', 'd', '*') OR p.polcmd = 'w' AND has_any_column_privilege(p.polrelid, 'UPDATE'))
      AND EXISTS (SELECT FROM unnest(p.polroles) AS r WHERE r = 0 OR pg_has_role(r, 'USAGE'))
), problem(ord, what, remedy) AS (
    SELECT 10, format('%s is a %s, not a table', name,
                      CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table'
                                   WHEN 'S' THEN 'sequence' WHEN 'c' THEN 'composite type' ELSE format('relation of kind %s', relkind) END),
           'name the table that holds the tokens with --table'
    FROM tokens WHERE relkind NOT IN ('r', 'p')

    UNION ALL
    SELECT 11, format('%s is a temporary table', name), 'name the table that holds the tokens with --table'
    FROM tokens WHERE relpersistence = 't'

    UNION ALL
    -- An index on the parent holds the parent's own rows only, so every window would read the children whole.
    SELECT 12, format('%s has tables that inherit from it (%s)', name, string_agg(h.inhrelid::regclass::text, ', ')),
           'partition it (PARTITION BY) or run one janitor for each table, with --table'
    FROM tokens JOIN pg_inherits h ON h.inhparent = tokens.oid
    WHERE relkind = 'r'
    GROUP BY name

    UNION ALL
    -- One in place of DELETE deletes nothing, and each run would say that all is gone. One beside it stops a batch that
    -- picks rows, for no rule goes with a DELETE in WITH. Rules of partitions count for nobody who names the table.
    SELECT 13, format('%s has a rule %I %s DELETE', name, r.rulename, CASE WHEN r.is_instead THEN 'in place of' ELSE 'beside' END),
           format('DROP RULE %I ON %s', r.rulename, name)
           || CASE WHEN r.is_instead THEN '' ELSE ' /* and let a trigger AFTER DELETE do what it did */' END
    FROM tokens JOIN pg_rewrite r ON r.ev_class = tokens.oid
    WHERE r.ev_type = '4' AND relkind IN ('r', 'p')
      AND r.ev_enabled IN ('A', CASE current_setting('session_replication_role') WHEN 'replica' THEN 'R' ELSE 'O' END)

    UNION ALL
    SELECT 20 + f.ord, format('column %s is missing', f.name),
           format('ALTER TABLE %s ADD COLUMN %s %s%s', t.name, f.name, f.type, f.rest)
    FROM tokens t, found f WHERE f.attnum IS NULL

    UNION ALL
    SELECT 20 + f.ord, format('column %s is %s, not %s', f.name, f.is, f.type),
           format('ALTER TABLE %s ALTER COLUMN %s TYPE %s USING %s', t.name, f.name, f.type,
                  CASE WHEN f.atttypid = 'timestamp'::regtype THEN format('%I AT TIME ZONE ''UTC''', f.name)
                       WHEN f.type = 'timestamptz' AND f.atttypid IN ('int4'::regtype, 'int8'::regtype, 'numeric'::regtype,
                                                                      'float8'::regtype)
                       THEN format('to_timestamp(%I)', f.name)
                       ELSE format('%I::text::%s', f.name, f.type) END)
    FROM tokens t, found f WHERE f.attnum IS NOT NULL AND f.atttypid <> f.oid

    UNION ALL
    SELECT 30, 'no index leads with expires_at'
               || coalesce((SELECT ' (' || string_agg(format('%I %s', l.relname, l.useless), ', ' ORDER BY l.relname) || ')'
                            FROM candidate l), ''),
           CASE t.relkind
               WHEN 'p' THEN format('CREATE INDEX ON %s (expires_at); writes wait while it builds: '
                                    'not, where a partition has such an index already, made CONCURRENTLY', t.name)
               ELSE format('CREATE INDEX CONCURRENTLY ON %s (expires_at)', t.name) END
           || coalesce((SELECT '; then DROP INDEX ' || string_agg(format('%I.%I', t.nspname, l.relname), ', ' ORDER BY l.relname)
                        FROM candidate l WHERE l.useless = 'is not valid'), '')
    FROM tokens t, found f
    WHERE t.relkind IN ('r', 'p') AND f.name = 'expires_at' AND f.atttypid = f.oid
      AND NOT EXISTS (SELECT FROM candidate WHERE useless IS NULL)

    UNION ALL
    SELECT 40, format('%s may not use schema %I', me, nspname), format('GRANT USAGE ON SCHEMA %I TO %s', nspname, me)
    FROM tokens WHERE NOT has_schema_privilege(relnamespace, 'USAGE')

    UNION ALL
    -- ctid and tableoid say where a row lies, for rows that have to be deleted by their place. The hash is not read.
    SELECT 41, format('%s may not read %s', t.me, string_agg(r.name, ', ' ORDER BY r.ord)),
           format('GRANT SELECT (%s) ON %s TO %s', string_agg(r.name, ', ' ORDER BY r.ord), t.name, t.me)
    FROM tokens t, (SELECT ord, name FROM found WHERE attnum IS NOT NULL
                    UNION ALL VALUES (4, 'ctid'), (5, 'tableoid')) AS r(ord, name)
    WHERE t.relkind IN ('r', 'p') AND NOT has_column_privilege(t.oid, r.name, 'SELECT')
    GROUP BY t.me, t.name

    UNION ALL
    SELECT 42, format('%s may not delete from %s', me, name), format('GRANT DELETE ON %s TO %s', name, me)
    FROM tokens WHERE NOT has_table_privilege(oid, 'DELETE')

    UNION ALL
    -- With row_security off, what a policy may hide is an error.
    SELECT 43, format('row_security is off for %s, so that row security on %s stops each statement', me, name),
           format('ALTER ROLE %s SET row_security = on', me)
    FROM tokens WHERE row_security_active(oid) AND NOT current_setting('row_security')::boolean

    UNION ALL
    SELECT 44, format('row security on %s hides rows from %s', t.name, t.me)
               || coalesce(format(' (policy %s)', n.names), ''),
           CASE -- one more policy does not help where one is restrictive
               WHEN pg_has_role(t.relowner, 'USAGE') AND t.relforcerowsecurity THEN
                   CASE WHEN n.names IS NULL THEN format('CREATE POLICY %I ON %s TO %s USING (true) /* or ALTER TABLE %2$s NO FORCE ROW LEVEL SECURITY */', free.name, t.name, t.me)
                        ELSE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', t.name) END
               WHEN n.names IS NULL THEN format('CREATE POLICY %I ON %s TO %s USING (true) /* or ALTER ROLE %3$s BYPASSRLS */', free.name, t.name, t.me)
               ELSE format('ALTER ROLE %s BYPASSRLS', t.me) END
    FROM tokens t
    CROSS JOIN LATERAL (SELECT string_agg(quote_ident(p.polname), ', ' ORDER BY p.polname) AS names
                        FROM policy p WHERE NOT p.polpermissive AND p.hides) AS n
    CROSS JOIN LATERAL (SELECT c.name FROM (SELECT 'token_janitor' AS name, 0 AS ord
                                            UNION ALL SELECT 'token_janitor_' || i, i FROM generate_series(2, 100) AS i) AS c
                        WHERE NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = t.oid AND p.polname = c.name)
                        ORDER BY c.ord LIMIT 1) AS free
    WHERE row_security_active(t.oid)
      AND (n.names IS NOT NULL
           -- Each command needs one policy that lets all rows through. UPDATE is what passing over locked rows takes.
           OR EXISTS (SELECT FROM unnest(ARRAY['r', 'd', 'w']) AS command
                      WHERE (command <> 'w' OR has_any_column_privilege(t.oid, 'UPDATE'))
                        AND NOT EXISTS (SELECT FROM policy p
                                        WHERE p.polpermissive AND p.polcmd::text IN (command, '*') AND NOT p.hides)))
)
SELECT what, remedy FROM problem ORDER BY ord;
